//! HTTP/1.1 and 1.0 as pure state machines, server and client side (RFC 9110, RFC 9112).
//!
//! Owns heads, body framing, keep-alive, deadlines and the answers to a peer's mistakes. Refuses to know endpoints,
//! sockets and what a body means. `httparse` splits heads into fields; everything that decides where a message ends
//! is decided here.

mod body;
mod client;
mod fault;
mod fields;
mod head;
mod output;
mod request;
mod response;
mod server;
mod upgrade;

pub use fault::Fault;
pub use fields::Field;
pub use request::{BodyLength, Method, Request, RequestHead, Upgrade, UpgradeFault, Version};
pub use response::{Response, ResponseHead};

pub(crate) use client::Client;
pub(crate) use fields::Span;
pub(crate) use head::{RequestParts, assemble_request, is_token};
pub(crate) use output::Source;
pub(crate) use server::Server;
pub(crate) use upgrade::UpgradeParts;
