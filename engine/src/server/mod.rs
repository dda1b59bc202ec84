//! The node: roles, endpoints and configuration on top of the runtime.

pub mod assets;
