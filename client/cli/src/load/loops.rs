//! The loop that carries the load: flows open, run and end at their times, and the node is asked for its count of what it
//! received. One thread moves more than any line that a queue is found on: downloads are thrown away inside the kernel and
//! uploads are sent from the payload file, so no byte is copied here.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender};
use engine::runtime::application::{Application, Connect, Context, Counters, Directive, Sweep};
use engine::runtime::event_loop::EventLoop;
use engine::runtime::payload::Payload;
use engine::runtime::sys::clock;
use engine::runtime::tls::Connector;
use protocol::connection::{BodySink, CloseReason, Event, RequestBody};
use protocol::http1::{Method, RequestHead};
use protocol::measure::phases::is_graded;
use protocol::message::samples::{Direction, FlowCountSample};
use protocol::message::test::{PhaseSpan, TestStatus};
use protocol::time::Instant;

use super::congestion_control::set_congestion_control;
use super::flow_count::{FLOWS_AT_START, FlowCount, JUDGEMENT_WINDOW_US};
use super::goodput_bins::{BIN_US, GoodputBins};
use super::plan::{LoadNotice, LoadOrder, LoadPlan};
use super::stretch::{
    LoadStretch, is_ramping, latest_start_us, load_stretches, phase_at, ramp_unwarmed,
};
use crate::address::Route;

/// From one answer to the next question, µs: the node brings its count up to date this often.
const COUNT_INTERVAL_US: u64 = 100_000;
/// A question that is not answered by then is asked on another connection, µs. A full uplink holds it up for seconds.
const COUNT_LIMIT_US: u64 = 10_000_000;
/// The body of an upload: no line carries it in the time of a test.
const UPLOAD_BYTES: u64 = 1 << 40;
const STATUS_BYTES_MAX: usize = 16 * 1024;

/// Starts the loop on a thread of its own. It runs until it is told to end; its last notice is then complete.
///
/// # Errors
/// When the system gives no thread.
pub(super) fn spawn(
    plan: LoadPlan,
    payload: Arc<Payload>,
    orders: Receiver<LoadOrder>,
    notices: Sender<LoadNotice>,
) -> io::Result<JoinHandle<io::Result<()>>> {
    std::thread::Builder::new()
        .name("load".to_owned())
        .spawn(move || {
            let application = Loads::new(plan, orders, notices);
            EventLoop::new(application, Vec::new(), Some(payload))?.run()
        })
}

#[derive(Debug)]
struct Loads {
    plan: LoadPlan,
    stretches: Vec<LoadStretch>,
    /// The running load of each stretch, by its number.
    loads: Vec<Option<Load>>,
    /// Flows that an earlier stretch reached.
    reached: [u32; 2],
    wanted: VecDeque<Stream>,
    bins: GoodputBins,
    flows: Vec<FlowCountSample>,
    phases: Vec<PhaseSpan>,
    /// The graded phase that begins once the node has let go of the flows that ended, and since when.
    gone_awaited: Option<(usize, u64)>,
    received_bytes: u64,
    node_open_flows: Option<(u64, u32)>,
    counted_us: Option<u64>,
    lost: Option<String>,
    has_other_congestion_control: bool,
    orders: Receiver<LoadOrder>,
    notices: Sender<LoadNotice>,
    is_ending: bool,
}

/// The load of one stretch.
#[derive(Debug)]
struct Load {
    count: FlowCount,
    /// Flows that were asked for.
    wanted: u32,
    open: u32,
    is_over: bool,
}

/// What a connection is for.
#[derive(Debug)]
enum Stream {
    Flow(Flow),
    Count(Count),
}

#[derive(Debug)]
struct Flow {
    stretch: usize,
    /// Its place among the stretch's flows; one beyond those that are needed ends.
    ordinal: u32,
    direction: Direction,
    end_us: u64,
    is_open: bool,
    has_ended: bool,
    counted_bytes: u64,
    counted_us: u64,
}

