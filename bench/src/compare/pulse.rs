//! Small requests at a steady rhythm beside a load: how long each took. A request that has to wait for the one before it
//! counts from when it was due, so that a server that stalls is seen to stall.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::time::Duration;

use engine::runtime::application::{Application, Connect, Context, Counters, Directive, Sweep};
use engine::runtime::sys::clock;
use engine::runtime::tls::Connector;
use protocol::connection::{BinarySink, BodySink, CloseReason, Event, MessageKind, RequestBody};
use protocol::http1::{Method, RequestHead};
use protocol::message::probe::{Echo, Probe};
use protocol::time::Instant;

use crate::load::client;

/// Connections, each with the rhythm below, evenly offset: 200 requests a second.
const LINES: usize = 4;
const INTERVAL: Duration = Duration::from_millis(20);

/// Whom to ask, and how.
#[derive(Clone, Debug)]
pub(crate) enum Question {
    /// A probe on a WebSocket.
    Probe { peer: SocketAddr },
    /// `GET target` on a connection that is kept.
    Get { peer: SocketAddr, target: String },
}

/// A question that was answered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Answered {
    /// When it was due.
    pub(crate) due: Instant,
    /// To the answer's arrival as the kernel saw it.
    pub(crate) rtt: Duration,
}

/// The application of the loop of questions.
#[derive(Debug)]
pub(crate) struct Pulse {
    question: Question,
    /// `None` speaks plain.
    connector: Option<Connector>,
    to_open: usize,
    answers: Vec<Answered>,
    lost: usize,
    stop: Arc<AtomicBool>,
    told: Sender<Pulses>,
}

/// What it has to tell at its end.
#[derive(Debug, Default)]
pub(crate) struct Pulses {
    pub(crate) answers: Vec<Answered>,
    /// Connections that ended before they were stopped, or did not come about.
    pub(crate) lost: usize,
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Line {
    number: usize,
    /// `None` until it is open.
    next: Option<Instant>,
    /// From when the GET under way counts.
    asked: Option<Instant>,
    /// When the answer to the GET before came.
    free_at: Option<Instant>,
}

impl Pulse {
    pub(crate) fn new(
        question: Question,
        connector: Option<Connector>,
        stop: Arc<AtomicBool>,
        told: Sender<Pulses>,
    ) -> Self {
        Self {
            question,
            connector,
            to_open: LINES,
            answers: Vec::with_capacity(16 * 1024),
            lost: 0,
            stop,
            told,
        }
    }

    fn open(&self, now: Instant, line: &mut Line) {
        let offset = INTERVAL / LINES as u32 * line.number as u32;
        line.next = Some(now + offset);
    }

    fn ask(&self, context: &mut Context<'_>, line: &mut Line, due: Instant) {
        let asked = match &self.question {
            Question::Probe { .. } => {
                let probe = Probe {
                    sequence: 0,
                    client_send_us: due.as_micros(),
                };
                let bytes = probe.to_bytes();
                context.connection.send_binary(context.now, &bytes).is_ok()
            }
            Question::Get { peer, target } => {
                line.asked = Some(due);
                let head = RequestHead::new(Method::Get, target.clone(), peer.to_string());
                let sink = BodySink::Discard;
                let connection = &mut context.connection;
                connection
                    .request(context.now, head, RequestBody::Empty, sink)
                    .is_ok()
            }
        };
        if !asked {
            context.abort();
        }
    }
}

impl Application for Pulse {
    type Session = Line;

    fn poll_connect(&mut self) -> Option<Connect<Line>> {
        self.to_open = self.to_open.checked_sub(1)?;
        let peer = match &self.question {
            Question::Probe { peer } | Question::Get { peer, .. } => *peer,
        };
        Some(Connect {
            peer,
            local: None,
            session: Line {
                number: self.to_open,
                next: None,
                asked: None,
                free_at: None,
            },
        })
    }

    fn connector(&self, _: &Line) -> Option<&Connector> {
        self.connector.as_ref()
    }

    fn handle_connected(&mut self, context: &mut Context<'_>, line: &mut Line) {
        match &self.question {
            Question::Probe { peer } => {
                if client::open_websocket(context, "/ws/ping", *peer, BinarySink::Deliver).is_err()
                {
                    context.abort();
                }
            }
            Question::Get { .. } => {
                // Where the kernel can't, the loop's own time serves.
                let _ = context.stamp_arrivals();
                self.open(context.now, line);
            }
        }
    }

    fn handle_connect_failed(&mut self, _: Instant, _: Line, _: &io::Error) {
        self.lost += 1;
    }

    fn handle_event(
        &mut self,
        context: &mut Context<'_>,
        line: &mut Line,
        event: Event,
        payload: &[u8],
    ) {
        let arrived_at = context.received_at.unwrap_or(context.now);
        match event {
            Event::Upgraded => self.open(context.now, line),
            Event::Message(MessageKind::Binary) => {
                if let Some(echo) = Echo::parse(payload) {
                    let due = Instant::from_micros(echo.client_send_us);
                    let rtt = arrived_at - due;
                    self.answers.push(Answered { due, rtt });
                }
            }
            Event::BodyComplete { .. } => {
                line.free_at = Some(arrived_at);
                if let Some(due) = line.asked.take() {
                    let rtt = arrived_at - due;
                    self.answers.push(Answered { due, rtt });
                }
            }
            Event::Message(MessageKind::Text)
            | Event::Request(_)
            | Event::Response(_)
            | Event::ResponseSent
            | Event::Pong
            | Event::FillerSent
            | Event::Closed(_) => {}
        }
    }

    fn poll_timeout(&self, line: &Line) -> Option<Instant> {
        match line.asked {
            None => line.next,
            // Its answer comes first.
            Some(_) => None,
        }
    }

    fn handle_timeout(&mut self, context: &mut Context<'_>, line: &mut Line) {
        let Some(due) = line.next else {
            return;
        };
        if context.now < due {
            return;
        }
        line.next = Some(due + INTERVAL);
        let counts_from = counts_from(due, line.free_at, clock::monotonic_now());
        self.ask(context, line, counts_from);
    }

    fn handle_sweep(&mut self, context: &mut Context<'_>, _: &mut Line, _: Sweep) {
        context.abort();
    }

    fn handle_closed(&mut self, _: &mut Context<'_>, _: Line, _: CloseReason) {
        if !self.stop.load(Ordering::Relaxed) {
            self.lost += 1;
        }
    }

    fn handle_tick(&mut self, _: Instant, _: &Counters) -> Directive {
        if !self.stop.load(Ordering::Relaxed) {
            return Directive::GoOn;
        }
        // Asked once more after the drain began, when there is nothing left to tell.
        let _ = self.told.send(Pulses {
            answers: std::mem::take(&mut self.answers),
            lost: self.lost,
        });
        Directive::Drain
    }
}

/// A question that had to wait for the answer before it counts from when it was due. Any other lateness is our own timer's,
/// and no fault of the server.
fn counts_from(due: Instant, free_at: Option<Instant>, now: Instant) -> Instant {
    match free_at {
        Some(free_at) if free_at > due => due,
        _ => now,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_waiting_for_an_answer_counts_as_the_servers() {
        let at = |ms: u64| Instant::from_micros(ms * 1_000);
        assert_eq!(counts_from(at(20), Some(at(70)), at(71)), at(20));
        // The answer was there in time; this loop was away for 50 ms.
        assert_eq!(counts_from(at(20), Some(at(5)), at(70)), at(70));
        assert_eq!(counts_from(at(20), None, at(70)), at(70));
    }
}
