//! HPACK (RFC 7541): header fields in blocks that share a table for as long as their connection lives.
//!
//! Owns both codings and the decoder's table. Refuses to know what a field means. By hand, because the crates that
//! work without IO build a Huffman tree for each string or allocate for each field: a peer would choose how long one
//! block keeps a loop from its probes. Here a block costs what its bytes and its bounded list cost.

mod decoder;
mod encoder;
mod huffman;
mod integer;
mod static_table;

pub(super) use decoder::{Decoder, HpackError};
pub(super) use encoder::{begin_block, encode_field, encode_status};

/// What the standard counts for each entry beside its name and its value (RFC 7541, section 4.1).
pub(super) const ENTRY_OVERHEAD_BYTES: usize = 32;
