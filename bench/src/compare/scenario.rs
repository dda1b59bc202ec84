//! What can be compared. A transport that the node gains is some more rows.

use super::bulk::{Action, Kind, Layer};

/// One row.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scenario {
    /// What `--only` calls it.
    pub(crate) name: &'static str,
    /// In words.
    pub(crate) title: &'static str,
    pub(crate) what: What,
}

/// What is done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum What {
    /// So many flows, of the node and of each peer in turns.
    Transfer { kind: Kind, flows: usize },
    /// Connections opened as fast as they can be.
    Openings,
    /// Connections that do nothing, plain ones and ones in TLS.
    IdleMemory,
    /// From a test's admission to its first byte.
    StartOfLoad,
    /// The node's cost and probes by households.
    Households,
    /// By flows.
    Flows,
    /// By event loops.
    Loops,
}

impl Scenario {
    /// Whether it is TCP without a framing of its own.
    pub(crate) fn is_plain(&self) -> bool {
        matches!(
            self.what,
            What::Transfer {
                kind: Kind {
                    action: Action::Download | Action::Upload,
                    layer: Layer::Plain,
                },
                ..
            }
        )
    }
}

const fn transfer(
    name: &'static str,
    title: &'static str,
    action: Action,
    flows: usize,
) -> Scenario {
    layered(name, title, action, Layer::Plain, flows)
}

const fn tls(name: &'static str, title: &'static str, action: Action, flows: usize) -> Scenario {
    layered(name, title, action, Layer::Tls, flows)
}

/// By the number of connections, each with so many streams.
const fn http2(
    name: &'static str,
    title: &'static str,
    streams: usize,
    connections: usize,
) -> Scenario {
    let layer = Layer::Http2 { streams };
    layered(name, title, Action::Download, layer, connections)
}

const fn layered(
    name: &'static str,
    title: &'static str,
    action: Action,
    layer: Layer,
    flows: usize,
) -> Scenario {
    let kind = Kind { action, layer };
    let what = What::Transfer { kind, flows };
    Scenario { name, title, what }
}

const fn other(name: &'static str, title: &'static str, what: What) -> Scenario {
    Scenario { name, title, what }
}

/// All of them, in the order in which they are run.
pub(crate) const SCENARIOS: &[Scenario] = {
    use Action::{Download, Upload, WebSocketDownload, WebSocketUpload};
    &[
        transfer("quiet", "no load, small requests only", Download, 0),
        transfer("plain-down-1", "GET /download", Download, 1),
        transfer("plain-down-4", "GET /download", Download, 4),
        transfer("plain-down-8", "GET /download", Download, 8),
        transfer("plain-down-64", "GET /download", Download, 64),
        transfer("plain-up-1", "POST /upload", Upload, 1),
        transfer("plain-up-4", "POST /upload", Upload, 4),
        transfer("plain-up-64", "POST /upload", Upload, 64),
        transfer("ws-down-1", "/ws/bulk-download", WebSocketDownload, 1),
        transfer("ws-down-4", "/ws/bulk-download", WebSocketDownload, 4),
        transfer("ws-down-64", "/ws/bulk-download", WebSocketDownload, 64),
        transfer(
            "ws-up-1",
            "/ws/bulk-upload, frames of 64 KiB",
            WebSocketUpload,
            1,
        ),
        transfer(
            "ws-up-4",
            "/ws/bulk-upload, frames of 64 KiB",
            WebSocketUpload,
            4,
        ),
        transfer(
            "ws-up-64",
            "/ws/bulk-upload, frames of 64 KiB",
            WebSocketUpload,
            64,
        ),
        tls("tls-down-1", "TLS 1.3, GET /download", Download, 1),
        tls("tls-down-4", "TLS 1.3, GET /download", Download, 4),
        tls("tls-down-64", "TLS 1.3, GET /download", Download, 64),
        tls("tls-up-1", "TLS 1.3, POST /upload", Upload, 1),
        tls("tls-up-4", "TLS 1.3, POST /upload", Upload, 4),
        tls("tls-up-64", "TLS 1.3, POST /upload", Upload, 64),
        tls(
            "wss-down-4",
            "TLS 1.3, /ws/bulk-download",
            WebSocketDownload,
            4,
        ),
        tls(
            "wss-up-4",
            "TLS 1.3, /ws/bulk-upload, frames of 64 KiB",
            WebSocketUpload,
            4,
        ),
        http2("http2-down-1", "HTTP/2 over TLS 1.3, GET /download", 1, 1),
        http2("http2-down-4", "HTTP/2 over TLS 1.3, GET /download", 1, 4),
        http2("http2-down-64", "HTTP/2 over TLS 1.3, GET /download", 1, 64),
        http2(
            "http2-down-8-streams",
            "HTTP/2 over TLS 1.3, GET /download, 8 streams of one connection",
            8,
            1,
        ),
        other(
            "openings",
            "connections opened as fast as they can be",
            What::Openings,
        ),
        other("idle", "memory of idle connections", What::IdleMemory),
        other(
            "start-of-load",
            "POST /api/tests to the first byte of load",
            What::StartOfLoad,
        ),
        other("flows", "cost and probes by flows", What::Flows),
        other("loops", "cost and probes by event loops", What::Loops),
        other(
            "households",
            "cost and probes by households",
            What::Households,
        ),
    ]
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_apart() {
        for (index, scenario) in SCENARIOS.iter().enumerate() {
            let later = &SCENARIOS[index + 1..];
            assert!(later.iter().all(|other| other.name != scenario.name));
        }
    }
}
