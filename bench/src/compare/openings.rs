//! Connections opened as fast as a server takes them, each with one small request, and connections that then stay idle.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use engine::runtime::application::{Application, Connect, Context, Counters, Directive, Sweep};
use engine::runtime::sys::clock;
use engine::runtime::tls::Connector;
use protocol::connection::{BodySink, CloseReason, Event, RequestBody};
use protocol::http1::{Method, RequestHead};
use protocol::time::Instant;

use super::results::{Idle, Tail};
use super::server::Server;
use crate::load;
use crate::process_tree::ProcessTree;

/// Connections that are being opened at once: fewer than any backlog holds.
const AT_ONCE: usize = 64;
const TELL_LIMIT: Duration = Duration::from_secs(5);
/// Within it all idle connections stand.
const OPEN_LIMIT: Duration = Duration::from_secs(20);
/// Servers give buffers back within it.
const SETTLE: Duration = Duration::from_secs(3);

/// What becomes of a connection after its answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Afterwards {
    /// It is reset, and another one follows.
    Next,
    /// It stays.
    Stay { connections: usize },
}

/// The application.
#[derive(Debug)]
struct Openings {
    peer: SocketAddr,
    target: &'static str,
    connector: Option<Connector>,
    afterwards: Afterwards,
    opening: usize,
    standing: Arc<AtomicUsize>,
    first_bytes_us: Vec<f64>,
    broken: usize,
    stop: Arc<AtomicBool>,
    told: Sender<(Vec<f64>, usize)>,
}

/// A connection.
#[derive(Debug)]
struct Visit {
    began: Instant,
    is_answered: bool,
}

/// Opens connections for `window`: how many a second, what each cost the server in µs, and the times to the first byte, µs.
///
/// # Errors
/// When one breaks.
pub(crate) fn rate(server: &Server, window: Duration) -> Result<(f64, f64, Vec<f64>)> {
    let mut tree = ProcessTree::new(server.pid()?);
    let stop = Arc::new(AtomicBool::new(false));
    let (told, heard) = channel();
    let standing = Arc::default();
    let application = Openings::new(server, None, Afterwards::Next, &stop, told, &standing);
    let before_s = tree.exact_cpu_s();
    let begun = clock::monotonic_now();
    let thread = load::spawn("openings", application)?;
    sleep(window);
    stop.store(true, Ordering::Relaxed);
    let heard = heard.recv_timeout(TELL_LIMIT);
    let elapsed_s = (clock::monotonic_now() - begun).as_secs_f64();
    let cpu_us = (tree.exact_cpu_s() - before_s) * 1e6;
    // It has said why on standard error.
    let _ = thread.join();
    let (first_bytes_us, broken) = heard.context("the loop of connections told nothing")?;
    ensure!(broken == 0, "{broken} connections broke");
    let count = first_bytes_us.len() as f64;
    ensure!(count > 0.0, "no connection was answered");
    Ok((count / elapsed_s, cpu_us / count, first_bytes_us))
}

/// Holds so many connections that have had one answer each, in TLS where there is a connector, and measures what they take.
///
/// # Errors
/// When they don't all come about.
pub(crate) fn idle(
    server: &Server,
    connector: Option<Connector>,
    connections: usize,
) -> Result<Idle> {
    let tree = ProcessTree::new(server.pid()?);
    let stop = Arc::new(AtomicBool::new(false));
    let (told, heard) = channel();
    let standing = Arc::default();
    let pss_kib_before = tree.pss_kib();
    let kernel_before_kib = kernel_kib();
    let stay = Afterwards::Stay { connections };
    let application = Openings::new(server, connector, stay, &stop, told, &standing);
    let thread = load::spawn("idle", application)?;
    let deadline = clock::monotonic_now() + OPEN_LIMIT;
    while standing.load(Ordering::Relaxed) < connections && clock::monotonic_now() < deadline {
        sleep(Duration::from_millis(50));
    }
    sleep(SETTLE);
    let stood = standing.load(Ordering::Relaxed);
    let pss_kib_with = tree.pss_kib();
    let kernel_kib_each = (kernel_kib() - kernel_before_kib) / connections as f64;
    stop.store(true, Ordering::Relaxed);
    let heard = heard.recv_timeout(TELL_LIMIT);
    // It has said why on standard error.
    let _ = thread.join();
    let (_, broken) = heard.context("the loop of connections told nothing")?;
    ensure!(
        stood == connections && broken == 0,
        "{stood} of {connections} connections stood, {broken} broke"
    );
    Ok(Idle {
        connections,
        pss_kib_before,
        pss_kib_with,
        kernel_kib_each,
    })
}

