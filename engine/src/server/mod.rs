//! The node: roles, endpoints and configuration on top of the runtime.

pub mod config;
pub mod context;
pub mod os_error;
pub mod roles;
pub mod scoreboard;
pub mod serve;
