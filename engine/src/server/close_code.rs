//! The WebSocket close codes that the node itself uses (RFC 6455, section 7.4.1).

/// All was said.
pub const NORMAL: u16 = 1000;
/// The node is shutting down.
pub const GOING_AWAY: u16 = 1001;
/// A message of a kind that this socket does not take.
pub const UNSUPPORTED_DATA: u16 = 1003;
/// A limit was reached.
pub const POLICY_VIOLATION: u16 = 1008;
/// Registered with IANA after the RFC.
pub const TRY_AGAIN_LATER: u16 = 1013;
