//! A household on a line in virtual time: the catalogue's users, paced as the node and the page pace them.
//!
//! Alex, Sarah and Jake send their schedules' messages in packets of a segment's size; Computer is a loss-based flow each
//! way, as an update is when the demand exceeds the line. A packet that the queue drops is sent again, and its message has
//! arrived when all of its packets have.

use std::collections::BTreeMap;
use std::time::Duration;

use super::flow::{
    ACK_BYTES, Ack, Receiver, SEGMENT_BYTES, SEGMENT_PAYLOAD_BYTES, Segment, Sender,
};
use super::link::{Link, LinkConfig};
use super::queue::Packet;
use crate::measure::phases::household;
use crate::measure::receiver::{LateRule, SessionReceiver};
use crate::message::household::{
    DemandMode, HouseholdSamples, MessageSample, SegmentSample, UserSamples,
};
use crate::message::profile::{
    ExperienceModel, FLAG_SEGMENT_END, HouseholdPhase, HouseholdSpan, TrafficHeader,
};
use crate::message::samples::{
    DeviceSamples, Direction, GoodputSample, ProbeSample, ProbeTransport, TestSamples,
};
use crate::message::test::{ClientDescription, Mode};
use crate::pacing::FlowPacer;
use crate::profile::{Profile, catalogue};
use crate::time::Instant;

/// Computer's transfers begin so long after the others, out of step with Sarah's key frames: every one of them fills a short
/// queue at once, and timeouts of whole seconds would meet them for ever.
const TRANSFER_DELAY: Duration = Duration::from_millis(317);
const PROBE_INTERVAL: Duration = Duration::from_millis(50);
const COUNT_INTERVAL: Duration = Duration::from_millis(100);
/// A lost packet of a flow that goes on sending is found missing by those after it, within a few of their intervals (RACK,
/// RFC 8985); none of these flows pauses for longer.
const RETRANSMIT: Duration = Duration::from_millis(50);
const PROBE_WIRE_BYTES: u32 = 90;
/// WebSocket, TCP and IP headers of a message.
const HEADER_BYTES: u32 = 56;
/// The node's clock is an hour ahead.
const NODE_AHEAD_US: u64 = 3_600_000_000;

/// Runs the household's standard timeline over a line; `demand_mbps` is what Computer asks for down and up.
#[must_use]
pub fn run(down: LinkConfig, up: LinkConfig, demand_mbps: (f64, f64)) -> TestSamples {
    let mut home = Home::new(down, up);
    let end = home.traffic.end_us + 3_000_000;
    while let Some(now) = home.next_event().filter(|now| now.as_micros() < end) {
        home.turn(now);
    }
    home.finish(demand_mbps)
}

#[derive(Clone, Copy, Debug)]
enum Payload {
    Probe {
        sequence: usize,
    },
    Packet {
        user: usize,
        header: TrafficHeader,
        bytes: u32,
    },
    Segment {
        segment: Segment,
    },
    Ack {
        ack: Ack,
    },
}

impl Payload {
    /// Probes have a connection, each user has one, and the transfer has one.
    const fn flow(self) -> u64 {
        match self {
            Self::Probe { .. } => 0,
            Self::Segment { .. } | Self::Ack { .. } => 1,
            Self::Packet { user, .. } => 2 + user as u64,
        }
    }
}

/// One user's session: pacers for both ways, and what the receivers made of it.
struct Session {
    profile: Profile,
    pacers: Vec<(Direction, FlowPacer, u32)>,
    received_bytes: [u64; 2],
    goodput: Vec<GoodputSample>,
    messages: Vec<MessageSample>,
    segments: Vec<SegmentSample>,
    segment_first_us: Option<u64>,
    segment_bytes: u64,
    up: SessionReceiver,
}

