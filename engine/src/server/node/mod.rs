//! The node as one event loop sees it: the application that answers on this loop's connections, for the role that the
//! process has.

mod events;
mod faults;

use std::io;
use std::sync::Arc;

use protocol::limits::FLOWS_PER_DIRECTION_MAX;
use protocol::message::report::Report;
use protocol::message::samples::Direction;
use protocol::profile::Profile;
use protocol::time::Instant;

use self::faults::Faults;
use super::address::AddressFlows;
use super::config::Config;
use super::context::DrainSignal;
use super::flow::{FlowLimits, LoadFlow};
use super::live_config::{ConfigReader, LiveConfig};
use super::log::test_end;
use super::profile_session::MessageBuffer;
use super::query::Query;
use super::refusal::FlowRefusal;
use super::reply::Reply;
use super::roles::{EndpointGroup, PING, REDIRECT, Role};
use super::scheme::Scheme;
use super::scoreboard::{
    LoopSlot, RefusalReason, RoleSlot, RoleState, Scoreboard, TestLimits, TestOutcome, TestSeat,
};
use super::token::TokenKey;
use super::visitor::{Activity, Visitor};
use crate::runtime::application::{Context, Counters};
use crate::runtime::tls::Acceptor;

/// A test's flows in both directions, its probes, and what is still closing of the phase before.
const FLOWS_PER_TEST_MAX: u32 = 2 * (2 * FLOWS_PER_DIRECTION_MAX as u32 + 2);

/// One loop's application.
#[derive(Debug)]
pub struct Node {
    role: Role,
    config: Arc<Config>,
    live_config: ConfigReader,
    scoreboard: Scoreboard,
    drain: DrainSignal,
    tokens: TokenKey,
    loop_index: usize,
    profiles: Vec<Arc<Profile>>,
    message_buffer: MessageBuffer,
    addresses: AddressFlows,
    seen_ended: u64,
    swept_s: u64,
    counted: Counters,
    faults: Faults,
    acceptor: Option<Arc<Acceptor>>,
    has_logged_shutdown: bool,
}

impl Node {
    /// The application of loop slot `loop_index`; with an `acceptor` it speaks TLS.
    ///
    /// # Errors
    /// When the system has no randomness.
    pub fn new(
        role: Role,
        config: LiveConfig,
        scoreboard: Scoreboard,
        drain: DrainSignal,
        loop_index: usize,
        acceptor: Option<Arc<Acceptor>>,
    ) -> io::Result<Self> {
        let mut live_config = config.reader();
        let config = Arc::clone(live_config.current());
        let serves_all = role.endpoints.contains(EndpointGroup::Household);
        let profiles = config
            .profiles
            .iter()
            .filter(|profile| serves_all || profile.user_id == role.name)
            .map(|profile| Arc::new(profile.clone()))
            .collect();
        let addresses = AddressFlows::new(config.limits.flows_per_address_max.get() as u32);
        let faults = Faults::new(&scoreboard.loops()[loop_index]);
        Ok(Self {
            role,
            config,
            live_config,
            tokens: TokenKey::new(&scoreboard.secret()),
            scoreboard,
            drain,
            loop_index,
            profiles,
            message_buffer: MessageBuffer::new()?,
            addresses,
            seen_ended: 0,
            swept_s: 0,
            counted: Counters::default(),
            faults,
            acceptor,
            has_logged_shutdown: false,
        })
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

    /// The node's configuration.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
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

    /// In which schemes the node's URLs are, as this visitor sees it: a proxy may end the TLS of its clients.
    #[must_use]
    pub fn scheme(&self, visitor: &Visitor) -> Scheme {
        match visitor.is_https {
            Some(true) => Scheme::Tls,
            Some(false) => Scheme::Plain,
            None => self.config.scheme(),
        }
    }

    /// Whether this process's own clients speak TLS.
    #[must_use]
    pub fn speaks_tls(&self) -> bool {
        self.acceptor.is_some()
    }

    /// Every port of the node that a page connects to, for its content security policy.
    #[must_use]
    pub fn ports(&self) -> Vec<u16> {
        self.scoreboard
            .roles()
            .iter()
            .filter(|role| role.is_used() && role.name() != REDIRECT)
            .map(RoleSlot::port)
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
            .map(RoleSlot::port)
    }

    /// What admission goes by.
    #[must_use]
    pub fn test_limits(&self) -> TestLimits {
        self.config.limits.tests()
    }

    /// Goes on with what a reload has left, if there was one: it holds for every flow and test that begins from now on.
    fn adopt_config(&mut self) {
        let current = self.live_config.current();
        if !Arc::ptr_eq(current, &self.config) {
            self.addresses
                .set_per_address_max(current.limits.flows_per_address_max.get() as u32);
            self.config = Arc::clone(current);
        }
    }

    /// A test is over: counts it and writes its line, unless that has been done.
    pub fn record_test_end(
        &self,
        now: Instant,
        seat: TestSeat,
        outcome: TestOutcome,
        report: Option<&Report>,
    ) {
        let tests = self.scoreboard.tests();
        if let Some(facts) = tests.facts(seat)
            && tests.claim_log(seat)
        {
            self.slot().count_test_ended(outcome);
            if let Some(report) = report {
                self.slot().count_test_graded(report.total_grade);
            }
            test_end::write(now, &facts, outcome, report);
        }
    }

    /// Counts a test that was not admitted.
    pub fn count_refused_test(&self, reason: RefusalReason) {
        self.slot().count_test_refused(reason);
    }

    fn slot(&self) -> &LoopSlot {
        &self.scoreboard.loops()[self.loop_index]
    }

    /// How long a flow, probe connection or session may last, and be silent.
    #[must_use]
    pub fn flow_limits(&self) -> FlowLimits {
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

    /// Counts a profile session in.
    ///
    /// # Errors
    /// As [`Node::open_load`], and when this process has as many sessions as it may.
    pub fn open_session(
        &mut self,
        visitor: &mut Visitor,
        query: Query<'_>,
    ) -> Result<(Option<TestSeat>, FlowLimits), FlowRefusal> {
        let sessions_max = self.config.tests_per_process.get();
        if !self.scoreboard.has_room(self.loop_index, sessions_max) {
            return Err(FlowRefusal::ProcessFull);
        }
        let seat = self.open_seat(visitor, query)?;
        self.slot().sessions.increment();
        self.slot().sessions_begun.add(1);
        Ok((seat, self.flow_limits()))
    }

    /// The profile of a user that this process serves.
    #[must_use]
    pub fn profile(&self, user_id: &str) -> Option<Arc<Profile>> {
        self.profiles
            .iter()
            .find(|profile| profile.user_id == user_id)
            .map(Arc::clone)
    }

    /// The port of this process's role.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.scoreboard.roles()[self.role.index].port()
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
    pub fn set_congestion_control(&self, context: &Context<'_>) {
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
            Activity::Profile(session) => {
                self.slot().sessions.decrement();
                self.slot().count_session_ended(session.end_reason());
                self.close_seat(visitor, session.seat());
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
}
