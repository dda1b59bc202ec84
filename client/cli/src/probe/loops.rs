//! The loop of the probes: finds a way to the node that probes can take, keeps to the schedule on it, and tells ten times a
//! second what it saw. Nothing else runs on its thread.

use std::io;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, TryRecvError};
use engine::runtime::application::{Application, Connect, Context, Counters, Directive, Sweep};
use engine::runtime::event_loop::EventLoop;
use engine::runtime::sys::clock;
use engine::runtime::tls::Connector;
use protocol::connection::{BinarySink, BodySink, CloseReason, Event, MessageKind, RequestBody};
use protocol::http1::{Method, RequestHead};
use protocol::message::probe::{Echo, Probe};
use protocol::message::samples::{NodeRttSample, ProbeTransport};
use protocol::message::socket::NodeMessage;
use protocol::message::test::TestAdmission;
use protocol::time::Instant;

use super::schedule::ProbeSchedule;
use crate::address::{Route, Site};
use crate::fault::Fault;

/// A probe unanswered for this long after the last phase is lost.
pub const LATE_ANSWER_LIMIT: Duration = Duration::from_secs(3);
/// How long one way of probing may take to connect before the next is tried.
const CONNECT_LIMIT: Duration = Duration::from_secs(3);
/// How long a lost connection is tried again before the test is given up.
const RECONNECT_LIMIT: Duration = Duration::from_secs(4);
/// Pause between two tries.
const RECONNECT_PAUSE: Duration = Duration::from_millis(200);
/// A `GET /ping` unanswered for this long is given up; the next one needs its connection.
const HTTP_PROBE_LIMIT: Duration = Duration::from_secs(3);
/// Probes sent before the test to warm the path; their sequence tells them from real ones.
const WARM_SEQUENCE: u32 = u32::MAX;
const WARM_PROBES: u32 = 5;
const WARM_PAUSE: Duration = Duration::from_millis(10);
/// `pong` is four bytes.
const PONG_BYTES_MAX: usize = 1024;

/// The ways that probes may take, the best first.
#[derive(Clone, Debug)]
pub struct ProbeRoutes {
    /// `/ws/ping` on the ping role.
    pub ping_role: Route,
    /// `/ws/ping` on the main role.
    pub main_role: Route,
    /// `GET /ping`.
    pub http: Route,
}

impl ProbeRoutes {
    /// Of an admitted test.
    ///
    /// # Errors
    /// The node names URLs that can't be used.
    pub fn of_test(site: &Site, admission: &TestAdmission) -> Result<Self, Fault> {
        let endpoints = &admission.endpoints;
        Ok(Self {
            ping_role: site.route_in_test(&endpoints.ping_ws, &admission.test_id)?,
            main_role: site.route_in_test(&endpoints.ping_ws_fallback, &admission.test_id)?,
            http: site.route(&endpoints.ping_http)?,
        })
    }
}

/// What the loop is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeOrder {
    /// Start sending at the start of the test.
    Run {
        /// When the test starts.
        start: Instant,
        /// From one probe to the next, µs.
        interval_us: u64,
        /// No probe is sent from here on, µs since the start.
        end_us: u64,
    },
    /// Send no more, but still listen.
    Hush,
    /// End.
    End,
}

/// What the loop tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProbeNotice {
    /// Probes have a way.
    Connected(ProbeTransport),
    /// They have none.
    Unreachable,
    /// What was seen since the last batch.
    Batch(ProbeBatch),
    /// The connection broke, and no other came about.
    Lost {
        /// When it broke, µs since the start of the test: what was measured before is sound.
        at_us: u64,
    },
}

/// See [`ProbeNotice::Batch`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProbeBatch {
    /// In the order of sending.
    pub sent: Vec<SentProbe>,
    /// In the order of arrival.
    pub answered: Vec<AnsweredProbe>,
    /// What the node says of its own view.
    pub node_rtt: Vec<NodeRttSample>,
}

/// A probe that left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SentProbe {
    /// Counted from 0.
    pub sequence: u32,
    /// When, µs since the start.
    pub sent_us: u64,
    /// How late our own timer was, µs.
    pub late_us: u32,
}

/// An echo that came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AnsweredProbe {
    /// Of which probe.
    pub sequence: u32,
    /// When the kernel received it, µs since the start.
    pub received_us: u64,
    /// The node's time of the probe's arrival, µs; `None` by HTTP.
    pub node_receive_us: Option<u64>,
    /// The node's time of the echo's departure, µs; `None` by HTTP.
    pub node_send_us: Option<u64>,
}

