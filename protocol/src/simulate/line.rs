//! A subscriber's line, both directions, with a test run over it in virtual time.
//!
//! A client sends probes every 50 ms, loads the line with flows as the phases say, and collects what a client would
//! report. Beside it the line itself is watched: the delay that its queues really had is the truth to compare with.

use std::collections::BTreeMap;
use std::time::Duration;

use super::flow::{
    ACK_BYTES, Ack, Receiver, SEGMENT_BYTES, SEGMENT_PAYLOAD_BYTES, Segment, Sender,
};
use super::link::{Link, LinkConfig};
use super::queue::Packet;
use super::random::Random;
use crate::measure::phases::{LOSS_DEADLINE_US, load};
use crate::message::samples::{
    DeviceSamples, Direction, GoodputSample, NodeRttSample, ProbeSample, ProbeTransport,
    TestSamples,
};
use crate::message::test::{ClientDescription, Mode, Phase, PhaseSpan};
use crate::time::Instant;

const PROBE_INTERVAL_US: u64 = 50_000;
const NODE_PING_INTERVAL_US: u64 = 250_000;
const GOODPUT_INTERVAL_US: u64 = 100_000;
const TRUTH_INTERVAL_US: u64 = 5_000;
/// A probe, an echo, a ping or a pong with WebSocket, TCP and IP headers.
const PROBE_WIRE_BYTES: u32 = 90;
/// Time the node takes to answer.
const NODE_TIME: Duration = Duration::from_micros(40);
/// A dropped probe is sent again by its TCP connection after this: the least retransmission timeout of Linux.
const PROBE_RETRANSMIT: Duration = Duration::from_millis(200);

/// What the line, the load and the clocks are like.
#[derive(Clone, Debug)]
pub struct LineConfig {
    /// Node to client.
    pub down: LinkConfig,
    /// Client to node.
    pub up: LinkConfig,
    /// Load flows in each direction.
    pub flows: usize,
    /// How much faster the node's clock runs than the client's, parts per million.
    pub drift_ppm: i32,
    /// For start times of flows and the like.
    pub seed: u64,
}

/// What came of a run.
#[derive(Clone, Debug)]
pub struct Run {
    /// What a client would send to be computed on.
    pub samples: TestSamples,
    /// Mean delay of the two queues in each phase, down and up, ms.
    pub truth_ms: BTreeMap<Phase, (f64, f64)>,
}

/// Runs a test with these phases over a line.
#[must_use]
pub fn run(config: &LineConfig, phases: &[PhaseSpan]) -> Run {
    let mut line = Line::new(config, phases);
    let end_us = phases.last().map_or(0, |span| span.end_us) + LOSS_DEADLINE_US;
    while let Some(now) = line.next_event().filter(|now| now.as_micros() < end_us) {
        line.turn(now);
    }
    line.finish()
}

#[derive(Clone, Copy, Debug)]
enum Payload {
    Segment { flow: usize, segment: Segment },
    Ack { flow: usize, ack: Ack },
    Probe { sequence: usize },
    Ping { sent_us: u64 },
}

impl Payload {
    /// Probes and pings share a connection, and each load flow has one.
    const fn flow(self) -> u64 {
        match self {
            Self::Segment { flow, .. } | Self::Ack { flow, .. } => 1 + flow as u64,
            Self::Probe { .. } | Self::Ping { .. } => 0,
        }
    }
}

struct LoadFlow {
    direction: Direction,
    opens_at: Instant,
    sender: Sender,
    receiver: Receiver,
    is_open: bool,
}

struct Line<'a> {
    config: &'a LineConfig,
    phases: &'a [PhaseSpan],
    down: Link<Payload>,
    up: Link<Payload>,
    /// Packets that enter a link later: a direction and its time.
    later: Vec<(Instant, Direction, Payload)>,
    flows: Vec<LoadFlow>,
    random: Random,
    phase: Option<Phase>,
    next_probe_us: u64,
    next_ping_us: u64,
    next_count_us: u64,
    next_truth_us: u64,
    received_bytes: [u64; 2],
    pings_us: Vec<u32>,
    probes: Vec<ProbeSample>,
    goodput: Vec<GoodputSample>,
    node_rtt: Vec<NodeRttSample>,
    truth: BTreeMap<Phase, (f64, f64, u32)>,
}

impl<'a> Line<'a> {
    fn new(config: &'a LineConfig, phases: &'a [PhaseSpan]) -> Self {
        let mut random = Random::new(config.seed);
        Self {
            config,
            phases,
            down: Link::new(config.down.clone()),
            up: Link::new(config.up.clone()),
            later: Vec::new(),
            flows: Vec::new(),
            phase: None,
            next_probe_us: random.below(PROBE_INTERVAL_US),
            next_ping_us: random.below(NODE_PING_INTERVAL_US),
            next_count_us: GOODPUT_INTERVAL_US,
            next_truth_us: 0,
            random,
            received_bytes: [0; 2],
            pings_us: Vec::new(),
            probes: Vec::new(),
            goodput: Vec::new(),
            node_rtt: Vec::new(),
            truth: BTreeMap::new(),
        }
    }

