//! The loop of one user: asks the node where the session is, opens it, plays it, and opens another when it breaks. Nothing else
//! runs on its thread.

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
use protocol::limits::TRAFFIC_MESSAGE_BYTES_MAX;
use protocol::message::error::ErrorReply;
use protocol::message::profile::{SessionNodeMessage, SessionRedirect};
use protocol::time::Instant;

use super::user::{User, UserNow, UserRun, say_demand};
use crate::address::{Route, Site};
use crate::harmless;
use crate::load::set_congestion_control;

/// One connection may take this long to lead to something.
const OPEN_LIMIT: Duration = Duration::from_secs(3);
/// The first pause between two tries; each is twice the one before, up to the limit.
const PAUSE: Duration = Duration::from_millis(100);
const PAUSE_LIMIT: Duration = Duration::from_millis(1_600);
/// The answer to the question where a session is has a few hundred bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// The WebSocket close code of a node that has no room (registered with IANA).
const TRY_AGAIN_LATER: u16 = 1013;

/// What the loop is told.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum UserOrder {
    /// The traffic's time is known.
    Run(UserRun),
    /// No more traffic; the node's totals are awaited.
    Stop,
    /// End.
    End,
}

/// What the loop tells, ten times a second. Each notice has all that went before.
#[derive(Clone, Debug, Default)]
pub(super) struct UserNotice {
    /// There is a session.
    pub(super) is_connected: bool,
    /// The node has said its totals, or will not any more.
    pub(super) is_finished: bool,
    /// Why the node gave no session when it was asked last.
    pub(super) refusal: Option<String>,
    /// Sessions that broke and were opened again.
    pub(super) reopened: u32,
    /// The session could not be given the congestion control that was asked for.
    pub(super) has_other_congestion_control: bool,
    /// For watching.
    pub(super) now: UserNow,
}

/// What a user's loop is to do.
#[derive(Clone, Debug)]
pub(super) struct UserPlan {
    pub(super) site: Site,
    pub(super) test_id: String,
    /// TCP congestion control of what the user sends; `None` leaves the machine's own.
    pub(super) congestion_control: Option<String>,
}

/// Starts the loop on a thread of its own. The user comes back with what it saw when the loop has ended.
///
/// # Errors
/// When the system gives no thread or no randomness.
pub(super) fn spawn(
    plan: UserPlan,
    user: User,
    orders: Receiver<UserOrder>,
    notices: Sender<UserNotice>,
) -> io::Result<JoinHandle<io::Result<User>>> {
    let mut buffer = vec![0; TRAFFIC_MESSAGE_BYTES_MAX];
    getrandom::fill(&mut buffer)?;
    let question = plan
        .site
        .path(&format!("/ws/virtual-household/{}", user.profile.user_id));
    let application = UserLoop {
        notice: UserNotice::default(),
        wanted: Some((clock::monotonic_now(), Goal::Question)),
        pause: PAUSE,
        has_had_session: false,
        new_demand: None,
        is_stop_ordered: false,
        is_ending: false,
        session: question.clone(),
        question,
        plan,
        user,
        buffer,
        orders,
        notices,
    };
    std::thread::Builder::new()
        .name("user".to_owned())
        .spawn(move || {
            let mut event_loop = EventLoop::new(application, Vec::new(), None)?;
            event_loop.run()?;
            Ok(event_loop.into_application().user)
        })
}

#[derive(Debug)]
struct UserLoop {
    plan: UserPlan,
    user: User,
    /// The way to main, which says where the session is, or serves it.
    question: Route,
    /// The way to the session, as main said last.
    session: Route,
    /// When the next connection is to be opened, and what for.
    wanted: Option<(Instant, Goal)>,
    pause: Duration,
    has_had_session: bool,
    /// The newest demand that the node has not been told yet.
    new_demand: Option<f64>,
    is_stop_ordered: bool,
    is_ending: bool,
    notice: UserNotice,
    buffer: Vec<u8>,
    orders: Receiver<UserOrder>,
    notices: Sender<UserNotice>,
}

/// What a connection is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Goal {
    /// Where is the session?
    Question,
    /// The session itself.
    Session,
}

