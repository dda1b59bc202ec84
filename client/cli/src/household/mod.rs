//! The household test: all users of the node's catalogue on the line at once, each in a session of its own on a thread of its
//! own, so that what one receives delays neither another's messages nor their time stamps.
//!
//! `test` has the order of things; `user_loop` has the sockets; the rest is pure. Statistics are `protocol`'s.

mod demand;
mod downlink;
mod received;
mod test;
mod timeline;
mod uplink;
mod user;
mod user_link;
mod user_loop;

pub use test::{HouseholdOptions, HouseholdProgress, run};
pub use user::UserNow;