#[derive(Debug)]
struct Count {
    is_open: bool,
    asked_us: Option<u64>,
    next_us: u64,
}

impl Loads {
    fn new(plan: LoadPlan, orders: Receiver<LoadOrder>, notices: Sender<LoadNotice>) -> Self {
        let stretches = load_stretches(&plan.phases);
        Self {
            loads: stretches.iter().map(|_| None).collect(),
            stretches,
            reached: [FLOWS_AT_START; 2],
            wanted: VecDeque::new(),
            bins: GoodputBins::default(),
            flows: Vec::new(),
            phases: plan.phases.clone(),
            gone_awaited: None,
            received_bytes: 0,
            node_open_flows: None,
            counted_us: None,
            lost: None,
            has_other_congestion_control: false,
            orders,
            notices,
            is_ending: false,
            plan,
        }
    }

    const fn route(&self, stream: &Stream) -> &Route {
        match stream {
            Stream::Flow(flow) => match flow.direction {
                Direction::Down => &self.plan.download,
                Direction::Up => &self.plan.upload,
            },
            Stream::Count(_) => &self.plan.status,
        }
    }

    fn since_start_us(&self, now: Instant) -> u64 {
        let since = now - self.plan.start;
        u64::try_from(since.as_micros()).unwrap_or(u64::MAX)
    }

    fn instant(&self, at_us: u64) -> Instant {
        self.plan.start + Duration::from_micros(at_us)
    }

    /// Begins and ends what is due.
    fn advance(&mut self, now_us: u64) {
        for number in 0..self.stretches.len() {
            let stretch = self.stretches[number];
            if now_us >= stretch.end_us {
                self.finish_stretch(number, now_us);
            } else if now_us >= stretch.start_us && self.loads[number].is_none() {
                self.begin_stretch(number, now_us);
            }
        }
    }

    fn begin_stretch(&mut self, number: usize, now_us: u64) {
        let stretch = self.stretches[number];
        let reached = self.reached[index(stretch.direction)];
        let count = FlowCount::new(now_us, self.plan.flows_max, reached);
        self.loads[number] = Some(Load {
            count,
            wanted: 0,
            open: 0,
            is_over: false,
        });
        self.want_flows(number, count.flows());
        ramp_unwarmed(&mut self.phases, stretch.start_us);
        if stretch.direction == Direction::Up && self.counted_us.is_none() {
            self.counted_us = Some(now_us);
            self.wanted.push_back(Stream::Count(Count::new(now_us)));
        }
    }

    /// The flows end by their own timers; here the phase that follows learns that it has to wait for them.
    fn finish_stretch(&mut self, number: usize, now_us: u64) {
        let Some(load) = &mut self.loads[number] else {
            return;
        };
        if std::mem::replace(&mut load.is_over, true) {
            return;
        }
        load.open = 0;
        self.note_flows(number, now_us);
        let next = self
            .phases
            .iter()
            .position(|span| span.start_us > now_us && is_graded(span.phase));
        self.gone_awaited = next.map(|next| (next, now_us));
    }

    fn want_flows(&mut self, stretch: usize, flows: u32) {
        let LoadStretch {
            direction, end_us, ..
        } = self.stretches[stretch];
        let Some(load) = &mut self.loads[stretch] else {
            return;
        };
        let first = load.wanted;
        load.wanted += flows;
        for ordinal in first..load.wanted {
            self.wanted.push_back(Stream::Flow(Flow {
                stretch,
                ordinal,
                direction,
                end_us,
                is_open: false,
                has_ended: false,
                counted_bytes: 0,
                counted_us: 0,
            }));
        }
    }