/// A connection; there is one at a time.
#[derive(Debug)]
struct Visit {
    goal: Goal,
    give_up_at: Instant,
    /// The question is answered; the session stands.
    is_done: bool,
}

impl UserLoop {
    const fn route(&self, goal: Goal) -> &Route {
        match goal {
            Goal::Question => &self.question,
            Goal::Session => &self.session,
        }
    }

    fn session_route(&self, answer: &[u8]) -> Option<Route> {
        let redirect: SessionRedirect = serde_json::from_slice(answer).ok()?;
        let url = &redirect.websocket_url;
        self.plan.site.route_in_test(url, &self.plan.test_id).ok()
    }

    /// A connection is over, or did not come about, before it led to what it was for, or in the middle of the session.
    fn handle_end(&mut self, now: Instant, visit: &Visit) {
        self.notice.is_connected = false;
        if self.is_ending || !self.user.needs_session(now) {
            self.user.stop_without_session();
            return;
        }
        let was_elsewhere = self.session.peer != self.question.peer;
        let goal = if visit.goal == Goal::Session && !visit.is_done && was_elsewhere {
            // The user's own port may be out of reach where main's is not: main serves the same sessions.
            self.session = self.question.with_query("test_id", &self.plan.test_id);
            Goal::Session
        } else {
            Goal::Question
        };
        self.wanted = Some((now + self.pause, goal));
        self.pause = (self.pause * 2).min(PAUSE_LIMIT);
    }

    /// The first message of a session.
    fn handle_welcome(&mut self, context: &mut Context<'_>) {
        self.pause = PAUSE;
        self.notice.is_connected = true;
        self.notice.refusal = None;
        if std::mem::replace(&mut self.has_had_session, true) {
            self.notice.reopened += 1;
            self.user.handle_reopened(context.now);
        } else {
            self.user.warm(context);
        }
    }

    /// The answer to the question where the session is.
    fn handle_answer(&mut self, now: Instant, visit: &mut Visit, answer: &[u8]) {
        if let Some(route) = self.session_route(answer) {
            visit.is_done = true;
            self.session = route;
            self.wanted = Some((now, Goal::Session));
        } else if let Ok(ErrorReply { error }) = harmless::document(answer) {
            self.notice.refusal = Some(error.message);
        }
    }

    fn ask(&self, context: &mut Context<'_>) {
        let Route { target, host, .. } = &self.question;
        let head = RequestHead::new(Method::Get, target.clone(), host.clone());
        let sink = BodySink::Collect {
            limit_bytes: ANSWER_BYTES_MAX,
        };
        let asked = context
            .connection
            .request(context.now, head, RequestBody::Empty, sink);
        if asked.is_err() {
            context.abort();
        }
    }

    fn open_session(&mut self, context: &mut Context<'_>) {
        // Where the kernel can't stamp, the loop's own time serves.
        let _ = context.stamp_arrivals();
        let name = self.plan.congestion_control.as_deref();
        self.notice.has_other_congestion_control |= !set_congestion_control(context, name);
        let Route { target, host, .. } = &self.session;
        let asked = context.open_websocket(target, host, BinarySink::Deliver);
        if asked.is_err() {
            context.abort();
        }
    }

    fn tell(&mut self, now: Instant) {
        self.notice.is_finished = self.user.is_finished;
        self.notice.now = self.user.now(now);
        // A reader that is slow sees the next one.
        let _ = self.notices.try_send(self.notice.clone());
    }

    /// Takes an order; whether the session is to be looked at for it.
    fn take_order(&mut self) -> bool {
        match self.orders.try_recv() {
            Ok(UserOrder::Run(run)) => {
                self.user.set_run(run);
                true
            }
            Ok(UserOrder::Stop) => {
                if !self.notice.is_connected {
                    self.user.stop_without_session();
                }
                self.is_stop_ordered = true;
                true
            }
            // A test that has lost its owner ends, too.
            Ok(UserOrder::End) | Err(TryRecvError::Disconnected) => {
                self.is_ending = true;
                false
            }
            Err(TryRecvError::Empty) => false,
        }
    }
}

impl Application for UserLoop {
    type Session = Visit;

    fn connector(&self, visit: &Visit) -> Option<&Connector> {
        self.route(visit.goal).connector.as_ref()
    }

