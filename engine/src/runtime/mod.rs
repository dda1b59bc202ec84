//! The event loop that servers and clients are built on: one thread, one poll, pinned to a core. Knows connections,
//! never endpoints.
//!
//! Owns sockets and their readiness, timers, buffers and the payload file. What is said on a connection is the pure
//! half's business; what to answer is the [`application::Application`]'s.

pub mod application;
pub mod driver;
pub mod event_loop;
mod frames;
pub mod payload;
pub mod pin;
pub mod sys;
pub mod timer_wheel;
pub mod tls;
pub mod transport;
