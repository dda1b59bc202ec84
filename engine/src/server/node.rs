//! The node as one event loop sees it: the application that answers on this loop's connections, for the role that the
//! process has.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use protocol::connection::{CloseReason, Event, MessageKind};
use protocol::limits::FLOWS_PER_DIRECTION_MAX;
use protocol::message::samples::Direction;
use protocol::message::socket::{NodeMessage, UploaderMessage};
use protocol::time::Instant;

use super::address::AddressFlows;
use super::close_code;
use super::config::Config;
use super::context::DrainSignal;
use super::endpoints::{self, tests, upload};
use super::flow::{FlowEnd, FlowLimits, LoadFlow};
use super::identity::address_key;
use super::query::Query;
use super::refusal::FlowRefusal;
use super::reply::Reply;
use super::roles::{EndpointGroup, PING, Role};
use super::scoreboard::{Closed, LoopSlot, RoleState, Scoreboard, TestLimits, TestSeat, second_of};
use super::token::TokenKey;
use super::visitor::{Activity, Visitor};
use crate::runtime::application::{Application, Context, Counters, Directive, Sweep};

/// A test's flows in both directions, its probes, and what is still closing of the phase before.
const FLOWS_PER_TEST_MAX: u32 = 2 * (2 * FLOWS_PER_DIRECTION_MAX as u32 + 2);

/// One loop's application.
#[derive(Debug)]
pub struct Node {
    role: Role,
    config: Arc<Config>,
    scoreboard: Scoreboard,
    drain: DrainSignal,
    tokens: TokenKey,
    loop_index: usize,
    addresses: AddressFlows,
    seen_ended: u64,
    swept_s: u64,
    counted: Counters,
}

impl Node {
    /// The application of loop slot `loop_index`.
    #[must_use]
    pub fn new(
        role: Role,
        config: Arc<Config>,
        scoreboard: Scoreboard,
        drain: DrainSignal,
        loop_index: usize,
    ) -> Self {
        let addresses = AddressFlows::new(config.limits.flows_per_address_max.get() as u32);
        Self {
            role,
            config,
            tokens: TokenKey::new(&scoreboard.secret()),
            scoreboard,
            drain,
            loop_index,
            addresses,
            seen_ended: 0,
            swept_s: 0,
            counted: Counters::default(),
        }
    }

    /// Whether this process's role serves that group of endpoints.
    #[must_use]
    pub fn serves(&self, group: EndpointGroup) -> bool {
        self.role.endpoints.contains(group)
    }

    /// What all processes of the node share.
    #[must_use]
    pub fn scoreboard(&self) -> &Scoreboard {
        &self.scoreboard
    }

    /// Makes and verifies the tokens of tests.
    #[must_use]
    pub fn tokens(&self) -> &TokenKey {
        &self.tokens
    }

