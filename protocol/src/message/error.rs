//! The JSON body of every error reply: what went wrong, why, and what to do.

use serde::{Deserialize, Serialize};

/// `{"error":{…}}`, the body of every HTTP error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ErrorReply {
    /// The error.
    pub error: ErrorDetail,
}

/// One error, for a program (`code`) and for a person (`message`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct ErrorDetail {
    /// A stable name in `snake_case`.
    pub code: String,
    /// What happened, why, and what to do about it.
    pub message: String,
    /// Seconds after which trying again makes sense.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub retry_after_s: Option<u32>,
    /// The caller's place in the queue of waiting tests, from 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub queue_position: Option<u32>,
}