struct Home {
    phases: Vec<HouseholdSpan>,
    traffic: HouseholdSpan,
    links: [Link<Payload>; 2],
    later: Vec<(Instant, Direction, Payload)>,
    sessions: Vec<Session>,
    /// Computer's transfers, down and up.
    transfers: BTreeMap<usize, (Sender, Receiver)>,
    /// Of each message on its way (user, direction, flow, sequence): its size, and the bytes that have not arrived.
    missing_bytes: BTreeMap<(usize, usize, u8, u32), (u32, u32)>,
    probes: Vec<ProbeSample>,
    next_probe: Instant,
    next_count: Instant,
}

impl Home {
    fn new(down: LinkConfig, up: LinkConfig) -> Self {
        let phases = household(DemandMode::Standard);
        let traffic = *phases
            .iter()
            .find(|span| span.phase == HouseholdPhase::Traffic)
            .unwrap_or(&phases[0]);
        let start = Instant::from_micros(traffic.start_us);
        let transfer_start = start + TRANSFER_DELAY;
        let sessions = catalogue()
            .into_iter()
            .map(|profile| Session {
                pacers: profile
                    .flows
                    .iter()
                    .filter(|_| profile.model != ExperienceModel::Bulk)
                    .map(|flow| (flow.direction, FlowPacer::new(start, flow), 0))
                    .collect(),
                received_bytes: [0; 2],
                goodput: Vec::new(),
                messages: Vec::new(),
                segments: Vec::new(),
                segment_first_us: None,
                segment_bytes: 0,
                up: SessionReceiver::new(traffic.start_us, LateRule::of(profile.model)),
                profile,
            })
            .collect();
        Self {
            phases,
            traffic,
            links: [Link::new(down), Link::new(up)],
            later: Vec::new(),
            sessions,
            transfers: [Direction::Down, Direction::Up]
                .map(|direction| {
                    (
                        direction as usize,
                        (Sender::new(transfer_start), Receiver::default()),
                    )
                })
                .into(),
            missing_bytes: BTreeMap::new(),
            probes: Vec::new(),
            next_probe: Instant::ORIGIN,
            next_count: Instant::ORIGIN + COUNT_INTERVAL,
        }
    }

    fn is_traffic(&self, now: Instant) -> bool {
        (self.traffic.start_us..self.traffic.end_us).contains(&now.as_micros())
    }

    fn next_event(&self) -> Option<Instant> {
        let links = self.links.iter().filter_map(Link::poll_timeout);
        let later = self.later.iter().map(|(at, ..)| *at);
        let pacers = self
            .sessions
            .iter()
            .flat_map(|session| {
                session
                    .pacers
                    .iter()
                    .map(|(_, pacer, _)| pacer.next_deadline())
            })
            .filter(|at| at.as_micros() < self.traffic.end_us);
        links
            .chain(later)
            .chain(pacers)
            .chain([self.next_probe, self.next_count])
            .min()
    }

