//! Many users on one loop: where each one's session is, its handshake, and the next one when it ends early.

use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;
use std::sync::mpsc::Sender;
use std::time::Duration;

use engine::runtime::application::{Application, Connect, Context, Counters, Directive, Sweep};
use engine::runtime::sys::clock;
use protocol::connection::{BinarySink, CloseReason, Event, MessageKind};
use protocol::limits::TRAFFIC_MESSAGE_BYTES_MAX;
use protocol::message::profile::{SessionRedirect, TRAFFIC_HEADER_BYTES};
use protocol::time::Instant;

use super::attempt::{Ended, close_word};
use super::player::Player;
use super::{Plan, client};

/// Nobody looks at the rest of a message, and to copy it would cost more than all else that is done with it.
const HEADS: BinarySink = BinarySink::Head {
    bytes: TRAFFIC_HEADER_BYTES,
};
/// How long a user waits before it asks again after a session ended early, or was refused.
const RETRY_PAUSE: Duration = Duration::from_millis(100);
/// A question or a handshake that is not answered by then is asked again.
const OPEN_LIMIT: Duration = Duration::from_secs(3);
/// Lags that one loop notes: at 10 000 turns a second those of the longest run.
const LAGS_MAX: usize = 4 << 20;
/// After the end, how long the last words may take.
const GRACE: Duration = Duration::from_secs(5);

/// The application of a loop of users.
#[derive(Debug)]
pub(crate) struct Players {
    plan: Plan,
    players: Vec<Player>,
    wanted: VecDeque<Wanted>,
    buffer: Vec<u8>,
    lags: Vec<Lag>,
    records: Sender<Records>,
    is_finished: bool,
}

/// What a loop of users has to tell at its end.
#[derive(Debug)]
pub(crate) struct Records {
    pub(crate) players: Vec<Player>,
    pub(crate) lags: Vec<Lag>,
}

/// How late a loop itself was: with a timer, or by the length of a turn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lag {
    pub(crate) at: Instant,
    pub(crate) lag_us: u32,
}

#[derive(Clone, Copy, Debug)]
struct Wanted {
    at: Instant,
    player: usize,
    /// `None`: ask main where.
    session: Option<SocketAddr>,
}

/// A connection of a user.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Visit {
    player: usize,
    purpose: Purpose,
    give_up_at: Instant,
    is_open: bool,
}

#[derive(Clone, Copy, Debug)]
enum Purpose {
    Ask,
    Play { peer: SocketAddr },
}

impl Players {
    pub(crate) fn new(
        plan: Plan,
        players: Vec<Player>,
        records: Sender<Records>,
    ) -> io::Result<Self> {
        let mut buffer = vec![0; TRAFFIC_MESSAGE_BYTES_MAX];
        getrandom::fill(&mut buffer)?;
        let now = clock::monotonic_now();
        let wanted = (0..players.len()).map(|player| Wanted {
            at: now,
            player,
            session: None,
        });
        Ok(Self {
            wanted: wanted.collect(),
            plan,
            players,
            buffer,
            lags: Vec::with_capacity(LAGS_MAX),
            records,
            is_finished: false,
        })
    }

    /// The session is over, or did not come about: another one, or this was the last.
    fn handle_end(&mut self, now: Instant, player: usize, ended: Ended) {
        let user = &mut self.players[player];
        let stop_at = user.stop_at;
        if let Some(attempt) = user.attempt() {
            attempt.end(now, ended);
        }
        if self.plan.reconnects && now < stop_at {
            self.wanted.push_back(Wanted {
                at: now + RETRY_PAUSE,
                player,
                session: None,
            });
        } else {
            user.is_done = true;
        }
    }

    fn handle_answer(&mut self, context: &mut Context<'_>, visit: &mut Visit, body: &[u8]) {
        let user = &mut self.players[visit.player];
        let redirect = serde_json::from_slice::<SessionRedirect>(body);
        if let (Ok(redirect), Some(attempt)) = (redirect, user.attempt()) {
            attempt.port = redirect.port;
            attempt.is_isolated = redirect.process_isolation;
            self.wanted.push_front(Wanted {
                at: context.now,
                player: visit.player,
                session: Some(SocketAddr::new(context.peer.ip(), redirect.port)),
            });
        } else {
            self.handle_end(
                context.now,
                visit.player,
                Ended::Refused("main gave no address"),
            );
        }
        visit.is_open = true;
        context.abort();
    }
}