/// Starts the loop on a thread of its own. It runs until it is told to end.
///
/// # Errors
/// When the system gives no thread.
pub(super) fn spawn(
    routes: ProbeRoutes,
    orders: Receiver<ProbeOrder>,
    notices: Sender<ProbeNotice>,
) -> io::Result<JoinHandle<io::Result<()>>> {
    std::thread::Builder::new()
        .name("probes".to_owned())
        .spawn(move || {
            let application = Probes {
                routes,
                orders,
                notices,
                way: ProbeTransport::PingRole,
                wanted_at: Some(clock::monotonic_now()),
                is_connected: false,
                run: None,
                lost_at: None,
                is_ending: false,
                batch: ProbeBatch::default(),
            };
            EventLoop::new(application, Vec::new(), None)?.run()
        })
}

#[derive(Debug)]
struct Probes {
    routes: ProbeRoutes,
    orders: Receiver<ProbeOrder>,
    notices: Sender<ProbeNotice>,
    way: ProbeTransport,
    /// When the next connection is to be opened.
    wanted_at: Option<Instant>,
    /// A way was found, and told.
    is_connected: bool,
    run: Option<Run>,
    /// Since when there is no connection.
    lost_at: Option<Instant>,
    is_ending: bool,
    batch: ProbeBatch,
}

/// A schedule under way.
#[derive(Debug)]
struct Run {
    start: Instant,
    schedule: ProbeSchedule,
}

/// The connection.
#[derive(Debug)]
struct Line {
    way: ProbeTransport,
    give_up_at: Instant,
    is_open: bool,
    warm_left: u32,
    warm_at: Instant,
    /// By HTTP: the probe that is out, and until when it is waited for.
    out: Option<(u32, Instant)>,
}

impl Run {
    fn since_us(&self, at: Instant) -> u64 {
        u64::try_from((at - self.start).as_micros()).unwrap_or(u64::MAX)
    }

    fn next_due(&self) -> Option<Instant> {
        let due_us = self.schedule.poll_timeout()?;
        Some(self.start + Duration::from_micros(due_us))
    }
}

impl Probes {
    fn route(&self, way: ProbeTransport) -> &Route {
        match way {
            ProbeTransport::PingRole => &self.routes.ping_role,
            ProbeTransport::MainRole => &self.routes.main_role,
            ProbeTransport::Http => &self.routes.http,
        }
    }

    /// The connection is over, or did not come about.
    fn handle_end(&mut self, now: Instant) {
        if self.is_ending {
            return;
        }
        if !self.is_connected {
            let next = match self.way {
                ProbeTransport::PingRole => Some(ProbeTransport::MainRole),
                ProbeTransport::MainRole => Some(ProbeTransport::Http),
                ProbeTransport::Http => None,
            };
            match next {
                Some(way) => {
                    self.way = way;
                    self.wanted_at = Some(now);
                }
                None => self.tell(ProbeNotice::Unreachable),
            }
            return;
        }
        // The same way as before: changing it in the middle of a test would compare two different paths.
        let lost_at = *self.lost_at.get_or_insert(now);
        if now - lost_at < RECONNECT_LIMIT {
            self.wanted_at = Some(now + RECONNECT_PAUSE);
        } else {
            let at_us = self.run.as_ref().map_or(0, |run| run.since_us(lost_at));
            self.tell(ProbeNotice::Lost { at_us });
        }
    }

    fn tell(&self, notice: ProbeNotice) {
        // Whoever waits for it may have given up.
        let _ = self.notices.try_send(notice);
    }

    fn tell_connected(&mut self) {
        self.lost_at = None;
        if !std::mem::replace(&mut self.is_connected, true) {
            self.tell(ProbeNotice::Connected(self.way));
        }
    }

    fn ask_by_http(&self, context: &mut Context<'_>) {
        let Route { target, host, .. } = &self.routes.http;
        let head = RequestHead::new(Method::Get, target.clone(), host.clone());
        let sink = BodySink::Collect {
            limit_bytes: PONG_BYTES_MAX,
        };
        let asked = context
            .connection
            .request(context.now, head, RequestBody::Empty, sink);
        if asked.is_err() {
            context.abort();
        }
    }

    fn open_websocket(&self, context: &mut Context<'_>, route: &Route) {
        // Where the kernel can't stamp, the loop's own time serves.
        let _ = context.stamp_arrivals();
        let Route { target, host, .. } = route;
        let asked = context.open_websocket(target, host, BinarySink::Deliver);
        if asked.is_err() {
            context.abort();
        }
    }

