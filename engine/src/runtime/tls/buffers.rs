//! Where records are opened and sealed: one input and one output for all connections of a loop, and spare vectors for what
//! a connection must keep meanwhile.

use super::record::{OVERHEAD_BYTES_MAX, PLAINTEXT_BYTES_MAX, RECORD_BYTES_MAX};

/// Full records that are sealed before they are written, all in one call: 128 KiB.
const RECORDS_PER_WRITE: usize = 8;
/// Most plaintext that is sealed before it is written.
pub(super) const SEALED_BYTES_MAX: usize = RECORDS_PER_WRITE * PLAINTEXT_BYTES_MAX;
/// Bytes read in one call; the beginning of a record that a connection keeps stands before them.
const READ_BYTES: usize = 128 * 1024;
/// Spare vectors that are kept, each with room for at most one output.
const SPARE_MAX: usize = 32;

/// The buffers that a loop lends to each of its encrypted connections in turn. Empty until the first needs them.
#[derive(Debug, Default)]
pub struct RecordBuffers {
    pub(super) input: Box<[u8]>,
    pub(super) output: Box<[u8]>,
    spare: Vec<Vec<u8>>,
}

impl RecordBuffers {
    /// Makes the buffers, once.
    pub(super) fn prepare(&mut self) {
        if self.input.is_empty() {
            self.input = vec![0; RECORD_BYTES_MAX + READ_BYTES].into_boxed_slice();
            let record = PLAINTEXT_BYTES_MAX + OVERHEAD_BYTES_MAX;
            self.output = vec![0; RECORDS_PER_WRITE * record].into_boxed_slice();
            self.spare.reserve_exact(SPARE_MAX);
        }
    }

    /// Puts `bytes` after what `kept` has, in a spare vector if it has none of its own.
    pub(super) fn keep(&mut self, kept: &mut Vec<u8>, bytes: &[u8]) {
        if kept.capacity() == 0
            && let Some(spare) = self.spare.pop()
        {
            *kept = spare;
        }
        kept.extend_from_slice(bytes);
    }

    /// Takes back a vector that is not needed any more.
    pub(super) fn give_back(&mut self, mut vector: Vec<u8>) {
        if vector.capacity() > 0 && self.spare.len() < SPARE_MAX {
            vector.clear();
            self.spare.push(vector);
        }
    }
}