/// Memory of the kernel's own objects, sockets among them.
fn kernel_kib() -> f64 {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let slab = text.lines().find(|line| line.starts_with("Slab:"));
    slab.and_then(|line| line.split_whitespace().nth(1)?.parse().ok())
        .unwrap_or(0.0)
}

/// Of one server's times.
pub(crate) fn tail(first_bytes_us: Vec<f64>) -> Result<Tail> {
    Tail::of(first_bytes_us).context("no connection was answered")
}

impl Openings {
    fn new(
        server: &Server,
        connector: Option<Connector>,
        afterwards: Afterwards,
        stop: &Arc<AtomicBool>,
        told: Sender<(Vec<f64>, usize)>,
        standing: &Arc<AtomicUsize>,
    ) -> Self {
        let (peer, target) = server.small_get(connector.is_some());
        Self {
            peer,
            target,
            connector,
            afterwards,
            opening: 0,
            standing: Arc::clone(standing),
            first_bytes_us: Vec::with_capacity(256 * 1024),
            broken: 0,
            stop: Arc::clone(stop),
            told,
        }
    }

    fn wants_another(&self) -> bool {
        let has_room = match self.afterwards {
            Afterwards::Next => true,
            Afterwards::Stay { connections } => {
                self.opening + self.standing.load(Ordering::Relaxed) < connections
            }
        };
        has_room && self.opening < AT_ONCE && !self.stop.load(Ordering::Relaxed)
    }
}

impl Application for Openings {
    type Session = Visit;

    fn poll_connect(&mut self) -> Option<Connect<Visit>> {
        if !self.wants_another() {
            return None;
        }
        self.opening += 1;
        Some(Connect {
            peer: self.peer,
            local: None,
            session: Visit {
                began: clock::monotonic_now(),
                is_answered: false,
            },
        })
    }

    fn connector(&self, _: &Visit) -> Option<&Connector> {
        self.connector.as_ref()
    }

    fn handle_connected(&mut self, context: &mut Context<'_>, _: &mut Visit) {
        let head = RequestHead::new(Method::Get, self.target, self.peer.to_string());
        let connection = &mut context.connection;
        let asked = connection.request(context.now, head, RequestBody::Empty, BodySink::Discard);
        if asked.is_err() {
            context.abort();
        }
    }

    fn handle_connect_failed(&mut self, _: Instant, _: Visit, _: &io::Error) {
        self.opening -= 1;
        self.broken += 1;
    }

    fn handle_event(
        &mut self,
        context: &mut Context<'_>,
        visit: &mut Visit,
        event: Event,
        _: &[u8],
    ) {
        match event {
            Event::Response(_) => {
                let elapsed = clock::monotonic_now() - visit.began;
                self.first_bytes_us.push(elapsed.as_secs_f64() * 1e6);
            }
            Event::BodyComplete { .. } => {
                visit.is_answered = true;
                self.opening -= 1;
                match self.afterwards {
                    Afterwards::Next => context.abort(),
                    Afterwards::Stay { .. } => {
                        self.standing.fetch_add(1, Ordering::Relaxed);
                    }
                }
            }
            Event::Request(_)
            | Event::ResponseSent
            | Event::Upgraded
            | Event::Message(_)
            | Event::Pong
            | Event::FillerSent
            | Event::Closed(_) => {}
        }
    }

    fn poll_timeout(&self, _: &Visit) -> Option<Instant> {
        None
    }

    fn handle_timeout(&mut self, _: &mut Context<'_>, _: &mut Visit) {}

    fn handle_sweep(&mut self, context: &mut Context<'_>, _: &mut Visit, _: Sweep) {
        context.abort();
    }

    fn handle_closed(&mut self, _: &mut Context<'_>, visit: Visit, _: CloseReason) {
        if self.stop.load(Ordering::Relaxed) {
            return;
        }
        let stays = matches!(self.afterwards, Afterwards::Stay { .. });
        if !visit.is_answered {
            self.opening -= 1;
            self.broken += 1;
        } else if stays {
            self.standing.fetch_sub(1, Ordering::Relaxed);
            self.broken += 1;
        }
    }

    fn handle_tick(&mut self, _: Instant, _: &Counters) -> Directive {
        if !self.stop.load(Ordering::Relaxed) {
            return Directive::GoOn;
        }
        // Asked once more after the drain began, when there is nothing left to tell.
        let _ = self
            .told
            .send((std::mem::take(&mut self.first_bytes_us), self.broken));
        Directive::Drain
    }
}