    fn poll_connect(&mut self) -> Option<Connect<Visit>> {
        let now = clock::monotonic_now();
        let is_due = self.wanted.as_ref().is_some_and(|(at, _)| *at <= now);
        if self.is_ending || !is_due {
            return None;
        }
        let (_, goal) = self.wanted.take()?;
        let route = self.route(goal);
        Some(Connect {
            peer: route.peer,
            local: route.local,
            session: Visit {
                goal,
                give_up_at: now + OPEN_LIMIT,
                is_done: false,
            },
        })
    }

    fn handle_connected(&mut self, context: &mut Context<'_>, visit: &mut Visit) {
        match visit.goal {
            Goal::Question => self.ask(context),
            Goal::Session => self.open_session(context),
        }
    }

    fn handle_connect_failed(&mut self, now: Instant, visit: Visit, _: &io::Error) {
        self.handle_end(now, &visit);
    }

    fn handle_event(
        &mut self,
        context: &mut Context<'_>,
        visit: &mut Visit,
        event: Event,
        payload: &[u8],
    ) {
        match event {
            Event::Message(MessageKind::Binary) => self.user.handle_binary(context, payload),
            Event::Message(MessageKind::Text) => {
                let Ok(said) = serde_json::from_slice::<SessionNodeMessage>(payload) else {
                    return;
                };
                if matches!(said, SessionNodeMessage::Welcome { .. }) && !visit.is_done {
                    visit.is_done = true;
                    self.handle_welcome(context);
                }
                self.user.handle_said(context.now, &said);
            }
            // The answer to the question, or that of a node that refuses the session.
            Event::BodyComplete { .. } => {
                self.handle_answer(context.now, visit, payload);
                context.abort();
            }
            Event::Response(_)
            | Event::Request(_)
            | Event::ResponseSent
            | Event::Upgraded
            | Event::Pong
            | Event::FillerSent
            | Event::Closed(_) => {}
        }
    }

    fn poll_timeout(&self, visit: &Visit) -> Option<Instant> {
        match (visit.goal, visit.is_done) {
            (Goal::Session, true) => self.user.next_due(),
            (Goal::Question, true) => None,
            (_, false) => Some(visit.give_up_at),
        }
    }

    fn handle_timeout(&mut self, context: &mut Context<'_>, visit: &mut Visit) {
        if visit.is_done {
            self.user.handle_timeout(context, &mut self.buffer);
        } else if context.now >= visit.give_up_at {
            context.abort();
        }
    }

    fn handle_sweep(&mut self, context: &mut Context<'_>, visit: &mut Visit, sweep: Sweep) {
        match sweep {
            Sweep::Drain => context.abort(),
            Sweep::Asked if visit.goal == Goal::Session && visit.is_done => {
                if self.is_stop_ordered {
                    self.user.stop(context);
                } else if let Some(mbps) = self.new_demand.take() {
                    say_demand(context, mbps);
                }
            }
            // A new order: the drive that follows looks at the timer again.
            Sweep::Asked => {}
        }
    }

    fn handle_closed(&mut self, context: &mut Context<'_>, visit: Visit, reason: CloseReason) {
        // After the answer to a question the session goes on elsewhere.
        if visit.is_done && visit.goal == Goal::Question {
            return;
        }
        let full = CloseReason::PeerClosed {
            code: Some(TRY_AGAIN_LATER),
        };
        if reason == full {
            self.notice.refusal = Some("it has no room for another session now".to_owned());
        }
        self.handle_end(context.now, &visit);
    }

    fn handle_tick(&mut self, now: Instant, _: &Counters) -> Directive {
        let mut is_news = self.take_order();
        if !self.notice.is_connected {
            self.user.handle_absence(now);
            if !self.user.needs_session(now) {
                self.wanted = None;
                self.user.stop_without_session();
            }
        }
        if let Some(mbps) = self.user.poll_demand(now) {
            self.new_demand = Some(mbps);
            is_news = true;
        }
        self.tell(now);
        match (self.is_ending, is_news) {
            (true, _) => Directive::Drain,
            (false, true) => Directive::Sweep,
            (false, false) => Directive::GoOn,
        }
    }
}
