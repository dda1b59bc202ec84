//! The event loop: one thread, one poll, pinned to a core. Knows connections, never endpoints.

pub mod sys;
