//! HTTP/2 as a pure state machine, server side (RFC 9113, RFC 7541).
//!
//! Owns frames, header compression, streams, windows and the answers to a peer's mistakes. Refuses to know endpoints
//! and sockets: an application sees each stream as a [`Connection`] of its own, and can't tell it from one of HTTP/1.
//! Nothing is pushed, priorities are not looked at, and extended CONNECT is off.
//!
//! [`Connection`]: crate::connection::Connection

mod budget;
mod fault;
mod filler;
mod frame;
mod hpack;
mod request;
mod server;
mod settings;
mod stream;
mod streams;
mod window;

pub use fault::Fault;
pub use filler::{HTTP2_FRAME_PAYLOAD_BYTES, HTTP2_STRIDE_BYTES, stamp_http2_frames};

pub(crate) use server::Server;
pub(crate) use stream::Stream;
