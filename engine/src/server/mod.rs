//! The node: roles, endpoints and configuration on top of the runtime.

pub mod cli;
pub mod config;
pub mod context;
pub mod identity;
pub mod log;
pub mod os_error;
pub mod roles;
pub mod scoreboard;
pub mod serve;
pub mod supervisor;
pub mod token;
pub mod assets;
