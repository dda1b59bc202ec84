//! A probe connection for each household, on a loop that carries no load.

use std::collections::VecDeque;
use std::io;
use std::sync::mpsc::Sender;
use std::time::Duration;

use engine::runtime::application::{Application, Connect, Context, Counters, Directive, Sweep};
use engine::runtime::sys::clock;
use protocol::connection::{BinarySink, CloseReason, Event, MessageKind};
use protocol::message::probe::{Echo, Probe};
use protocol::time::Instant;

use super::{Plan, client};

/// Twenty a second, as the page sends them.
const INTERVAL: Duration = Duration::from_millis(50);
/// After a connection was lost.
const RETRY_PAUSE: Duration = Duration::from_millis(100);
/// After the end, how long the last echoes may take.
const GRACE: Duration = Duration::from_secs(1);

/// The application of the loop of probes.
#[derive(Debug)]
pub(crate) struct Probes {
    plan: Plan,
    wanted: VecDeque<(Instant, usize)>,
    records: ProbeRecords,
    told: Sender<ProbeRecords>,
    is_finished: bool,
}

/// What the probes have to tell at their end.
#[derive(Clone, Debug, Default)]
pub(crate) struct ProbeRecords {
    pub(crate) sent: u64,
    pub(crate) echoes: Vec<Echoed>,
    /// Connections that were over before the end, or did not come about.
    pub(crate) ended_early: u64,
}

/// An echo that came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Echoed {
    /// When the probe was sent, µs on our clock.
    pub(crate) sent_us: u64,
    /// To the echo's arrival as the kernel saw it, µs.
    pub(crate) rtt_us: u32,
    /// Of that, in the node, µs.
    pub(crate) in_node_us: u32,
}

/// A probe connection.
#[derive(Debug)]
pub(crate) struct Line {
    number: usize,
    sequence: u32,
    /// `None` until the socket is open.
    next: Option<Instant>,
}

impl Probes {
    pub(crate) fn new(plan: Plan, households: usize, told: Sender<ProbeRecords>) -> Self {
        let now = clock::monotonic_now();
        let seconds = (plan.end - plan.start).as_secs() as usize + 10;
        let records = ProbeRecords {
            echoes: Vec::with_capacity(households * 20 * seconds),
            ..ProbeRecords::default()
        };
        Self {
            plan,
            wanted: (0..households).map(|number| (now, number)).collect(),
            records,
            told,
            is_finished: false,
        }
    }

    /// The household probes on, on another connection.
    fn handle_loss(&mut self, now: Instant, number: usize) {
        if now < self.plan.end {
            self.records.ended_early += 1;
            self.wanted.push_back((now + RETRY_PAUSE, number));
        }
    }
}

impl Application for Probes {
    type Session = Line;

    fn poll_connect(&mut self) -> Option<Connect<Line>> {
        let (at, number) = *self.wanted.front()?;
        if at > clock::monotonic_now() {
            return None;
        }
        self.wanted.pop_front();
        Some(Connect {
            peer: self.plan.ping,
            local: None,
            session: Line {
                number,
                sequence: 0,
                next: None,
            },
        })
    }

    fn handle_connected(&mut self, context: &mut Context<'_>, _: &mut Line) {
        if client::open_websocket(context, "/ws/ping", self.plan.ping, BinarySink::Deliver).is_err()
        {
            context.abort();
        }
    }

    fn handle_connect_failed(&mut self, now: Instant, line: Line, _: &io::Error) {
        self.handle_loss(now, line.number);
    }

    fn handle_event(
        &mut self,
        context: &mut Context<'_>,
        line: &mut Line,
        event: Event,
        payload: &[u8],
    ) {
        match event {
            // Households probe at different times.
            Event::Upgraded => {
                let offset = Duration::from_micros(line.number as u64 * 7_919 % 50_000);
                line.next = Some(self.plan.start.max(context.now) + offset);
            }
            Event::Message(MessageKind::Binary) => {
                if let Some(echo) = Echo::parse(payload) {
                    let arrived_at = context.received_at.unwrap_or(context.now);
                    let rtt_us = arrived_at.as_micros().saturating_sub(echo.client_send_us);
                    let in_node_us = echo.node_send_us.saturating_sub(echo.node_receive_us);
                    self.records.echoes.push(Echoed {
                        sent_us: echo.client_send_us,
                        rtt_us: u32::try_from(rtt_us).unwrap_or(u32::MAX),
                        in_node_us: u32::try_from(in_node_us).unwrap_or(u32::MAX),
                    });
                }
            }
            Event::Message(MessageKind::Text)
            | Event::BodyComplete { .. }
            | Event::Request(_)
            | Event::Response(_)
            | Event::ResponseSent
            | Event::Pong
            | Event::FillerSent
            | Event::Closed(_) => {}
        }
    }

    fn poll_timeout(&self, line: &Line) -> Option<Instant> {
        line.next
    }

    fn handle_timeout(&mut self, context: &mut Context<'_>, line: &mut Line) {
        let Some(due) = line.next else {
            return;
        };
        if context.now >= self.plan.end {
            line.next = None;
            return;
        }
        if context.now < due {
            return;
        }
        // After a stall of ours the rhythm goes on from now: a late probe is no burst.
        line.next = Some((due + INTERVAL).max(context.now + INTERVAL / 2));
        let probe = Probe {
            sequence: line.sequence,
            client_send_us: clock::monotonic_now().as_micros(),
        };
        line.sequence += 1;
        self.records.sent += 1;
        // Without room it is one that no echo answers.
        let _ = context
            .connection
            .send_binary(context.now, &probe.to_bytes());
    }

    fn handle_sweep(&mut self, context: &mut Context<'_>, _: &mut Line, _: Sweep) {
        context.connection.close(context.now, 1000, "");
    }

    fn handle_closed(&mut self, context: &mut Context<'_>, line: Line, _: CloseReason) {
        self.handle_loss(context.now, line.number);
    }

    fn handle_tick(&mut self, now: Instant, _: &Counters) -> Directive {
        if now < self.plan.end + GRACE {
            return Directive::GoOn;
        }
        if !self.is_finished {
            self.is_finished = true;
            // Whoever waits for them may have given up.
            let _ = self.told.send(std::mem::take(&mut self.records));
        }
        Directive::Drain
    }
}
