//! The servers that are compared, and where each has what.

use std::net::SocketAddr;

use anyhow::Result;

use super::bulk::{Action, Kind, Layer, Route};
use super::nginx::Nginx;
use super::pulse::Question;
use super::secure;
use crate::node::Node;

/// A server that runs. A node speaks either plain or TLS on all its ports; an nginx speaks both.
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

    /// Where its flows of this kind go. nginx speaks no WebSocket by itself: its transfers by HTTP are compared.
    ///
    /// # Errors
    /// When the TLS library refuses.
    pub(crate) fn route(&self, kind: Kind) -> Result<Route> {
        let connector = match kind.layer {
            Layer::Plain => None,
            Layer::Tls => Some(secure::connector(secure::HTTP1)?),
            Layer::Http2 { .. } => Some(secure::connector(secure::HTTP2)?),
        };
        Ok(match self {
            Self::Node(node) => Route {
                peer: node.main,
                action: kind.action,
                target: match kind.action {
                    Action::Download => "/download",
                    Action::Upload => "/upload",
                    Action::WebSocketDownload => "/ws/bulk-download",
                    Action::WebSocketUpload => "/ws/bulk-upload",
                }
                .to_owned(),
                body_bytes: None,
                connector,
            },
            Self::Nginx(nginx) => {
                let (action, target) = if kind.action.is_upload() {
                    (Action::Upload, "/upload")
                } else {
                    (Action::Download, Nginx::PAYLOAD_TARGET)
                };
                Route {
                    peer: match kind.layer {
                        Layer::Plain => nginx.address,
                        Layer::Tls | Layer::Http2 { .. } => nginx.secure_address,
                    },
                    action,
                    target: target.to_owned(),
                    body_bytes: Some(Nginx::PAYLOAD_BYTES),
                    connector,
                }
            }
        })
    }

    /// Its small request: of the node a latency probe, of nginx a GET of four bytes.
    pub(crate) fn question(&self, layer: Layer) -> Question {
        match self {
            Self::Node(node) => Question::Probe { peer: node.ping },
            Self::Nginx(_) => {
                let (peer, target) = self.small_get(layer != Layer::Plain);
                Question::Get {
                    peer,
                    target: target.to_owned(),
                }
            }
        }
    }

    /// A GET of four bytes: its peer and target.
    pub(crate) fn small_get(&self, is_secure: bool) -> (SocketAddr, &'static str) {
        match self {
            Self::Node(node) => (node.main, "/ping"),
            Self::Nginx(nginx) if is_secure => (nginx.secure_address, "/ping"),
            Self::Nginx(nginx) => (nginx.address, "/ping"),
        }
    }
}