impl Application for Players {
    type Session = Visit;

    fn poll_connect(&mut self) -> Option<Connect<Visit>> {
        let next = self.wanted.front()?;
        let now = clock::monotonic_now();
        if next.at > now {
            return None;
        }
        let wanted = self.wanted.pop_front()?;
        let (peer, purpose) = match wanted.session {
            None => {
                self.players[wanted.player].begin(now);
                (self.plan.main, Purpose::Ask)
            }
            Some(peer) => (peer, Purpose::Play { peer }),
        };
        Some(Connect {
            peer,
            local: None,
            session: Visit {
                player: wanted.player,
                purpose,
                give_up_at: now + OPEN_LIMIT,
                is_open: false,
            },
        })
    }

    fn handle_connected(&mut self, context: &mut Context<'_>, visit: &mut Visit) {
        let user_id = &self.players[visit.player].profile.user_id;
        let target = format!("/ws/virtual-household/{user_id}");
        let asked = match visit.purpose {
            Purpose::Ask => client::ask(context, &target, self.plan.main),
            Purpose::Play { peer } => client::open_websocket(context, &target, peer, HEADS),
        };
        if asked.is_err() {
            context.abort();
        }
    }

    fn handle_connect_failed(&mut self, now: Instant, visit: Visit, error: &io::Error) {
        let word = match error.kind() {
            io::ErrorKind::ConnectionRefused => "connection refused",
            _ => "no connection",
        };
        self.handle_end(now, visit.player, Ended::Refused(word));
    }

    fn handle_event(
        &mut self,
        context: &mut Context<'_>,
        visit: &mut Visit,
        event: Event,
        payload: &[u8],
    ) {
        let user = &mut self.players[visit.player];
        match event {
            Event::Message(MessageKind::Binary) => user.handle_binary(context, payload),
            Event::Message(MessageKind::Text) => {
                user.handle_text(context, payload);
                visit.is_open = true;
            }
            Event::BodyComplete { .. } => match visit.purpose {
                Purpose::Ask => self.handle_answer(context, visit, payload),
                Purpose::Play { .. } => context.abort(),
            },
            Event::Request(_)
            | Event::Response(_)
            | Event::ResponseSent
            | Event::Upgraded
            | Event::Pong
            | Event::FillerSent
            | Event::Closed(_) => {}
        }
    }

    fn poll_timeout(&self, visit: &Visit) -> Option<Instant> {
        if visit.is_open {
            self.players[visit.player].next_due()
        } else {
            Some(visit.give_up_at)
        }
    }

    fn handle_timeout(&mut self, context: &mut Context<'_>, visit: &mut Visit) {
        if visit.is_open {
            self.players[visit.player].handle_timeout(context, &mut self.buffer);
        } else if context.now >= visit.give_up_at {
            context.abort();
        }
    }

    fn handle_sweep(&mut self, context: &mut Context<'_>, _: &mut Visit, _: Sweep) {
        context.abort();
    }

    fn handle_closed(&mut self, context: &mut Context<'_>, visit: Visit, reason: CloseReason) {
        let ended = match (visit.purpose, visit.is_open) {
            // The answer was taken, and the session goes on elsewhere.
            (Purpose::Ask, true) => return,
            (Purpose::Ask, false) => Ended::Refused("main did not answer"),
            (Purpose::Play { .. }, false) => Ended::Refused("no welcome"),
            (Purpose::Play { .. }, true) => Ended::Connection(close_word(reason)),
        };
        self.handle_end(context.now, visit.player, ended);
    }

    fn handle_tick(&mut self, now: Instant, _: &Counters) -> Directive {
        let is_over = self.players.iter().all(|player| player.is_done);
        if !self.is_finished && (is_over || now > self.plan.end + GRACE) {
            self.is_finished = true;
            let records = Records {
                players: std::mem::take(&mut self.players),
                lags: std::mem::take(&mut self.lags),
            };
            // Whoever waits for them may have given up.
            let _ = self.records.send(records);
        }
        if self.is_finished {
            Directive::Drain
        } else {
            Directive::GoOn
        }
    }

    fn observe_lag(&mut self, now: Instant, lag: Duration) {
        let is_due = now >= self.plan.start && now < self.plan.end;
        if is_due && self.lags.len() < LAGS_MAX {
            self.lags.push(Lag {
                at: now,
                lag_us: u32::try_from(lag.as_micros()).unwrap_or(u32::MAX),
            });
        }
    }
}
