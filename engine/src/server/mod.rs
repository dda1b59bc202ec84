//! The node: roles, endpoints and configuration on top of the runtime.

pub mod address;
pub mod assets;
pub mod cli;
pub mod close_code;
pub mod config;
pub mod context;
pub mod endpoints;
pub mod flow;
pub mod forwarded;
pub mod host;
pub mod identity;
pub mod live_config;
pub mod log;
pub mod node;
pub mod os_error;
pub mod profile_session;
pub mod query;
pub mod refusal;
pub mod reply;
pub mod roles;
pub mod scoreboard;
pub mod serve;
pub mod status;
pub mod supervisor;
pub mod token;
pub mod visitor;