    fn next_event(&self) -> Option<Instant> {
        let ticks = [
            self.next_probe_us,
            self.next_ping_us,
            self.next_count_us,
            self.next_truth_us,
        ];
        let ticks = ticks.into_iter().map(Instant::from_micros);
        let links = [self.down.poll_timeout(), self.up.poll_timeout()];
        let later = self.later.iter().map(|(at, ..)| *at);
        ticks.chain(links.into_iter().flatten()).chain(later).min()
    }

    fn turn(&mut self, now: Instant) {
        self.follow_phases(now);
        self.tick(now);
        let due: Vec<_> = self.later.extract_if(.., |(at, ..)| *at <= now).collect();
        for (_, direction, payload) in due {
            self.send(now, direction, payload);
        }
        while let Some(payload) = self.down.poll(now) {
            self.arrive_at_client(now, payload);
        }
        while let Some(payload) = self.up.poll(now) {
            self.arrive_at_node(now, payload);
        }
        while let Some(loss) = self.down.poll_loss() {
            self.repeat_later(now, Direction::Down, loss.into_payload());
        }
        while let Some(loss) = self.up.poll_loss() {
            self.repeat_later(now, Direction::Up, loss.into_payload());
        }
        for flow in 0..self.flows.len() {
            self.drive_flow(now, flow);
        }
    }

    /// Opens the flows of a phase that begins, and closes those of one that ends.
    fn follow_phases(&mut self, now: Instant) {
        let now_us = now.as_micros();
        let phase = self
            .phases
            .iter()
            .find(|span| (span.start_us..span.end_us).contains(&now_us))
            .map(|span| span.phase);
        if phase == self.phase {
            return;
        }
        self.phase = phase;
        for direction in [Direction::Down, Direction::Up] {
            let wanted = phase.is_some_and(|phase| load(phase).includes(direction));
            let mut open = self
                .flows
                .iter_mut()
                .filter(|flow| flow.is_open && flow.direction == direction)
                .peekable();
            if !wanted {
                open.for_each(|flow| flow.is_open = false);
            } else if open.peek().is_none() {
                self.open_flows(now, direction);
            }
        }
    }

    fn open_flows(&mut self, now: Instant, direction: Direction) {
        for number in 0..self.config.flows {
            let wait_us = number as u64 * 50_000 + self.random.below(50_000);
            let opens_at = now + Duration::from_micros(wait_us);
            self.flows.push(LoadFlow {
                direction,
                opens_at,
                sender: Sender::new(opens_at),
                receiver: Receiver::default(),
                is_open: true,
            });
        }
    }

    fn tick(&mut self, now: Instant) {
        let now_us = now.as_micros();
        if now_us >= self.next_probe_us {
            self.next_probe_us += PROBE_INTERVAL_US;
            self.send_probe(now);
        }
        if now_us >= self.next_ping_us {
            self.next_ping_us += NODE_PING_INTERVAL_US;
            self.send(now, Direction::Down, Payload::Ping { sent_us: now_us });
        }
        if now_us >= self.next_count_us {
            self.next_count_us += GOODPUT_INTERVAL_US;
            self.count(now_us);
        }
        if now_us >= self.next_truth_us {
            self.next_truth_us += TRUTH_INTERVAL_US;
            if let Some(phase) = self.phase {
                let ms = |delay: Duration| delay.as_secs_f64() * 1e3;
                let truth = self.truth.entry(phase).or_default();
                truth.0 += ms(self.down.queueing_delay(now));
                truth.1 += ms(self.up.queueing_delay(now));
                truth.2 += 1;
            }
        }
    }

    fn send_probe(&mut self, now: Instant) {
        let sequence = self.probes.len();
        self.probes.push(ProbeSample {
            sequence: u32::try_from(sequence).unwrap_or(u32::MAX),
            sent_us: now.as_micros(),
            received_us: None,
            node_receive_us: None,
            node_send_us: None,
        });
        self.send(now, Direction::Up, Payload::Probe { sequence });
    }

    fn count(&mut self, now_us: u64) {
        for direction in [Direction::Down, Direction::Up] {
            let bytes = std::mem::take(&mut self.received_bytes[direction as usize]);
            self.goodput.push(GoodputSample {
                at_us: now_us,
                direction,
                bytes,
            });
        }
        if now_us.is_multiple_of(1_000_000) {
            self.node_rtt.push(NodeRttSample {
                at_us: now_us,
                ping_rtt_us: std::mem::take(&mut self.pings_us),
                kernel_rtt_us: None,
                kernel_min_rtt_us: None,
            });
        }
    }

