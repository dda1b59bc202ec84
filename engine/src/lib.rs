//! Owns sockets, clocks and processes. `runtime` is the event loop that servers and clients are built on;
//! `server` puts roles, endpoints, results and configuration on top.

pub mod runtime;
pub mod server;
