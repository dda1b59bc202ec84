//! The servers that are compared, and where each has what.

use std::net::SocketAddr;

use anyhow::Result;

use super::bulk::{Action, Route};
use super::nginx::Nginx;
use super::pulse::Question;
use crate::node::Node;

/// A server that runs.
#[derive(Debug)]
pub(crate) enum Server {
    Node(Node),
    Nginx(Nginx),
}

impl Server {
    /// Its topmost process.
    pub(crate) fn pid(&self) -> Result<u32> {
        match self {
            Self::Node(node) => node.pid.ok_or_else(|| anyhow::anyhow!("not started here")),
            Self::Nginx(nginx) => Ok(nginx.pid()),
        }
    }

    /// Where its flows of this kind go. nginx speaks no WebSocket by itself: its plain transfers are compared.
    pub(crate) fn route(&self, action: Action) -> Route {
        match self {
            Self::Node(node) => {
                let target = match action {
                    Action::Download => "/download",
                    Action::Upload => "/upload",
                    Action::WebSocketDownload => "/ws/bulk-download",
                    Action::WebSocketUpload => "/ws/bulk-upload",
                };
                Route {
                    peer: node.main,
                    action,
                    target: target.to_owned(),
                }
            }
            Self::Nginx(nginx) => {
                let (action, target) = if action.is_upload() {
                    (Action::Upload, "/upload")
                } else {
                    (Action::Download, Nginx::PAYLOAD_TARGET)
                };
                Route {
                    peer: nginx.address,
                    action,
                    target: target.to_owned(),
                }
            }
        }
    }

    /// Its small request: of the node a latency probe, of nginx a GET of four bytes.
    pub(crate) fn question(&self) -> Question {
        match self {
            Self::Node(node) => Question::Probe { peer: node.ping },
            Self::Nginx(nginx) => Question::Get {
                peer: nginx.address,
                target: "/ping".to_owned(),
            },
        }
    }

    /// A GET of four bytes: its peer and target.
    pub(crate) fn small_get(&self) -> (SocketAddr, &'static str) {
        match self {
            Self::Node(node) => (node.main, "/ping"),
            Self::Nginx(nginx) => (nginx.address, "/ping"),
        }
    }
}
