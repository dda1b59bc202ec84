//! The pure half of the bufferbloat test: bytes and `now` in; bytes, events and deadlines out.
//!
//! Owns the connection state machines, the message types, measurement, pacing and every bound. Refuses to know
//! sockets, files, clocks, threads and the environment (`clippy.toml` beside this crate bans them), so all of it
//! runs in virtual time, and can be fuzzed.

pub mod connection;
pub mod http1;
pub mod http2;
pub mod limits;
pub mod measure;
pub mod message;
pub mod pacing;
pub mod profile;
pub mod proxy;
#[cfg(any(test, feature = "simulate"))]
pub mod simulate;
pub mod time;
pub mod websocket;
