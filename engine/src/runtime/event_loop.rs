//! The event loop: one thread, one poll, one wheel, one slab of drivers. Its phases follow each other, each bounded:
//! poll → mark ready → drive → expire timers → accept → connect → tick.

use std::collections::VecDeque;
use std::io;
use std::net::TcpListener as StdListener;
use std::os::fd::AsRawFd;
use std::sync::Arc;
use std::time::Duration;

use mio::event::Event as Readiness;
use mio::net::TcpListener;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use protocol::connection::CloseReason;
use protocol::limits::TLS_HANDSHAKES_PER_TURN;
use protocol::time::Instant;
use slab::Slab;

use super::application::{Application, Connect, Counters, Directive, Sweep, TICK};
use super::driver::{Driver, DriverKey, Established, Outcome, Workspace};
use super::frames::FrameBlock;
use super::payload::Payload;
use super::sys::clock;
use super::sys::timer::TimerFd;
use super::timer_wheel::TimerWheel;
use super::tls::RecordBuffers;
use super::transport::Transport;

/// Connections accepted in one turn, so that a storm of them delays no probe.
const ACCEPTS_PER_TURN: usize = 32;
/// Readiness events taken from one poll.
const EVENTS_PER_POLL: usize = 1024;
/// One read's buffer, shared by all drivers of the loop.
const READ_BUFFER_BYTES: usize = 64 * 1024;
/// How long sessions may take to finish once the loop drains.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(5);
/// After `accept` failed for want of descriptors or memory, it's tried again this much later.
const ACCEPT_RETRY: Duration = Duration::from_millis(100);

const TIMER: Token = Token(0);
const FIRST_LISTENER: usize = 1;

/// See the module.
#[derive(Debug)]
pub struct EventLoop<A: Application> {
    application: A,
    poll: Poll,
    timer: TimerFd,
    timer_deadline: Option<Instant>,
    listeners: Vec<Listener>,
    drivers: Slab<Driver<A::Session>>,
    ready: VecDeque<DriverKey>,
    expired: Vec<u32>,
    wheel: TimerWheel,
    payload: Option<Arc<Payload>>,
    read_buffer: Box<[u8]>,
    scratch: Vec<u8>,
    /// Made when a peer first speaks HTTP/2 and wants bulk bytes.
    frames: Option<FrameBlock>,
    records: RecordBuffers,
    handshakes_left: usize,
    next_tick: Instant,
    next_generation: u32,
    counters: Counters,
    drain_deadline: Option<Instant>,
}

#[derive(Debug)]
struct Listener {
    socket: TcpListener,
    is_readable: bool,
    retry_at: Option<Instant>,
}

impl<A: Application> EventLoop<A> {
    /// A loop that accepts from `listeners` and sends its bulk bytes, if it ever has any to send, from `payload`.
    ///
    /// # Errors
    /// When the system gives no poll, timer or registration.
    pub fn new(
        application: A,
        listeners: Vec<StdListener>,
        payload: Option<Arc<Payload>>,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        let timer = TimerFd::new()?;
        poll.registry()
            .register(&mut SourceFd(&timer.as_raw_fd()), TIMER, Interest::READABLE)?;
        let mut accepting = Vec::with_capacity(listeners.len());
        for (index, listener) in listeners.into_iter().enumerate() {
            listener.set_nonblocking(true)?;
            let mut socket = TcpListener::from_std(listener);
            poll.registry().register(
                &mut socket,
                Token(FIRST_LISTENER + index),
                Interest::READABLE,
            )?;
            accepting.push(Listener {
                socket,
                is_readable: true,
                retry_at: None,
            });
        }
        let now = clock::monotonic_now();
        Ok(Self {
            application,
            poll,
            timer,
            timer_deadline: None,
            listeners: accepting,
            drivers: Slab::new(),
            ready: VecDeque::with_capacity(EVENTS_PER_POLL),
            expired: Vec::with_capacity(EVENTS_PER_POLL),
            wheel: TimerWheel::new(now),
            payload,
            read_buffer: vec![0; READ_BUFFER_BYTES].into_boxed_slice(),
            scratch: Vec::new(),
            frames: None,
            records: RecordBuffers::default(),
            handshakes_left: TLS_HANDSHAKES_PER_TURN,
            next_tick: now,
            next_generation: 0,
            counters: Counters::default(),
            drain_deadline: None,
        })
    }

