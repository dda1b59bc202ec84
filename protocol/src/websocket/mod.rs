//! WebSocket (RFC 6455) as a pure state machine, server and client role.
//!
//! Owns frames, messages, the closing handshake and filler. Refuses to know what a message means, and every
//! extension: permessage-deflate above all, which would compress the very bytes that measure a line.

mod fault;
mod filler;
mod frame;
mod message;
mod socket;

pub use fault::Fault;
pub use filler::{
    FILLER_HEADER_BYTES, FILLER_STRIDE_BYTES, MASKED_FILLER_HEADER_BYTES,
    MASKED_FILLER_STRIDE_BYTES, stamp_filler_cycle,
};

pub(crate) use socket::WebSocket;
