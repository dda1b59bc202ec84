//! JSON text messages on the bulk and probe WebSockets.

use serde::{Deserialize, Serialize};

/// A text message from the node on `/ws/bulk-upload`, `/ws/bulk-download` or `/ws/ping`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum NodeMessage {
    /// What the node has received on this flow; every 100 ms and once at the end.
    UploadProgress {
        /// Payload bytes since the flow opened (frame headers and masks not counted).
        bytes: u64,
        /// Time since the flow's first payload byte.
        elapsed_us: u64,
        /// Whether this is the last one.
        is_final: bool,
    },
    /// The node's own view of the probe connection, once a second.
    NodeRtt {
        /// Round trips of WebSocket pings answered since the last message.
        ping_rtt_us: Vec<u32>,
        /// Smoothed, from `TCP_INFO`.
        #[serde(default)]
        kernel_rtt_us: Option<u32>,
        /// Minimum, from `TCP_INFO`.
        #[serde(default)]
        kernel_min_rtt_us: Option<u32>,
    },
    /// The peer's message could not be used; the connection stays open.
    Error {
        /// A stable name in `snake_case`.
        code: String,
        /// What happened, why, what to do.
        message: String,
    },
}

/// A text message from the client on `/ws/bulk-upload`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum UploaderMessage {
    /// All is sent: the node answers with the final count and closes.
    Finish,
}

/// 200 to `POST /upload` and `PUT /upload`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct UploadReply {
    /// Payload bytes received.
    pub bytes: u64,
    /// From the end of the request head to the last byte.
    pub elapsed_us: u64,
    /// Megabits a second over that time; `null` when it was too short to say.
    pub goodput_mbps: Option<f64>,
}
