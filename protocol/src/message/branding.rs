//! Whose node it is, and what its page looks like for that: what an operator gives the page of his own.
//!
//! The page draws it and nothing is measured by it. Owns the shapes; refuses to know where they come from.

use serde::{Deserialize, Serialize};

/// 200 to `GET /api/branding`. Each is `null` where the operator gave none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Branding {
    /// Who runs the node.
    pub sponsor: Option<Sponsor>,
    /// Path of the logo on this node.
    pub logo_path: Option<String>,
    /// The page's accent as sRGB, `#rrggbb` in lower case. The page sees to its contrast.
    pub accent_colour: Option<String>,
}

/// Who runs a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
pub struct Sponsor {
    /// At most [`crate::limits::SPONSOR_TEXT_BYTES_MAX`] bytes.
    pub name: String,
    /// An `http` or `https` URL.
    pub link: Option<String>,
    /// Where the node is; at most [`crate::limits::SPONSOR_TEXT_BYTES_MAX`] bytes.
    pub city: Option<String>,
}
