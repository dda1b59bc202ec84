//! Bulk flows as fast as they go: a client loop that receives by discarding and sends by `sendfile`, or in TLS sends records
//! that it seals on the way, so that it is not the limit. Every server gets the same client. Downloads in TLS have one of
//! their own (`sealed`).

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;

use engine::runtime::application::{Application, Connect, Context, Counters, Directive, Sweep};
use engine::runtime::tls::Connector;
use protocol::connection::{BinarySink, BodySink, CloseReason, Event, RequestBody, WrongState};
use protocol::http1::{Method, RequestHead};
use protocol::time::Instant;

/// One request's upload: longer than any run.
const UPLOAD_BYTES: u64 = 1 << 40;

/// What a flow does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// GET, again whenever a body has ended.
    Download,
    /// POST of a body without an end.
    Upload,
    /// A WebSocket on which the server sends.
    WebSocketDownload,
    /// A WebSocket on which we send frames of 64 KiB.
    WebSocketUpload,
}

impl Action {
    /// Whether the payload goes to the server.
    pub(crate) const fn is_upload(self) -> bool {
        match self {
            Self::Upload | Self::WebSocketUpload => true,
            Self::Download | Self::WebSocketDownload => false,
        }
    }
}

/// What the action is done over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Layer {
    Plain,
    /// HTTP/1.1 or a WebSocket in TLS 1.3.
    Tls,
    /// HTTP/2 in TLS 1.3, so many streams at a time on each connection.
    Http2 {
        streams: usize,
    },
}

/// A kind of flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Kind {
    pub(crate) action: Action,
    pub(crate) layer: Layer,
}

/// Where the flows of one loop go.
#[derive(Clone, Debug)]
pub(crate) struct Route {
    pub(crate) peer: SocketAddr,
    pub(crate) action: Action,
    /// Path and query.
    pub(crate) target: String,
    /// Length of what a GET of it brings; `None` where it does not end.
    pub(crate) body_bytes: Option<u64>,
    /// With what a TLS handshake is made; `None` speaks plain.
    pub(crate) connector: Option<Connector>,
}

/// What a loop has moved by a moment.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moved {
    /// Which loop.
    pub(crate) number: usize,
    pub(crate) at: Instant,
    pub(crate) received_bytes: u64,
    pub(crate) sent_bytes: u64,
    /// Flows that were over before they were stopped, or did not come about.
    pub(crate) broken: usize,
}

/// The application of a loop of flows.
#[derive(Debug)]
pub(crate) struct Bulk {
    number: usize,
    route: Route,
    to_open: usize,
    broken: usize,
    stop: Arc<AtomicBool>,
    told: Sender<Moved>,
}

impl Bulk {
    pub(crate) fn new(
        number: usize,
        route: Route,
        flows: usize,
        stop: Arc<AtomicBool>,
        told: Sender<Moved>,
    ) -> Self {
        Self {
            number,
            route,
            to_open: flows,
            broken: 0,
            stop,
            told,
        }
    }

    fn begin(&self, context: &mut Context<'_>) -> Result<(), WrongState> {
        let now = context.now;
        let host = self.route.peer.to_string();
        match self.route.action {
            Action::Download => {
                let head = RequestHead::new(Method::Get, self.route.target.clone(), host);
                let connection = &mut context.connection;
                connection.request(now, head, RequestBody::Empty, BodySink::Discard)
            }
            Action::Upload => {
                let head = RequestHead::new(Method::Post, self.route.target.clone(), host);
                let body = RequestBody::Filler {
                    length: UPLOAD_BYTES,
                };
                let connection = &mut context.connection;
                connection.request(now, head, body, BodySink::Discard)
            }
            Action::WebSocketDownload | Action::WebSocketUpload => {
                context.open_websocket(&self.route.target, &host, BinarySink::Discard)
            }
        }
    }
}

impl Application for Bulk {
    type Session = ();

    fn poll_connect(&mut self) -> Option<Connect<()>> {
        self.to_open = self.to_open.checked_sub(1)?;
        Some(Connect {
            peer: self.route.peer,
            local: None,
            session: (),
        })
    }

    fn connector(&self, (): &()) -> Option<&Connector> {
        self.route.connector.as_ref()
    }

    fn handle_connected(&mut self, context: &mut Context<'_>, (): &mut ()) {
        if self.begin(context).is_err() {
            context.abort();
        }
    }

    fn handle_connect_failed(&mut self, _: Instant, (): (), _: &io::Error) {
        self.broken += 1;
    }

    fn handle_event(&mut self, context: &mut Context<'_>, (): &mut (), event: Event, _: &[u8]) {
        let goes_on = match event {
            Event::Upgraded if self.route.action == Action::WebSocketUpload => {
                context.connection.send_filler(context.now, None).is_ok()
            }
            Event::BodyComplete { .. } if self.route.action == Action::Download => {
                self.begin(context).is_ok()
            }
            Event::Response(response) => (200..300).contains(&response.status()),
            Event::Request(_)
            | Event::BodyComplete { .. }
            | Event::ResponseSent
            | Event::Upgraded
            | Event::Message(_)
            | Event::Pong
            | Event::FillerSent
            | Event::Closed(_) => true,
        };
        if !goes_on {
            context.abort();
        }
    }

    fn poll_timeout(&self, (): &()) -> Option<Instant> {
        None
    }

    fn handle_timeout(&mut self, _: &mut Context<'_>, (): &mut ()) {}

    fn handle_sweep(&mut self, context: &mut Context<'_>, (): &mut (), _: Sweep) {
        context.abort();
    }

    fn handle_closed(&mut self, _: &mut Context<'_>, (): (), _: CloseReason) {
        if !self.stop.load(Ordering::Relaxed) {
            self.broken += 1;
        }
    }

    fn handle_tick(&mut self, now: Instant, counters: &Counters) -> Directive {
        // Whoever listens may have seen enough.
        let _ = self.told.send(Moved {
            number: self.number,
            at: now,
            received_bytes: counters.received_bytes,
            sent_bytes: counters.sent_bytes,
            broken: self.broken,
        });
        if self.stop.load(Ordering::Relaxed) {
            Directive::Drain
        } else {
            Directive::GoOn
        }
    }
}