    /// Runs until the application asked it to drain and it has.
    ///
    /// # Errors
    /// When the poll itself fails; nothing that a peer does ends a loop.
    pub fn run(&mut self) -> io::Result<()> {
        let mut events = Events::with_capacity(EVENTS_PER_POLL);
        loop {
            let now = self.wait(&mut events)?;
            self.mark_ready(&events);
            self.drive_ready();
            self.expire_timers();
            self.accept();
            self.connect();
            let end = self.tick();
            self.counters.turns += 1;
            self.application.observe_lag(end, end - now);
            if self.has_drained(end) {
                return Ok(());
            }
        }
    }

    /// The application, with what it has gathered; every connection that is still open is closed.
    #[must_use]
    pub fn into_application(self) -> A {
        self.application
    }

    fn wait(&mut self, events: &mut Events) -> io::Result<Instant> {
        let has_work = !self.ready.is_empty() || self.listeners.iter().any(Listener::is_due);
        let timeout = if has_work {
            Some(Duration::ZERO)
        } else {
            let deadline = self
                .wheel
                .next_expiry()
                .map_or(self.next_tick, |expiry| expiry.min(self.next_tick));
            if self.timer_deadline != Some(deadline) {
                self.timer.arm(Some(deadline))?;
                self.timer_deadline = Some(deadline);
            }
            None
        };
        match self.poll.poll(events, timeout) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::Interrupted => events.clear(),
            Err(error) => return Err(error),
        }
        Ok(clock::monotonic_now())
    }

    fn mark_ready(&mut self, events: &Events) {
        let first_driver = FIRST_LISTENER + self.listeners.len();
        for event in events {
            match event.token() {
                TIMER => self.timer_deadline = None,
                Token(token) if token < first_driver => {
                    self.listeners[token - FIRST_LISTENER].is_readable = true;
                }
                Token(token) => self.mark_driver((token - first_driver) as u32, event),
            }
        }
    }

    fn mark_driver(&mut self, index: u32, event: &Readiness) {
        let Some(driver) = self.drivers.get_mut(index as usize) else {
            return;
        };
        driver.is_readable |= event.is_readable() || event.is_read_closed() || event.is_error();
        driver.is_writable |= event.is_writable() || event.is_write_closed() || event.is_error();
        enqueue(&mut self.ready, index, driver);
    }

    /// Gives each driver that was ready at the start its turn, once.
    fn drive_ready(&mut self) {
        self.handshakes_left = TLS_HANDSHAKES_PER_TURN;
        for _ in 0..self.ready.len() {
            let Some(key) = self.ready.pop_front() else {
                break;
            };
            if self
                .drivers
                .get(key.index as usize)
                .is_some_and(|driver| driver.generation == key.generation)
            {
                if self.may_drive(key.index) {
                    self.drive(key.index, clock::monotonic_now());
                } else {
                    self.ready.push_back(key);
                }
            }
        }
    }

    /// Handshakes are dear, so a turn makes a few: whoever is served already must not wait for all of a crowd's.
    fn may_drive(&mut self, index: u32) -> bool {
        if !self.drivers[index as usize].is_handshaking() {
            return true;
        }
        let may = self.handshakes_left > 0;
        self.handshakes_left = self.handshakes_left.saturating_sub(1);
        may
    }

    fn drive(&mut self, index: u32, now: Instant) {
        let Some(driver) = self.drivers.get_mut(index as usize) else {
            return;
        };
        driver.is_queued = false;
        let mut workspace = Workspace {
            payload: self.payload.as_deref(),
            read_buffer: &mut self.read_buffer,
            scratch: &mut self.scratch,
            frames: &mut self.frames,
            records: &mut self.records,
        };
        let before = (driver.received_bytes, driver.sent_bytes);
        let outcome = match driver.establish(&mut self.application, now) {
            Established::Yes => driver.drive(&mut self.application, now, &mut workspace),
            Established::NotYet => Outcome::Waiting,
            Established::Unannounced(reason) => {
                self.close(index, now, reason);
                return;
            }
            Established::Failed(_) if driver.is_accepted() => {
                self.close(index, now, CloseReason::HandshakeFailed);
                return;
            }
            Established::Failed(error) => {
                let driver = self.remove(index);
                self.application
                    .handle_connect_failed(now, driver.session, &error);
                return;
            }
        };
        self.counters.received_bytes += driver.received_bytes - before.0;
        self.counters.sent_bytes += driver.sent_bytes - before.1;
        if let Some(accepted_at) = driver.take_first_byte() {
            let took = clock::monotonic_now() - accepted_at;
            self.application.observe_first_byte(took);
        }
        match outcome {
            Outcome::Waiting => self.schedule(index),
            Outcome::Unfinished => {
                enqueue(&mut self.ready, index, driver);
                self.schedule(index);
            }
            Outcome::Closed(reason) => self.close(index, now, reason),
        }
    }

    /// Keeps the wheel at or before the driver's deadline. A deadline that moved away is left where it is, to be looked at when
    /// it fires: a busy transfer moves its deadline at every drive.
    fn schedule(&mut self, index: u32) {
        let driver = &self.drivers[index as usize];
        let session_deadline = driver.session_deadline(&self.application);
        let connection_deadline = driver.connection.poll_timeout();
        let deadlines = [session_deadline, connection_deadline, driver.deadline()];
        let Some(deadline) = deadlines.into_iter().flatten().min() else {
            self.wheel.cancel(index);
            return;
        };
        if self
            .wheel
            .deadline(index)
            .is_none_or(|scheduled| deadline < scheduled)
        {
            self.wheel.schedule(index, deadline);
        }
    }

    fn close(&mut self, index: u32, now: Instant, reason: CloseReason) {
        self.remove(index)
            .into_closed(&mut self.application, now, reason);
    }

    fn remove(&mut self, index: u32) -> Driver<A::Session> {
        self.wheel.cancel(index);
        let mut driver = self.drivers.remove(index as usize);
        self.counters.connections -= 1;
        // Dropping the socket closes it, which ends its registration too.
        let _ = self.poll.registry().deregister(driver.transport.source());
        driver
    }

    fn expire_timers(&mut self) {
        let now = clock::monotonic_now();
        let mut expired = std::mem::take(&mut self.expired);
        self.wheel.expire(now, &mut expired);
        for index in expired.drain(..) {
            let Some(driver) = self.drivers.get_mut(index as usize) else {
                continue;
            };
            if driver
                .connection
                .poll_timeout()
                .is_some_and(|deadline| deadline <= now)
            {
                driver.connection.handle_timeout(now);
            }
            driver.expire_gathering(now);
            driver.expire_sessions(&mut self.application, now);
            self.drive(index, now);
        }
        self.expired = expired;
    }

    fn accept(&mut self) {
        if self.drain_deadline.is_some() {
            return;
        }
        let now = clock::monotonic_now();
        for number in 0..self.listeners.len() {
            let listener = &mut self.listeners[number];
            if listener.retry_at.is_some_and(|retry_at| retry_at <= now) {
                listener.retry_at = None;
            }
            if !listener.is_due() {
                continue;
            }
            for _ in 0..ACCEPTS_PER_TURN {
                if !self.accept_one(number, now) {
                    break;
                }
            }
        }
    }

    /// Whether there may be another.
    fn accept_one(&mut self, number: usize, now: Instant) -> bool {
        let listener = &mut self.listeners[number];
        let (stream, peer) = match listener.socket.accept() {
            Ok(accepted) => accepted,
            Err(error) => match error.kind() {
                io::ErrorKind::WouldBlock => {
                    listener.is_readable = false;
                    return false;
                }
                io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted => return true,
                // Out of descriptors or memory: what was accepted goes on, the rest waits in the backlog.
                _ => {
                    listener.retry_at = Some(now + ACCEPT_RETRY);
                    self.application.handle_accept_failed(now, &error);
                    return false;
                }
            },
        };
        self.counters.accepted += 1;
        if let Some(session) = self.application.handle_accept(now, number, peer) {
            let patience = self.application.patience();
            let mut transport = Transport::new(stream);
            let prepared = match self.application.acceptor(number) {
                Some(acceptor) => transport.accept_tls(acceptor),
                None => Ok(()),
            };
            let mut driver = Driver::accepted(transport, session, peer, now, patience);
            if self.application.expects_proxy_header(peer) {
                driver.expect_announcement(now);
            }
            match prepared {
                Ok(()) => self.insert(driver, now),
                Err(_) => {
                    driver.into_closed(&mut self.application, now, CloseReason::HandshakeFailed);
                }
            }
        }
        true
    }

    /// Opens the connections that the application wants, none of them waited for.
    fn connect(&mut self) {
        if self.drain_deadline.is_some() {
            return;
        }
        while let Some(Connect {
            peer,
            local,
            session,
        }) = self.application.poll_connect()
        {
            let now = clock::monotonic_now();
            let connected = Transport::connect(peer, local).and_then(|mut transport| {
                if let Some(connector) = self.application.connector(&session) {
                    transport.connect_tls(connector)?;
                }
                Ok(transport)
            });
            match connected {
                Ok(transport) => {
                    self.insert(Driver::connecting(transport, session, peer, now), now);
                }
                Err(error) => self.application.handle_connect_failed(now, session, &error),
            }
        }
    }

    fn insert(&mut self, mut driver: Driver<A::Session>, now: Instant) {
        let entry = self.drivers.vacant_entry();
        let index = entry.key() as u32;
        let token = Token(FIRST_LISTENER + self.listeners.len() + index as usize);
        let interest = Interest::READABLE | Interest::WRITABLE;
        let registry = self.poll.registry();
        if registry
            .register(driver.transport.source(), token, interest)
            .is_err()
        {
            driver.into_closed(&mut self.application, now, CloseReason::PeerVanished);
            return;
        }
        self.next_generation = self.next_generation.wrapping_add(1);
        driver.generation = self.next_generation;
        let driver = entry.insert(driver);
        self.counters.connections += 1;
        if driver.is_handshaking() {
            enqueue(&mut self.ready, index, driver);
            self.schedule(index);
        } else {
            self.drive(index, now);
        }
    }

    /// The loop's heartbeat. Returns the time at which the turn ends.
    fn tick(&mut self) -> Instant {
        let now = clock::monotonic_now();
        if now < self.next_tick {
            return now;
        }
        self.application.observe_lag(now, now - self.next_tick);
        self.next_tick = now + TICK;
        match self.application.handle_tick(now, &self.counters) {
            Directive::GoOn => {}
            Directive::Sweep => self.sweep(now, Sweep::Asked),
            Directive::Drain => self.drain(now),
        }
        clock::monotonic_now()
    }

    fn drain(&mut self, now: Instant) {
        if self.drain_deadline.is_some() {
            return;
        }
        self.drain_deadline = Some(now + DRAIN_TIMEOUT);
        for listener in &mut self.listeners {
            let _ = self.poll.registry().deregister(&mut listener.socket);
        }
        self.sweep(now, Sweep::Drain);
    }

    fn sweep(&mut self, now: Instant, sweep: Sweep) {
        for (index, driver) in &mut self.drivers {
            driver.sweep(&mut self.application, now, sweep);
            enqueue(&mut self.ready, index as u32, driver);
        }
    }

    fn has_drained(&self, now: Instant) -> bool {
        self.drain_deadline
            .is_some_and(|deadline| self.drivers.is_empty() || now >= deadline)
    }
}

impl Listener {
    fn is_due(&self) -> bool {
        self.is_readable && self.retry_at.is_none()
    }
}

fn enqueue<S>(ready: &mut VecDeque<DriverKey>, index: u32, driver: &mut Driver<S>) {
    if !driver.is_queued {
        driver.is_queued = true;
        ready.push_back(DriverKey {
            index,
            generation: driver.generation,
        });
    }
}