    /// The node's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.config.node_name
    }

    /// Of the load flows to clients.
    #[must_use]
    pub fn congestion_control(&self) -> &str {
        &self.config.congestion_control
    }

    /// Adds what every answer of a test endpoint carries.
    #[must_use]
    pub fn test_reply(&self, visitor: &Visitor, reply: Reply) -> Reply {
        reply.for_test(visitor.origin.as_deref(), &self.config.cors_origins)
    }

    /// Every port of the node, for the page's content security policy.
    #[must_use]
    pub fn ports(&self) -> Vec<u16> {
        self.scoreboard
            .roles()
            .iter()
            .filter(|role| role.is_used())
            .map(super::scoreboard::RoleSlot::port)
            .collect()
    }

    /// The port of the ping role, unless it's down.
    #[must_use]
    pub fn ping_port(&self) -> Option<u16> {
        self.scoreboard
            .roles()
            .iter()
            .find(|role| role.is_used() && role.name() == PING)
            .filter(|role| role.state() != RoleState::Down)
            .map(super::scoreboard::RoleSlot::port)
    }

    /// What admission goes by.
    #[must_use]
    pub fn test_limits(&self) -> TestLimits {
        self.config.limits.tests()
    }

    fn slot(&self) -> &LoopSlot {
        &self.scoreboard.loops()[self.loop_index]
    }

    fn flow_limits(&self) -> FlowLimits {
        FlowLimits {
            duration_max: self.config.limits.session_max(),
            inactivity_max: self.config.limits.inactivity(),
        }
    }

    /// Counts a load flow in, on its test or on its address.
    ///
    /// # Errors
    /// When there is no such test or no room.
    pub fn open_load(
        &mut self,
        context: &mut Context<'_>,
        visitor: &mut Visitor,
        query: Query<'_>,
        direction: Direction,
    ) -> Result<LoadFlow, FlowRefusal> {
        let open = self
            .scoreboard
            .total(|slot| slot.flows_down.value() + slot.flows_up.value());
        if open >= self.config.limits.flows_max.get() {
            return Err(FlowRefusal::NodeFull);
        }
        let seat = self.open_seat(visitor, query)?;
        let bytes_before = match direction {
            Direction::Down => {
                self.slot().flows_down.increment();
                self.set_congestion_control(context);
                context.connection.sent_payload_bytes()
            }
            Direction::Up => {
                self.slot().flows_up.increment();
                context.connection.received_payload_bytes()
            }
        };
        Ok(LoadFlow::open(
            context.now,
            direction,
            seat,
            self.flow_limits(),
            bytes_before,
        ))
    }

    /// Counts a probe connection in.
    ///
    /// # Errors
    /// As [`Node::open_load`].
    pub fn open_probe(
        &mut self,
        visitor: &mut Visitor,
        query: Query<'_>,
    ) -> Result<(Option<TestSeat>, FlowLimits), FlowRefusal> {
        let seat = self.open_seat(visitor, query)?;
        self.slot().probes.increment();
        Ok((seat, self.flow_limits()))
    }

    /// With a test, the test's own bound applies; without one, the address's.
    fn open_seat(
        &mut self,
        visitor: &Visitor,
        query: Query<'_>,
    ) -> Result<Option<TestSeat>, FlowRefusal> {
        let Some(id) = query.value("test_id") else {
            let has_room = self.addresses.open(visitor.address);
            return if has_room {
                Ok(None)
            } else {
                Err(FlowRefusal::AddressFull)
            };
        };
        let tests = self.scoreboard.tests();
        let seat = id
            .parse()
            .ok()
            .and_then(|id| tests.find(id))
            .filter(|seat| !tests.is_ended(*seat));
        let seat = seat.ok_or(FlowRefusal::TestUnknown)?;
        if tests.open_flows(seat) >= FLOWS_PER_TEST_MAX {
            return Err(FlowRefusal::TestFull);
        }
        tests.flow_opened(seat, self.loop_index);
        Ok(Some(seat))
    }

    fn close_seat(&mut self, visitor: &Visitor, seat: Option<TestSeat>) {
        match seat {
            Some(seat) => self.scoreboard.tests().flow_closed(seat, self.loop_index),
            None => self.addresses.close(visitor.address),
        }
    }

    /// Loss-based congestion control fills the queue as other people's traffic does; one that drains queues by design would
    /// hide the bloat.
    fn set_congestion_control(&self, context: &Context<'_>) {
        let socket = context.socket();
        // Checked when the node started; a kernel that takes it back leaves its default, which TCP_INFO would show.
        let _ = socket2::SockRef::from(&socket)
            .set_tcp_congestion(self.config.congestion_control.as_bytes());
    }

    /// Reads the flow's counts; adds them to its test's.
    fn sample(&self, context: &Context<'_>, flow: &mut LoadFlow) {
        let bytes = match flow.direction() {
            Direction::Down => context.connection.sent_payload_bytes(),
            Direction::Up => context.connection.received_payload_bytes(),
        };
        let moved = flow.sample(context.now, bytes, context.tcp_info().ok());
        if let Some(seat) = flow.seat() {
            let (received, sent) = match flow.direction() {
                Direction::Down => (0, moved),
                Direction::Up => (moved, 0),
            };
            self.scoreboard
                .tests()
                .add_bytes(seat, self.loop_index, received, sent);
        }
    }

    /// Counts what the connection was doing out.
    fn close_activity(&mut self, context: &Context<'_>, visitor: &mut Visitor) {
        let activity = std::mem::replace(&mut visitor.activity, Activity::Idle);
        match activity {
            Activity::Idle | Activity::Collecting(_) | Activity::Closing => {}
            Activity::Download(flow) | Activity::Upload(flow) | Activity::BulkDownload(flow) => {
                self.close_load(context, visitor, flow);
            }
            Activity::BulkUpload(upload) => self.close_load(context, visitor, upload.flow),
            Activity::Probe(probe) => {
                self.slot().probes.decrement();
                self.close_seat(visitor, probe.seat());
            }
        }
    }

    fn close_load(&mut self, context: &Context<'_>, visitor: &Visitor, mut flow: LoadFlow) {
        self.sample(context, &mut flow);
        match flow.direction() {
            Direction::Down => self.slot().flows_down.decrement(),
            Direction::Up => self.slot().flows_up.decrement(),
        }
        if let Some(seat) = flow.seat() {
            // A test with more flows than there are places for has enough of them to judge by.
            self.scoreboard
                .tests()
                .record_flow(seat, flow.record(context.now));
        }
        self.close_seat(visitor, flow.seat());
    }

    fn is_test_ended(&self, seat: Option<TestSeat>) -> bool {
        seat.is_some_and(|seat| self.scoreboard.tests().is_ended(seat))
    }

    fn end_if_due(&mut self, context: &mut Context<'_>, visitor: &mut Visitor) {
        let now = context.now;
        let end = match &visitor.activity {
            Activity::Idle | Activity::Collecting(_) | Activity::Closing => None,
            Activity::Download(flow) | Activity::Upload(flow) | Activity::BulkDownload(flow) => {
                flow.end_due(now, self.is_test_ended(flow.seat()))
            }
            Activity::BulkUpload(upload) => upload
                .flow
                .end_due(now, self.is_test_ended(upload.flow.seat())),
            Activity::Probe(probe) => probe.end_due(now, self.is_test_ended(probe.seat())),
        };
        if let Some(end) = end {
            self.end(context, visitor, end);
        }
    }

    fn end(&mut self, context: &mut Context<'_>, visitor: &mut Visitor, end: FlowEnd) {
        let (code, reason, counted) = match end {
            FlowEnd::TestEnded => (close_code::NORMAL, "the test has ended", Closed::TestEnded),
            FlowEnd::TimeLimit => (
                close_code::POLICY_VIOLATION,
                "the time limit is reached",
                Closed::Expired,
            ),
            FlowEnd::Inactive => (
                close_code::POLICY_VIOLATION,
                "nothing moved for too long",
                Closed::InactivityTimeout,
            ),
        };
        visitor.ended_as = Some(counted);
        if let Activity::BulkUpload(upload) = &mut visitor.activity {
            self.sample(context, &mut upload.flow);
            upload.send_progress(context, true);
        }
        self.close_activity(context, visitor);
        visitor.activity = Activity::Closing;
        if context.connection.is_websocket() {
            context.connection.close(context.now, code, reason);
        } else {
            // An HTTP body in the middle has no other way to end early.
            context.abort();
        }
    }

    fn handle_message(
        &mut self,
        context: &mut Context<'_>,
        visitor: &mut Visitor,
        kind: MessageKind,
        payload: &[u8],
    ) {
        match &mut visitor.activity {
            Activity::Probe(probe) => match probe.handle_message(context, kind, payload) {
                Some(turnaround) => {
                    let turnaround_us = u64::try_from(turnaround.as_micros()).unwrap_or(u64::MAX);
                    self.slot().echoes.add(1);
                    self.slot()
                        .echo_turnaround
                        .record_us(context.now, turnaround_us);
                }
                None if kind == MessageKind::Text => {
                    refuse_text(context, "a probe is a binary message of 16 bytes");
                }
                None => {
                    visitor.ended_as = Some(Closed::ProtocolError);
                    context.connection.close(
                        context.now,
                        close_code::UNSUPPORTED_DATA,
                        "not a probe",
                    );
                }
            },
            Activity::BulkUpload(upload) => match serde_json::from_slice(payload) {
                Ok(UploaderMessage::Finish) => {
                    let bytes = context.connection.received_payload_bytes();
                    upload.flow.sample(context.now, bytes, None);
                    upload.send_progress(context, true);
                    context
                        .connection
                        .close(context.now, close_code::NORMAL, "finished");
                }
                Err(_) => refuse_text(
                    context,
                    "the only text message here is {\"type\":\"finish\"}",
                ),
            },
            Activity::BulkDownload(_) => {
                refuse_text(context, "this socket takes no messages; close it to end it");
            }
            Activity::Idle
            | Activity::Collecting(_)
            | Activity::Closing
            | Activity::Download(_)
            | Activity::Upload(_) => {}
        }
    }

    fn handle_body_complete(
        &mut self,
        context: &mut Context<'_>,
        visitor: &mut Visitor,
        bytes: u64,
        elapsed: Duration,
        body: &[u8],
    ) {
        let reply = match &visitor.activity {
            Activity::Upload(_) => upload::reply(bytes, elapsed),
            Activity::Collecting(collected) => {
                let collected = collected.clone();
                tests::answer_collected(self, context, visitor, &collected, body)
            }
            _ => return,
        };
        self.close_activity(context, visitor);
        let reply = self.test_reply(visitor, reply);
        let _ = context
            .connection
            .respond(context.now, reply.head, reply.body);
    }
}