    fn grow(&mut self, now_us: u64) {
        let is_ramping = phase_at(&self.phases, now_us).is_some_and(|span| is_ramping(span.phase));
        if !is_ramping {
            return;
        }
        for number in 0..self.stretches.len() {
            let direction = self.stretches[number].direction;
            let Some(load) = &mut self.loads[number] else {
                continue;
            };
            if load.is_over {
                continue;
            }
            let to_us = self.bins.counted_until_us(direction, now_us);
            let from_us = to_us.saturating_sub(JUDGEMENT_WINDOW_US);
            let goodput_mbps = self.bins.mean_mbps(direction, from_us, to_us);
            let addition = load.count.handle_goodput(now_us, goodput_mbps);
            self.reached[index(direction)] = load.count.flows();
            self.want_flows(number, addition);
        }
    }

    fn note_flows(&mut self, stretch: usize, at_us: u64) {
        if let Some(load) = &self.loads[stretch] {
            self.flows.push(FlowCountSample {
                at_us,
                direction: self.stretches[stretch].direction,
                flows: load.open,
            });
        }
    }

    fn open_flows(&self) -> u32 {
        let running = self.loads.iter().flatten().filter(|load| !load.is_over);
        running.map(|load| load.open).sum()
    }

    /// A flow has a connection.
    fn note_opened(&mut self, stretch: usize, now_us: u64) {
        if let Some(load) = &mut self.loads[stretch]
            && !load.is_over
        {
            load.open += 1;
            self.note_flows(stretch, now_us);
        }
    }

    /// A flow is gone before its time.
    fn note_lost(&mut self, flow: &Flow, now_us: u64, why: String) {
        if flow.has_ended || self.is_ending {
            return;
        }
        self.lost = Some(why);
        self.note_closed(flow, now_us);
    }

    /// A flow has no connection any more, while others of its stretch go on.
    fn note_closed(&mut self, flow: &Flow, now_us: u64) {
        if let Some(load) = &mut self.loads[flow.stretch]
            && flow.is_open
            && !load.is_over
        {
            load.open = load.open.saturating_sub(1);
            self.note_flows(flow.stretch, now_us);
        }
    }

    /// Whether the line turned out to be full without this flow.
    fn is_surplus(&self, flow: &Flow) -> bool {
        self.loads[flow.stretch]
            .as_ref()
            .is_some_and(|load| flow.ordinal >= load.count.flows())
    }

    /// Counts what a download received since it was last looked at.
    fn count_download(&mut self, context: &Context<'_>, flow: &mut Flow, now_us: u64) {
        if flow.direction == Direction::Down && flow.is_open {
            let received_bytes = context.connection.received_payload_bytes();
            let bytes = received_bytes.saturating_sub(flow.counted_bytes);
            self.bins
                .add(Direction::Down, flow.counted_us, now_us, bytes);
            flow.counted_bytes = received_bytes;
        }
        flow.counted_us = now_us;
    }

    fn handle_count(&mut self, status: &TestStatus, count: &Count, now_us: u64) {
        let counted_us = self.counted_us.unwrap_or(now_us);
        let bytes = status.received_bytes.saturating_sub(self.received_bytes);
        self.bins.add(Direction::Up, counted_us, now_us, bytes);
        self.received_bytes = self.received_bytes.max(status.received_bytes);
        self.counted_us = Some(now_us);
        self.node_open_flows = count.asked_us.map(|asked_us| (asked_us, status.open_flows));
        if let Some((_, since_us)) = self.gone_awaited
            && count.asked_us.is_some_and(|asked_us| asked_us > since_us)
            // The probes are one.
            && status.open_flows <= 1 + self.open_flows()
        {
            self.begin_counting(now_us);
        }
    }

    /// The awaited phase counts from now on, or from its planned start.
    fn begin_counting(&mut self, now_us: u64) {
        if let Some((number, _)) = self.gone_awaited.take() {
            let span = &mut self.phases[number];
            span.start_us = span.start_us.max(now_us.min(latest_start_us(*span)));
        }
    }

