//! `/ws/ping`: answers each probe at once with the node's own times, sends WebSocket pings that the client's machine
//! answers below the page, and tells the client once a second how the line looks from here.
//!
//! Nothing on this path allocates, locks or logs once the session is open.

use std::io::Write as _;
use std::time::Duration;

use protocol::connection::{BinarySink, MessageKind, WebSocketOptions};
use protocol::http1::Request;
use protocol::message::probe::{Echo, Probe};
use protocol::message::socket::NodeMessage;
use protocol::time::Instant;

use super::{OpenFault, Parameters};
use crate::runtime::application::Context;
use crate::runtime::sys::clock;
use crate::server::flow::FlowEnd;
use crate::server::node::Node;
use crate::server::query::Query;
use crate::server::scoreboard::TestSeat;
use crate::server::visitor::{Activity, Visitor};

/// Four WebSocket pings a second.
const PING_INTERVAL: Duration = Duration::from_millis(250);
const REPORT_INTERVAL: Duration = Duration::from_secs(1);
/// Pings whose answers are awaited: four seconds' worth; an answer that comes later still says that the line is slow, in the
/// probes.
const OUTSTANDING_PINGS: usize = 16;
/// More than are answered between two reports, even after a stall.
const PING_RTTS_MAX: usize = 32;

/// A probe session.
#[derive(Debug)]
pub struct ProbeSession {
    seat: Option<TestSeat>,
    deadline: Instant,
    inactivity_max: Duration,
    probed_at: Instant,
    next_ping: Instant,
    next_report: Instant,
    ping_number: u64,
    outstanding: [Option<(u64, Instant)>; OUTSTANDING_PINGS],
    ping_rtt_us: Vec<u32>,
    text: Vec<u8>,
}

/// Checks the query and makes room.
pub fn open(
    node: &mut Node,
    context: &mut Context<'_>,
    visitor: &mut Visitor,
    request: &Request,
    _: &Parameters<'_>,
) -> Result<WebSocketOptions, OpenFault> {
    let query = Query::new(request.query().unwrap_or_default());
    let (seat, limits) = node
        .open_probe(visitor, query)
        .map_err(OpenFault::Refused)?;
    let now = context.now;
    visitor.activity = Activity::Probe(Box::new(ProbeSession {
        seat,
        deadline: now + limits.duration_max,
        inactivity_max: limits.inactivity_max,
        probed_at: now,
        next_ping: now + PING_INTERVAL,
        next_report: now + REPORT_INTERVAL,
        ping_number: 0,
        outstanding: [None; OUTSTANDING_PINGS],
        ping_rtt_us: Vec::with_capacity(PING_RTTS_MAX),
        text: Vec::with_capacity(512),
    }));
    Ok(WebSocketOptions {
        binary: BinarySink::Deliver,
        extra_fields: Vec::new(),
    })
}

/// From now on the kernel says when a probe arrived: its wait for this process is no time on the line.
pub fn begin(_: &mut Node, context: &mut Context<'_>, _: &mut Visitor) {
    // Where the kernel can't, the loop's own time serves.
    let _ = context.stamp_arrivals();
}

/// Answers a probe with the node's own times. Returns how long it was here.
pub fn answer(context: &mut Context<'_>, probe: Probe) -> Duration {
    let received_at = context.received_at.unwrap_or(context.now);
    let sent_at = clock::monotonic_now();
    let echo = Echo {
        sequence: probe.sequence,
        client_send_us: probe.client_send_us,
        node_receive_us: received_at.as_micros(),
        node_send_us: sent_at.as_micros(),
    };
    // A client that does not read its echoes loses them.
    let _ = context
        .connection
        .send_binary(context.now, &echo.to_bytes());
    sent_at - received_at
}

impl ProbeSession {
    /// The test it belongs to.
    #[must_use]
    pub fn seat(&self) -> Option<TestSeat> {
        self.seat
    }

    /// When the next ping, report or check is due.
    #[must_use]
    pub fn next_due(&self) -> Instant {
        self.next_ping.min(self.next_report)
    }

    /// Answers a probe. Returns how long it was here, or `None` when it was no probe and the session is to end.
    pub fn handle_message(
        &mut self,
        context: &mut Context<'_>,
        kind: MessageKind,
        payload: &[u8],
    ) -> Option<Duration> {
        let probe = match kind {
            MessageKind::Binary => Probe::parse(payload)?,
            MessageKind::Text => return None,
        };
        self.probed_at = context.now;
        Some(answer(context, probe))
    }

    /// Takes the answer to one of the node's own pings. One that was not asked for counts for nothing.
    pub fn handle_pong(&mut self, context: &Context<'_>, payload: &[u8]) {
        let Ok(number) = <[u8; 8]>::try_from(payload).map(u64::from_le_bytes) else {
            return;
        };
        let slot = &mut self.outstanding[(number % OUTSTANDING_PINGS as u64) as usize];
        let Some((_, sent_at)) = slot.take_if(|(expected, _)| *expected == number) else {
            return;
        };
        let rtt = context.received_at.unwrap_or(context.now) - sent_at;
        if self.ping_rtt_us.len() < PING_RTTS_MAX {
            self.ping_rtt_us
                .push(u32::try_from(rtt.as_micros()).unwrap_or(u32::MAX));
        }
    }

    /// Sends what is due.
    pub fn handle_timeout(&mut self, context: &mut Context<'_>) {
        let now = context.now;
        if now >= self.next_ping {
            self.next_ping = now + PING_INTERVAL;
            self.ping_number += 1;
            let slot = (self.ping_number % OUTSTANDING_PINGS as u64) as usize;
            self.outstanding[slot] = Some((self.ping_number, clock::monotonic_now()));
            let _ = context
                .connection
                .send_ping(now, &self.ping_number.to_le_bytes());
        }
        if now >= self.next_report {
            self.next_report = now + REPORT_INTERVAL;
            self.send_report(context);
        }
    }

    fn send_report(&mut self, context: &mut Context<'_>) {
        let info = context.tcp_info().ok();
        let message = NodeMessage::NodeRtt {
            ping_rtt_us: std::mem::take(&mut self.ping_rtt_us),
            kernel_rtt_us: info.map(|info| info.rtt_us),
            kernel_min_rtt_us: info.map(|info| info.rtt_min_us),
        };
        self.text.clear();
        let is_written =
            serde_json::to_writer(&mut self.text, &message).is_ok() && self.text.flush().is_ok();
        if let NodeMessage::NodeRtt { ping_rtt_us, .. } = message {
            self.ping_rtt_us = ping_rtt_us;
            self.ping_rtt_us.clear();
        }
        if is_written && let Ok(text) = std::str::from_utf8(&self.text) {
            let _ = context.connection.send_text(context.now, text);
        }
    }

    /// Whether it must end.
    #[must_use]
    pub fn end_due(&self, now: Instant, is_test_ended: bool) -> Option<FlowEnd> {
        if is_test_ended {
            Some(FlowEnd::TestEnded)
        } else if now >= self.deadline {
            Some(FlowEnd::TimeLimit)
        } else if now - self.probed_at >= self.inactivity_max {
            Some(FlowEnd::Inactive)
        } else {
            None
        }
    }
}