/// Tells a client that its text message was of no use here; the session goes on.
fn refuse_text(context: &mut Context<'_>, message: &str) {
    let error = NodeMessage::Error {
        code: "unknown_message".to_owned(),
        message: message.to_owned(),
    };
    if let Ok(text) = serde_json::to_string(&error) {
        let _ = context.connection.send_text(context.now, &text);
    }
}

impl Application for Node {
    type Session = Visitor;

    fn handle_accept(&mut self, _: Instant, _: usize, peer: SocketAddr) -> Option<Visitor> {
        let open = self.scoreboard.total(|slot| slot.connections.value());
        if open >= self.config.limits.connections_max.get() {
            self.slot().count_closed(Closed::OverLimit);
            return None;
        }
        self.slot().connections.increment();
        Some(Visitor::new(address_key(peer.ip())))
    }

    fn handle_event(
        &mut self,
        context: &mut Context<'_>,
        visitor: &mut Visitor,
        event: Event,
        payload: &[u8],
    ) {
        match event {
            Event::Request(request) => endpoints::route(self, context, visitor, &request),
            Event::BodyComplete { bytes, elapsed } => {
                self.handle_body_complete(context, visitor, bytes, elapsed, payload);
            }
            Event::ResponseSent => self.close_activity(context, visitor),
            Event::Message(kind) => self.handle_message(context, visitor, kind, payload),
            Event::Pong => {
                if let Activity::Probe(probe) = &mut visitor.activity {
                    probe.handle_pong(context, payload);
                }
            }
            Event::FillerSent => {
                context
                    .connection
                    .close(context.now, close_code::NORMAL, "finished");
            }
            // A server's connection has no responses, and its end is the loop's to report.
            Event::Response(_) | Event::Upgraded | Event::Closed(_) => {}
        }
    }