    /// Sends the probe that is due, if one is.
    fn send_due(&mut self, context: &mut Context<'_>, line: &mut Line) {
        let Some(run) = &mut self.run else {
            return;
        };
        let now = clock::monotonic_now();
        if now < run.start {
            return;
        }
        let sent_us = run.since_us(now);
        let Some(probe) = run.schedule.poll_probe(sent_us) else {
            return;
        };
        if line.way == ProbeTransport::Http {
            if line.out.is_some() {
                // One at a time: its slot passes, and a probe that was never sent is not lost.
                return;
            }
            line.out = Some((probe.sequence, now + HTTP_PROBE_LIMIT));
        }
        self.batch.sent.push(SentProbe {
            sequence: probe.sequence,
            sent_us,
            late_us: u32::try_from(probe.late_us).unwrap_or(u32::MAX),
        });
        if line.way == ProbeTransport::Http {
            self.ask_by_http(context);
        } else {
            let bytes = Probe {
                sequence: probe.sequence,
                client_send_us: sent_us,
            }
            .to_bytes();
            // Without room it is one that no echo answers.
            let _ = context.connection.send_binary(context.now, &bytes);
        }
    }

    /// Without a connection the probes that are due count as sent and lost: to the subscriber they are.
    fn note_unsendable(&mut self, now: Instant) {
        let Some(run) = &mut self.run else {
            return;
        };
        if now < run.start {
            return;
        }
        let now_us = run.since_us(now);
        while let Some((probe, due_us)) = run.schedule.poll_missed(now_us) {
            self.batch.sent.push(SentProbe {
                sequence: probe.sequence,
                sent_us: due_us,
                late_us: 0,
            });
        }
    }

    fn handle_echo(&mut self, context: &Context<'_>, payload: &[u8]) {
        let (Some(echo), Some(run)) = (Echo::parse(payload), &self.run) else {
            return;
        };
        if echo.sequence == WARM_SEQUENCE {
            return;
        }
        let arrived_us = run.since_us(context.received_at.unwrap_or(context.now));
        self.batch.answered.push(AnsweredProbe {
            sequence: echo.sequence,
            // The wall clock in which the kernel stamps may be stepped between the two.
            received_us: arrived_us.max(echo.client_send_us),
            node_receive_us: Some(echo.node_receive_us),
            node_send_us: Some(echo.node_send_us),
        });
    }

    fn handle_text(&mut self, context: &Context<'_>, payload: &[u8]) {
        let Some(run) = &self.run else {
            return;
        };
        if let Ok(NodeMessage::NodeRtt {
            ping_rtt_us,
            kernel_rtt_us,
            kernel_min_rtt_us,
        }) = serde_json::from_slice(payload)
        {
            self.batch.node_rtt.push(NodeRttSample {
                at_us: run.since_us(context.now),
                ping_rtt_us,
                kernel_rtt_us,
                kernel_min_rtt_us,
            });
        }
    }

    fn handle_pong(&mut self, context: &Context<'_>, line: &mut Line) {
        let Some((sequence, _)) = line.out.take() else {
            self.tell_connected();
            line.is_open = true;
            return;
        };
        if let Some(run) = &self.run {
            self.batch.answered.push(AnsweredProbe {
                sequence,
                received_us: run.since_us(context.received_at.unwrap_or(context.now)),
                node_receive_us: None,
                node_send_us: None,
            });
        }
    }
}

impl Application for Probes {
    type Session = Line;

    fn connector(&self, line: &Line) -> Option<&Connector> {
        self.route(line.way).connector.as_ref()
    }

    fn poll_connect(&mut self) -> Option<Connect<Line>> {
        let now = clock::monotonic_now();
        if self.is_ending || self.wanted_at.is_none_or(|at| at > now) {
            return None;
        }
        self.wanted_at = None;
        let route = self.route(self.way);
        let deadline = match self.lost_at {
            Some(lost_at) => lost_at + RECONNECT_LIMIT,
            None => now + CONNECT_LIMIT,
        };
        Some(Connect {
            peer: route.peer,
            local: route.local,
            session: Line {
                way: self.way,
                give_up_at: deadline.max(now + RECONNECT_PAUSE),
                is_open: false,
                warm_left: 0,
                warm_at: now,
                out: None,
            },
        })
    }