    fn open_flow(&mut self, context: &mut Context<'_>, flow: &mut Flow, now_us: u64) {
        flow.counted_us = now_us;
        let (route, method, body) = match flow.direction {
            Direction::Down => (&self.plan.download, Method::Get, RequestBody::Empty),
            Direction::Up => {
                let length = UPLOAD_BYTES;
                (
                    &self.plan.upload,
                    Method::Post,
                    RequestBody::Filler { length },
                )
            }
        };
        if flow.direction == Direction::Up {
            let name = self.plan.congestion_control.as_deref();
            self.has_other_congestion_control |= !set_congestion_control(context, name);
        }
        let head = RequestHead::new(method, route.target.clone(), route.host.clone());
        let asked = context
            .connection
            .request(context.now, head, body, BodySink::Discard);
        if asked.is_err() {
            context.abort();
        } else if flow.direction == Direction::Up {
            flow.is_open = true;
            self.note_opened(flow.stretch, now_us);
        }
    }

    fn ask_count(&self, context: &mut Context<'_>, count: &mut Count, now_us: u64) {
        let Route { target, host, .. } = &self.plan.status;
        let mut head = RequestHead::new(Method::Get, target.clone(), host.clone());
        let bearer = format!("Bearer {}", self.plan.token);
        head.fields.push(("Authorization".into(), bearer.into()));
        let sink = BodySink::Collect {
            limit_bytes: STATUS_BYTES_MAX,
        };
        let asked = context
            .connection
            .request(context.now, head, RequestBody::Empty, sink);
        if asked.is_err() {
            context.abort();
        }
        count.asked_us = Some(now_us);
        count.next_us = now_us + COUNT_LIMIT_US;
    }

    fn tell(&mut self) {
        // A reader that is slow sees the next one: each is complete.
        let _ = self.notices.try_send(LoadNotice {
            bins: self.bins.clone(),
            flows: self.flows.clone(),
            phases: self.phases.clone(),
            node_open_flows: self.node_open_flows,
            lost: self.lost.clone(),
            has_other_congestion_control: self.has_other_congestion_control,
        });
    }

    fn count_again(&mut self, now_us: u64) {
        if !self.is_ending {
            self.wanted.push_back(Stream::Count(Count::new(now_us)));
        }
    }
}

impl Count {
    const fn new(now_us: u64) -> Self {
        Self {
            is_open: false,
            asked_us: None,
            // On a long path the connection alone takes several intervals.
            next_us: now_us + COUNT_LIMIT_US,
        }
    }
}

impl Application for Loads {
    type Session = Stream;

    fn connector(&self, stream: &Stream) -> Option<&Connector> {
        self.route(stream).connector.as_ref()
    }

    fn poll_connect(&mut self) -> Option<Connect<Stream>> {
        if self.is_ending {
            return None;
        }
        let now_us = self.since_start_us(clock::monotonic_now());
        self.advance(now_us);
        let session = self.wanted.pop_front()?;
        let route = self.route(&session);
        Some(Connect {
            peer: route.peer,
            local: route.local,
            session,
        })
    }

    fn handle_connected(&mut self, context: &mut Context<'_>, stream: &mut Stream) {
        let now_us = self.since_start_us(context.now);
        match stream {
            Stream::Flow(flow) => self.open_flow(context, flow, now_us),
            Stream::Count(count) => {
                count.is_open = true;
                self.ask_count(context, count, now_us);
            }
        }
    }

    fn handle_connect_failed(&mut self, now: Instant, stream: Stream, error: &io::Error) {
        let now_us = self.since_start_us(now);
        match stream {
            Stream::Flow(flow) => self.note_lost(&flow, now_us, error.to_string()),
            // The probes notice when the node is gone; until then it is asked on.
            Stream::Count(_) => self.count_again(now_us),
        }
    }