    fn poll_timeout(&self, visitor: &Visitor) -> Option<Instant> {
        visitor.poll_timeout()
    }

    fn handle_timeout(&mut self, context: &mut Context<'_>, visitor: &mut Visitor) {
        match &mut visitor.activity {
            Activity::Idle | Activity::Collecting(_) | Activity::Closing => {}
            Activity::Download(flow) | Activity::Upload(flow) | Activity::BulkDownload(flow) => {
                self.sample(context, flow);
            }
            Activity::BulkUpload(upload) => {
                self.sample(context, &mut upload.flow);
                upload.send_progress(context, false);
            }
            Activity::Probe(probe) => probe.handle_timeout(context),
        }
        self.end_if_due(context, visitor);
    }

    fn handle_sweep(&mut self, context: &mut Context<'_>, visitor: &mut Visitor, sweep: Sweep) {
        match sweep {
            Sweep::Asked => self.end_if_due(context, visitor),
            Sweep::Drain => {
                visitor.ended_as = Some(Closed::Drained);
                context.connection.close(
                    context.now,
                    close_code::GOING_AWAY,
                    "the node is shutting down",
                );
            }
        }
    }

    fn handle_closed(
        &mut self,
        context: &mut Context<'_>,
        mut visitor: Visitor,
        reason: CloseReason,
    ) {
        self.close_activity(context, &mut visitor);
        self.slot().connections.decrement();
        self.slot()
            .count_closed(visitor.ended_as.unwrap_or_else(|| closed(reason)));
    }

    fn handle_tick(&mut self, now: Instant, counters: &Counters) -> Directive {
        let slot = self.slot();
        slot.beat(now);
        slot.accepted.add(counters.accepted - self.counted.accepted);
        slot.count_bytes(
            now,
            counters.received_bytes - self.counted.received_bytes,
            counters.sent_bytes - self.counted.sent_bytes,
        );
        slot.turns.add(counters.turns - self.counted.turns);
        self.counted = *counters;
        let second = second_of(now);
        if second != self.swept_s && self.serves(EndpointGroup::Api) {
            self.swept_s = second;
            self.scoreboard.tests().sweep(now);
        }
        let ended = self.scoreboard.tests().ended_generation();
        let has_news = ended != self.seen_ended;
        self.seen_ended = ended;
        if self.drain.is_draining() {
            Directive::Drain
        } else if has_news {
            Directive::Sweep
        } else {
            Directive::GoOn
        }
    }

    fn observe_lag(&mut self, now: Instant, lag: Duration) {
        self.slot()
            .lag
            .record_us(now, u64::try_from(lag.as_micros()).unwrap_or(u64::MAX));
    }
}

/// The connection's reason as it's counted.
fn closed(reason: CloseReason) -> Closed {
    match reason {
        CloseReason::Finished => Closed::Finished,
        CloseReason::PeerClosed { .. } => Closed::PeerClosed,
        CloseReason::PeerVanished => Closed::PeerVanished,
        CloseReason::IdleTimeout => Closed::IdleTimeout,
        CloseReason::HeadTimeout => Closed::HeadTimeout,
        CloseReason::InactivityTimeout => Closed::InactivityTimeout,
        CloseReason::WriteStalled => Closed::WriteStalled,
        CloseReason::CloseTimeout => Closed::CloseTimeout,
        CloseReason::ProtocolError(_) => Closed::ProtocolError,
        CloseReason::Refused(_) => Closed::Refused,
        CloseReason::Local(_) => Closed::Local,
    }
}
