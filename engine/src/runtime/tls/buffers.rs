//! Where records are opened and sealed: one input and one output for all connections of a loop, and spare vectors for what
//! a connection must keep meanwhile.

use super::record::{OVERHEAD_BYTES_MAX, PLAINTEXT_BYTES_MAX, RECORD_BYTES_MAX};

/// Full records that are sealed before they are written, all in one call: 128 KiB.
const RECORDS_PER_WRITE: usize = 8;
/// Most plaintext that is sealed before it is written.
pub(super) const SEALED_BYTES_MAX: usize = RECORDS_PER_WRITE * PLAINTEXT_BYTES_MAX;
/// Bytes read in one call; the beginning of a record that a connection keeps stands before them.
const READ_BYTES: usize = 128 * 1024;
/// Room in [`RecordBuffers::input`]: more than a connection ever keeps of its input or of its output.
const INPUT_BYTES: usize = RECORD_BYTES_MAX + READ_BYTES;
/// Room for one output.
const OUTPUT_BYTES: usize = RECORDS_PER_WRITE * (PLAINTEXT_BYTES_MAX + OVERHEAD_BYTES_MAX);
const _: () = assert!(OUTPUT_BYTES <= INPUT_BYTES);
/// Spare vectors of each size that are kept.
const SPARE_MAX: usize = 32;

/// The buffers that a loop lends to each of its encrypted connections in turn. Empty until the first needs them.
#[derive(Debug, Default)]
pub struct RecordBuffers {
    pub(super) input: Box<[u8]>,
    pub(super) output: Box<[u8]>,
    /// With room for one record.
    small: Vec<Vec<u8>>,
    /// With room for everything.
    large: Vec<Vec<u8>>,
}

impl RecordBuffers {
    /// Makes the buffers, once.
    pub(super) fn prepare(&mut self) {
        if self.input.is_empty() {
            self.input = vec![0; INPUT_BYTES].into_boxed_slice();
            self.output = vec![0; OUTPUT_BYTES].into_boxed_slice();
            self.small.reserve_exact(SPARE_MAX);
            self.large.reserve_exact(SPARE_MAX);
        }
    }

    /// Keeps input: mostly the beginning of one record, whose rest many a connection awaits at the same time.
    pub(super) fn keep_unopened(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut kept = if bytes.len() <= RECORD_BYTES_MAX {
            vector(&mut self.small, RECORD_BYTES_MAX)
        } else {
            vector(&mut self.large, INPUT_BYTES)
        };
        kept.extend_from_slice(bytes);
        kept
    }

    /// Keeps output behind what `kept` has. However little it is, the next time it may be all of an output: so a vector
    /// never has to grow.
    pub(super) fn keep_unwritten(&mut self, kept: &mut Vec<u8>, bytes: &[u8]) {
        if kept.capacity() == 0 {
            *kept = vector(&mut self.large, INPUT_BYTES);
        }
        kept.extend_from_slice(bytes);
    }

    /// Takes back a vector that is not needed any more.
    pub(super) fn give_back(&mut self, mut vector: Vec<u8>) {
        let spare = match vector.capacity() {
            INPUT_BYTES.. => &mut self.large,
            RECORD_BYTES_MAX.. => &mut self.small,
            // Of a message of TLS's own, or left by the handshake.
            _ => return,
        };
        if spare.len() < SPARE_MAX {
            vector.clear();
            spare.push(vector);
        }
    }
}

/// A spare vector, or a new one.
fn vector(spare: &mut Vec<Vec<u8>>, room: usize) -> Vec<u8> {
    spare.pop().unwrap_or_else(|| Vec::with_capacity(room))
}