    fn handle_connected(&mut self, context: &mut Context<'_>, line: &mut Line) {
        match line.way {
            ProbeTransport::PingRole | ProbeTransport::MainRole => {
                self.open_websocket(context, self.route(line.way));
            }
            ProbeTransport::Http => {
                let _ = context.stamp_arrivals();
                self.ask_by_http(context);
            }
        }
    }

    fn handle_connect_failed(&mut self, now: Instant, _: Line, _: &io::Error) {
        self.handle_end(now);
    }

    fn handle_event(
        &mut self,
        context: &mut Context<'_>,
        line: &mut Line,
        event: Event,
        payload: &[u8],
    ) {
        match event {
            Event::Upgraded => {
                line.is_open = true;
                if self.is_connected {
                    self.tell_connected();
                } else {
                    line.warm_left = WARM_PROBES;
                    line.warm_at = context.now;
                }
            }
            Event::Message(MessageKind::Binary) => self.handle_echo(context, payload),
            Event::Message(MessageKind::Text) => self.handle_text(context, payload),
            Event::BodyComplete { .. } if line.way == ProbeTransport::Http => {
                self.handle_pong(context, line);
            }
            // A node, or something before it, that refuses the WebSocket.
            Event::BodyComplete { .. } => context.abort(),
            Event::Response(response) if response.status() >= 400 => context.abort(),
            Event::Response(_)
            | Event::Request(_)
            | Event::ResponseSent
            | Event::Pong
            | Event::FillerSent
            | Event::Closed(_) => {}
        }
    }

    fn poll_timeout(&self, line: &Line) -> Option<Instant> {
        if self.is_ending {
            return None;
        }
        if !line.is_open {
            return Some(line.give_up_at);
        }
        if line.warm_left > 0 {
            return Some(line.warm_at);
        }
        let due = self.run.as_ref().and_then(Run::next_due);
        let out = line.out.map(|(_, give_up_at)| give_up_at);
        match (due, out) {
            (Some(due), Some(out)) => Some(due.min(out)),
            (due, out) => due.or(out),
        }
    }

    fn handle_timeout(&mut self, context: &mut Context<'_>, line: &mut Line) {
        if !line.is_open {
            if context.now >= line.give_up_at {
                context.abort();
            }
        } else if line.warm_left > 0 {
            let bytes = Probe {
                sequence: WARM_SEQUENCE,
                client_send_us: 0,
            }
            .to_bytes();
            let _ = context.connection.send_binary(context.now, &bytes);
            line.warm_left -= 1;
            line.warm_at = context.now + WARM_PAUSE;
            if line.warm_left == 0 {
                self.tell_connected();
            }
        } else if line
            .out
            .is_some_and(|(_, give_up_at)| context.now >= give_up_at)
        {
            context.abort();
        } else {
            self.send_due(context, line);
        }
    }

    fn handle_sweep(&mut self, context: &mut Context<'_>, _: &mut Line, sweep: Sweep) {
        match sweep {
            // A new order: the drive that follows looks at the timer again.
            Sweep::Asked => {}
            Sweep::Drain => context.abort(),
        }
    }

    fn handle_closed(&mut self, context: &mut Context<'_>, _: Line, _: CloseReason) {
        self.handle_end(context.now);
    }

    fn handle_tick(&mut self, now: Instant, _: &Counters) -> Directive {
        let mut directive = Directive::GoOn;
        match self.orders.try_recv() {
            Ok(ProbeOrder::Run {
                start,
                interval_us,
                end_us,
            }) => {
                self.run = Some(Run {
                    start,
                    schedule: ProbeSchedule::new(interval_us, end_us),
                });
                directive = Directive::Sweep;
            }
            Ok(ProbeOrder::Hush) => {
                if let Some(run) = &mut self.run {
                    run.schedule.end();
                }
            }
            // A test that has lost its owner ends, too.
            Ok(ProbeOrder::End) | Err(TryRecvError::Disconnected) => self.is_ending = true,
            Err(TryRecvError::Empty) => {}
        }
        if self.lost_at.is_some() {
            self.note_unsendable(now);
        }
        if self.run.is_some() {
            let batch = std::mem::take(&mut self.batch);
            if let Err(error) = self.notices.try_send(ProbeNotice::Batch(batch))
                && let ProbeNotice::Batch(batch) = error.into_inner()
            {
                // A reader that is slow gets it with the next one.
                self.batch = batch;
            }
        }
        if self.is_ending {
            Directive::Drain
        } else {
            directive
        }
    }
}
