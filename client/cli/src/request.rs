//! One request and its answer, on an event loop that lives as long as they do.

use std::io;
use std::time::Duration;

use engine::runtime::application::{Application, Connect, Context, Counters, Directive, Sweep};
use engine::runtime::event_loop::EventLoop;
use engine::runtime::sys::clock;
use engine::runtime::tls::{Connector, certificate_fault};
use protocol::connection::{BodySink, CloseReason, Event, RequestBody};
use protocol::http1::{Method, RequestHead};
use protocol::limits::HTTP_COLLECTED_BODY_BYTES_MAX;
use protocol::time::Instant;

use crate::address::Route;
use crate::interrupt::Interrupt;

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) route: Route,
    pub(crate) method: Method,
    /// What the Authorization field says, if anything.
    pub(crate) bearer: Option<String>,
    /// JSON.
    pub(crate) body: Option<Vec<u8>>,
    /// How long a connection may take to come about.
    pub(crate) connect_limit: Duration,
    /// How long the whole may take.
    pub(crate) limit: Duration,
}

/// An answer, whatever its status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) retry_after_s: Option<u32>,
    pub(crate) body: Vec<u8>,
}

/// Why there is no answer.
#[derive(Debug)]
pub(crate) enum NoAnswer {
    /// No connection came about; why, in words.
    Unconnected(String),
    /// The connection was over before the answer was whole.
    Closed,
    /// It took too long.
    TimedOut,
    /// The user wants an end.
    Interrupted,
    /// This machine gives no loop.
    System(io::Error),
}

impl Request {
    /// Sends it and waits for the answer.
    pub(crate) fn send(self, interrupt: &Interrupt) -> Result<Answer, NoAnswer> {
        let now = clock::monotonic_now();
        let application = OneRequest {
            give_up_at: now + self.connect_limit,
            end_at: now + self.limit,
            request: self,
            is_asked: false,
            status: 0,
            retry_after_s: None,
            outcome: None,
            interrupt: interrupt.clone(),
        };
        let mut event_loop =
            EventLoop::new(application, Vec::new(), None).map_err(NoAnswer::System)?;
        event_loop.run().map_err(NoAnswer::System)?;
        let outcome = event_loop.into_application().outcome;
        outcome.unwrap_or(Err(NoAnswer::TimedOut))
    }

    fn head(&self) -> RequestHead {
        let Route { target, host, .. } = &self.route;
        let mut head = RequestHead::new(self.method, target.clone(), host.clone());
        if let Some(token) = &self.bearer {
            head.fields
                .push(("Authorization".into(), format!("Bearer {token}").into()));
        }
        head
    }
}

#[derive(Debug)]
struct OneRequest {
    request: Request,
    is_asked: bool,
    give_up_at: Instant,
    end_at: Instant,
    status: u16,
    retry_after_s: Option<u32>,
    outcome: Option<Result<Answer, NoAnswer>>,
    interrupt: Interrupt,
}

impl OneRequest {
    fn end(&mut self, outcome: Result<Answer, NoAnswer>) {
        self.outcome.get_or_insert(outcome);
    }
}

impl Application for OneRequest {
    type Session = ();

    fn connector(&self, (): &()) -> Option<&Connector> {
        self.request.route.connector.as_ref()
    }

    fn poll_connect(&mut self) -> Option<Connect<()>> {
        let is_first = !std::mem::replace(&mut self.is_asked, true);
        let (peer, local) = (self.request.route.peer, self.request.route.local);
        is_first.then_some(Connect {
            peer,
            local,
            session: (),
        })
    }

    fn handle_connected(&mut self, context: &mut Context<'_>, (): &mut ()) {
        self.give_up_at = self.end_at;
        let body = match self.request.body.take() {
            Some(bytes) => RequestBody::Bytes(bytes),
            None => RequestBody::Empty,
        };
        let mut head = self.request.head();
        if matches!(body, RequestBody::Bytes(_)) {
            head.fields
                .push(("Content-Type".into(), "application/json".into()));
        }
        let sink = BodySink::Collect {
            limit_bytes: HTTP_COLLECTED_BODY_BYTES_MAX,
        };
        if context
            .connection
            .request(context.now, head, body, sink)
            .is_err()
        {
            context.abort();
        }
    }

    fn handle_connect_failed(&mut self, _: Instant, (): (), error: &io::Error) {
        self.end(Err(NoAnswer::Unconnected(why_unconnected(error))));
    }

    fn handle_event(
        &mut self,
        context: &mut Context<'_>,
        (): &mut (),
        event: Event,
        payload: &[u8],
    ) {
        match event {
            Event::Response(response) => {
                self.status = response.status();
                self.retry_after_s = response
                    .header("retry-after")
                    .and_then(|value| value.parse().ok());
            }
            Event::BodyComplete { .. } => {
                self.end(Ok(Answer {
                    status: self.status,
                    retry_after_s: self.retry_after_s,
                    body: payload.to_vec(),
                }));
                context.connection.close(context.now, 1000, "");
            }
            Event::Request(_)
            | Event::ResponseSent
            | Event::Upgraded
            | Event::Message(_)
            | Event::Pong
            | Event::FillerSent
            | Event::Closed(_) => {}
        }
    }

    fn poll_timeout(&self, (): &()) -> Option<Instant> {
        self.outcome.is_none().then_some(self.give_up_at)
    }

    fn handle_timeout(&mut self, context: &mut Context<'_>, (): &mut ()) {
        if context.now >= self.give_up_at {
            self.end(Err(NoAnswer::TimedOut));
            context.abort();
        }
    }

    fn handle_sweep(&mut self, context: &mut Context<'_>, (): &mut (), _: Sweep) {
        context.abort();
    }

    fn handle_closed(&mut self, _: &mut Context<'_>, (): (), _: CloseReason) {
        self.end(Err(NoAnswer::Closed));
    }

    fn handle_tick(&mut self, _: Instant, _: &Counters) -> Directive {
        if self.outcome.is_none() && self.interrupt.is_set() {
            self.end(Err(NoAnswer::Interrupted));
        }
        if self.outcome.is_some() {
            Directive::Drain
        } else {
            Directive::GoOn
        }
    }
}

fn why_unconnected(error: &io::Error) -> String {
    if let Some(reason) = certificate_fault(error) {
        return format!(
            "its certificate is not to be trusted ({reason}); --insecure goes on anyway"
        );
    }
    match error.kind() {
        io::ErrorKind::ConnectionRefused => "connection refused".to_owned(),
        io::ErrorKind::NetworkUnreachable | io::ErrorKind::HostUnreachable => {
            "no way leads there from this machine".to_owned()
        }
        io::ErrorKind::AddrNotAvailable => "--bind names no address of this machine".to_owned(),
        io::ErrorKind::InvalidData => {
            format!("no TLS comes about ({error}); should it be http://?")
        }
        _ => error.to_string(),
    }
}
