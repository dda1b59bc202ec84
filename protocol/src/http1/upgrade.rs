//! What an HTTP connection leaves to the WebSocket that it becomes.

use crate::connection::BinarySink;
use crate::connection::buffers::{Inbox, Outbox};

/// See the module.
pub(crate) struct UpgradeParts {
    /// Input behind the handshake.
    pub(crate) inbox: Inbox,
    /// The handshake's answer, if it was not handed over.
    pub(crate) outbox: Outbox,
    /// The peer sends nothing more.
    pub(crate) saw_eof: bool,
    /// What the application wants of binary messages.
    pub(crate) binary: BinarySink,
    /// Of the masking keys; a server has none.
    pub(crate) seed: u64,
}