    fn send(&mut self, now: Instant, direction: Direction, payload: Payload) {
        let bytes = match payload {
            Payload::Segment { .. } => SEGMENT_BYTES,
            Payload::Ack { .. } => ACK_BYTES,
            Payload::Probe { .. } | Payload::Ping { .. } => PROBE_WIRE_BYTES,
        };
        let link = match direction {
            Direction::Down => &mut self.down,
            Direction::Up => &mut self.up,
        };
        let packet = Packet {
            bytes,
            flow: payload.flow(),
            payload,
        };
        if link.send(now, packet).is_err() {
            self.repeat_later(now, direction, payload);
        }
    }

    /// A lost probe or ping is sent again; a flow finds its losses itself.
    fn repeat_later(&mut self, now: Instant, direction: Direction, payload: Payload) {
        if let Payload::Probe { .. } | Payload::Ping { .. } = payload {
            self.later
                .push((now + PROBE_RETRANSMIT, direction, payload));
        }
    }

    fn arrive_at_client(&mut self, now: Instant, payload: Payload) {
        match payload {
            Payload::Probe { sequence } => {
                self.probes[sequence].received_us = Some(now.as_micros());
            }
            Payload::Ping { .. } => self.send(now, Direction::Up, payload),
            Payload::Segment { .. } | Payload::Ack { .. } => {
                self.arrive_at_flow(now, Direction::Down, payload);
            }
        }
    }

    fn arrive_at_node(&mut self, now: Instant, payload: Payload) {
        match payload {
            Payload::Probe { sequence } => {
                let reply_at = now + NODE_TIME;
                self.probes[sequence].node_receive_us = Some(self.node_clock_us(now));
                self.probes[sequence].node_send_us = Some(self.node_clock_us(reply_at));
                self.later.push((reply_at, Direction::Down, payload));
            }
            Payload::Ping { sent_us } => {
                let rtt_us = now.as_micros() - sent_us;
                self.pings_us
                    .push(u32::try_from(rtt_us).unwrap_or(u32::MAX));
            }
            Payload::Segment { .. } | Payload::Ack { .. } => {
                self.arrive_at_flow(now, Direction::Up, payload);
            }
        }
    }

    /// A segment or an acknowledgement that travelled in `direction`.
    fn arrive_at_flow(&mut self, now: Instant, direction: Direction, payload: Payload) {
        match payload {
            Payload::Segment { flow, segment } => {
                let load = &mut self.flows[flow];
                if load.is_open {
                    self.received_bytes[direction as usize] += u64::from(SEGMENT_PAYLOAD_BYTES);
                }
                if let Some(ack) = load.receiver.handle_segment(segment) {
                    self.send(now, opposite(direction), Payload::Ack { flow, ack });
                }
            }
            Payload::Ack { flow, ack } => self.flows[flow].sender.handle_ack(now, ack),
            Payload::Probe { .. } | Payload::Ping { .. } => {}
        }
    }

    fn drive_flow(&mut self, now: Instant, flow: usize) {
        if !self.flows[flow].is_open || now < self.flows[flow].opens_at {
            return;
        }
        self.flows[flow].sender.handle_timeout(now);
        while let Some(segment) = self.flows[flow].sender.poll_segment() {
            let direction = self.flows[flow].direction;
            self.send(now, direction, Payload::Segment { flow, segment });
        }
    }

    /// The node's clock: an hour ahead, and drifting.
    fn node_clock_us(&self, now: Instant) -> u64 {
        let now_us = now.as_micros();
        let drift_us = now_us as f64 * f64::from(self.config.drift_ppm) / 1e6;
        (now_us + 3_600_000_000).saturating_add_signed(drift_us as i64)
    }

    fn finish(self) -> Run {
        let truth_ms = self
            .truth
            .into_iter()
            .map(|(phase, (down, up, count))| {
                (phase, (down / f64::from(count), up / f64::from(count)))
            })
            .collect();
        let samples = TestSamples {
            mode: Mode::Single,
            client: ClientDescription {
                name: "simulated".into(),
                version: String::new(),
            },
            started_at: "2026-01-01T00:00:00Z".into(),
            phases: self.phases.to_vec(),
            probes: self.probes,
            listened_until_us: None,
            probe_transport: ProbeTransport::PingRole,
            node_rtt: self.node_rtt,
            goodput: self.goodput,
            flows: Vec::new(),
            device: DeviceSamples::default(),
            household: None,
        };
        Run { samples, truth_ms }
    }
}

const fn opposite(direction: Direction) -> Direction {
    match direction {
        Direction::Down => Direction::Up,
        Direction::Up => Direction::Down,
    }
}