    fn turn(&mut self, now: Instant) {
        if now >= self.next_probe {
            self.next_probe = self.next_probe + PROBE_INTERVAL;
            self.send_probe(now);
        }
        if now >= self.next_count {
            self.next_count = self.next_count + COUNT_INTERVAL;
            self.count(now);
        }
        let due: Vec<_> = self.later.extract_if(.., |(at, ..)| *at <= now).collect();
        for (_, direction, payload) in due {
            self.send(now, direction, payload);
        }
        for direction in [Direction::Down, Direction::Up] {
            while let Some(payload) = self.links[direction as usize].poll(now) {
                self.arrive(now, direction, payload);
            }
            while let Some(loss) = self.links[direction as usize].poll_loss() {
                self.repeat_later(now, direction, loss.into_payload());
            }
        }
        if self.is_traffic(now) {
            self.release(now);
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

    fn count(&mut self, now: Instant) {
        for session in &mut self.sessions {
            for direction in [Direction::Down, Direction::Up] {
                session.goodput.push(GoodputSample {
                    at_us: now.as_micros(),
                    direction,
                    bytes: std::mem::take(&mut session.received_bytes[direction as usize]),
                });
            }
        }
    }

    /// Everything that may leave now.
    fn release(&mut self, now: Instant) {
        let mut out = Vec::new();
        for (user, session) in self.sessions.iter_mut().enumerate() {
            for (flow, (direction, pacer, sequence)) in session.pacers.iter_mut().enumerate() {
                while let Some(release) = pacer.poll_release(now) {
                    let ahead_us = match direction {
                        Direction::Down => NODE_AHEAD_US,
                        Direction::Up => 0,
                    };
                    let header = TrafficHeader {
                        flow: u8::try_from(flow).unwrap_or(u8::MAX),
                        flags: release.flags,
                        sequence: *sequence,
                        send_us: now.as_micros() + ahead_us,
                    };
                    *sequence += 1;
                    let missing = (user, *direction as usize, header.flow, header.sequence);
                    self.missing_bytes
                        .insert(missing, (release.bytes, release.bytes));
                    let mut left_bytes = release.bytes;
                    while left_bytes > 0 {
                        let bytes = left_bytes.min(SEGMENT_PAYLOAD_BYTES);
                        left_bytes -= bytes;
                        let packet = Payload::Packet {
                            user,
                            header,
                            bytes,
                        };
                        out.push((*direction, packet));
                    }
                }
            }
        }
        let transfers_begin = Instant::from_micros(self.traffic.start_us) + TRANSFER_DELAY;
        for direction in [Direction::Down, Direction::Up] {
            if now < transfers_begin {
                break;
            }
            if let Some((sender, _)) = self.transfers.get_mut(&(direction as usize)) {
                sender.handle_timeout(now);
                let segments = std::iter::from_fn(|| sender.poll_segment());
                out.extend(segments.map(|segment| (direction, Payload::Segment { segment })));
            }
        }
        for (direction, payload) in out {
            self.send(now, direction, payload);
        }
    }

    fn send(&mut self, now: Instant, direction: Direction, payload: Payload) {
        let bytes = match payload {
            Payload::Probe { .. } => PROBE_WIRE_BYTES,
            Payload::Packet { bytes, .. } => bytes + HEADER_BYTES,
            Payload::Segment { .. } => SEGMENT_BYTES,
            Payload::Ack { .. } => ACK_BYTES,
        };
        let packet = Packet {
            bytes,
            flow: payload.flow(),
            payload,
        };
        if self.links[direction as usize].send(now, packet).is_err() {
            self.repeat_later(now, direction, payload);
        }
    }

    /// A lost probe or packet is sent again; a transfer finds its losses itself.
    fn repeat_later(&mut self, now: Instant, direction: Direction, payload: Payload) {
        if let Payload::Probe { .. } | Payload::Packet { .. } = payload {
            self.later.push((now + RETRANSMIT, direction, payload));
        }
    }

    fn arrive(&mut self, now: Instant, direction: Direction, payload: Payload) {
        let now_us = now.as_micros();
        match (payload, direction) {
            (Payload::Probe { sequence }, Direction::Up) => {
                self.probes[sequence].node_receive_us = Some(now_us + NODE_AHEAD_US);
                self.probes[sequence].node_send_us = Some(now_us + NODE_AHEAD_US);
                self.send(now, Direction::Down, payload);
            }
            (Payload::Probe { sequence }, Direction::Down) => {
                self.probes[sequence].received_us = Some(now_us);
            }
            (
                Payload::Packet {
                    user,
                    header,
                    bytes,
                },
                _,
            ) => self.arrive_packet(now_us, direction, user, header, bytes),
            (Payload::Segment { segment }, _) => {
                if let Some(computer) = self.computer() {
                    computer.received_bytes[direction as usize] += u64::from(SEGMENT_PAYLOAD_BYTES);
                }
                let transfer = self.transfers.get_mut(&(direction as usize));
                if let Some(ack) = transfer.and_then(|(_, end)| end.handle_segment(segment)) {
                    let back = match direction {
                        Direction::Down => Direction::Up,
                        Direction::Up => Direction::Down,
                    };
                    self.send(now, back, Payload::Ack { ack });
                }
            }
            (Payload::Ack { ack }, _) => {
                // It went the other way than the segments.
                let transfer = self.transfers.get_mut(&(1 - direction as usize));
                if let Some((sender, _)) = transfer {
                    sender.handle_ack(now, ack);
                }
            }
        }
    }

    fn arrive_packet(
        &mut self,
        now_us: u64,
        direction: Direction,
        user: usize,
        header: TrafficHeader,
        bytes: u32,
    ) {
        let key = (user, direction as usize, header.flow, header.sequence);
        let Some((whole_bytes, missing_bytes)) = self.missing_bytes.get_mut(&key) else {
            return;
        };
        *missing_bytes -= bytes;
        if *missing_bytes == 0 {
            let whole_bytes = *whole_bytes;
            self.missing_bytes.remove(&key);
            self.sessions[user].arrive(now_us, direction, header, whole_bytes);
        }
    }

    fn computer(&mut self) -> Option<&mut Session> {
        self.sessions
            .iter_mut()
            .find(|session| session.profile.model == ExperienceModel::Bulk)
    }

    fn finish(self, (down_mbps, up_mbps): (f64, f64)) -> TestSamples {
        let traffic = self.traffic;
        let users = self
            .sessions
            .into_iter()
            .map(|session| session.finish(traffic, (down_mbps, up_mbps)))
            .collect();
        TestSamples {
            mode: Mode::Household,
            client: ClientDescription {
                name: "simulated".into(),
                version: String::new(),
            },
            started_at: "2026-01-01T00:00:00Z".into(),
            phases: Vec::new(),
            probes: self.probes,
            listened_until_us: None,
            probe_transport: ProbeTransport::PingRole,
            node_rtt: Vec::new(),
            goodput: Vec::new(),
            flows: Vec::new(),
            device: DeviceSamples::default(),
            household: Some(HouseholdSamples {
                demand: DemandMode::Standard,
                phases: self.phases,
                capacity_down_mbps: None,
                capacity_up_mbps: None,
                users,
            }),
        }
    }
}

impl Session {
    fn arrive(&mut self, now_us: u64, direction: Direction, header: TrafficHeader, bytes: u32) {
        self.received_bytes[direction as usize] += u64::from(bytes);
        if direction == Direction::Up {
            self.up.handle(now_us, header, bytes);
            return;
        }
        match self.profile.model {
            ExperienceModel::Gaming | ExperienceModel::Call => self.messages.push(MessageSample {
                flow: header.flow,
                sequence: header.sequence,
                send_us: header.send_us,
                received_us: now_us,
            }),
            ExperienceModel::Streaming => {
                self.segment_bytes += u64::from(bytes);
                let first_us = *self.segment_first_us.get_or_insert(now_us);
                if header.flags & FLAG_SEGMENT_END != 0 {
                    self.segment_first_us = None;
                    self.segments.push(SegmentSample {
                        first_us,
                        complete_us: now_us,
                        bytes: std::mem::take(&mut self.segment_bytes),
                    });
                }
            }
            ExperienceModel::Bulk => {}
        }
    }

    fn finish(self, traffic: HouseholdSpan, computer_mbps: (f64, f64)) -> UserSamples {
        let mbps = |direction| self.profile.mean_rate_bps(direction) as f64 / 1e6;
        let is_bulk = self.profile.model == ExperienceModel::Bulk;
        let is_stream = self.profile.model == ExperienceModel::Streaming;
        let (demand_down_mbps, demand_up_mbps) = if is_bulk {
            computer_mbps
        } else {
            (mbps(Direction::Down), mbps(Direction::Up))
        };
        UserSamples {
            user_id: self.profile.user_id,
            name: self.profile.name,
            model: self.profile.model,
            started_us: traffic.start_us,
            demand_down_mbps,
            demand_up_mbps,
            probes: Vec::new(),
            goodput: self.goodput,
            messages: self.messages,
            segments: self.segments,
            segment_media_ms: is_stream.then_some(5_000),
            up: (!is_bulk).then(|| self.up.totals(traffic.end_us)),
        }
    }
}