    fn handle_event(
        &mut self,
        context: &mut Context<'_>,
        stream: &mut Stream,
        event: Event,
        payload: &[u8],
    ) {
        let now_us = self.since_start_us(context.now);
        match (stream, event) {
            (Stream::Flow(flow), Event::Response(response)) => {
                if response.status() != 200 {
                    self.lost = Some(format!(
                        "the node answered a flow with {}",
                        response.status()
                    ));
                    context.abort();
                } else if flow.direction == Direction::Down {
                    flow.is_open = true;
                    flow.counted_us = now_us;
                    self.note_opened(flow.stretch, now_us);
                }
            }
            (Stream::Count(count), Event::BodyComplete { .. }) => {
                if let Ok(status) = serde_json::from_slice::<TestStatus>(payload) {
                    self.handle_count(&status, count, now_us);
                }
                count.asked_us = None;
                count.next_us = now_us + COUNT_INTERVAL_US;
            }
            (
                Stream::Flow(_) | Stream::Count(_),
                Event::Request(_)
                | Event::Response(_)
                | Event::BodyComplete { .. }
                | Event::ResponseSent
                | Event::Upgraded
                | Event::Message(_)
                | Event::Pong
                | Event::FillerSent
                | Event::Closed(_),
            ) => {}
        }
    }

    fn poll_timeout(&self, stream: &Stream) -> Option<Instant> {
        match stream {
            Stream::Flow(flow) if flow.has_ended => None,
            Stream::Flow(flow) => {
                let next_bin_us = (flow.counted_us / BIN_US + 1) * BIN_US;
                Some(self.instant(next_bin_us.min(flow.end_us)))
            }
            Stream::Count(count) => Some(self.instant(count.next_us)),
        }
    }

    fn handle_timeout(&mut self, context: &mut Context<'_>, stream: &mut Stream) {
        let now_us = self.since_start_us(context.now);
        match stream {
            Stream::Flow(flow) => {
                self.count_download(context, flow, now_us);
                let is_surplus = self.is_surplus(flow);
                if is_surplus {
                    self.note_closed(flow, now_us);
                }
                if is_surplus || now_us >= flow.end_us {
                    flow.has_ended = true;
                    // What still waits in the send buffer must not go on filling the queue.
                    context.abort();
                }
            }
            Stream::Count(count) if now_us >= count.next_us => {
                count.next_us = now_us + COUNT_LIMIT_US;
                if count.is_open && count.asked_us.is_none() {
                    self.ask_count(context, count, now_us);
                } else {
                    context.abort();
                }
            }
            Stream::Count(_) => {}
        }
    }

    fn handle_sweep(&mut self, context: &mut Context<'_>, stream: &mut Stream, _: Sweep) {
        if let Stream::Flow(flow) = stream {
            let now_us = self.since_start_us(context.now);
            self.count_download(context, flow, now_us);
            flow.has_ended = true;
        }
        context.abort();
    }

    fn handle_closed(&mut self, context: &mut Context<'_>, stream: Stream, reason: CloseReason) {
        let now_us = self.since_start_us(context.now);
        match stream {
            Stream::Flow(mut flow) => {
                self.count_download(context, &mut flow, now_us);
                self.note_lost(&flow, now_us, format!("a flow ended early: {reason}"));
            }
            Stream::Count(_) => self.count_again(now_us),
        }
    }

    fn handle_tick(&mut self, now: Instant, _: &Counters) -> Directive {
        let now_us = self.since_start_us(now);
        // A test that has lost its owner ends, too.
        let is_told = !matches!(
            self.orders.try_recv(),
            Err(crossbeam_channel::TryRecvError::Empty)
        );
        self.is_ending |= is_told;
        if !self.is_ending {
            self.advance(now_us);
            self.grow(now_us);
            if let Some((number, _)) = self.gone_awaited
                && now_us >= latest_start_us(self.phases[number])
            {
                self.begin_counting(now_us);
            }
        }
        self.tell();
        if self.is_ending {
            Directive::Drain
        } else {
            Directive::GoOn
        }
    }
}

const fn index(direction: Direction) -> usize {
    match direction {
        Direction::Down => 0,
        Direction::Up => 1,
    }
}
