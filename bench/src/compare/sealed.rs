//! Downloads in TLS whose records nobody opens: once the handshake is made and the first answer seen, what arrives is
//! thrown away inside the kernel and counted. The little that is to be said later, the next request or more window, is
//! sealed and sent, since that needs no look at what arrived.
//!
//! Counts bytes of TCP: a record of 16 KiB is 22 bytes longer than its payload.

use std::collections::VecDeque;
use std::io::{self, Read as _, Write as _};
use std::net::TcpStream;
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::thread::JoinHandle;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use engine::runtime::application::TICK;
use engine::runtime::sys::{bulk, clock};
use engine::runtime::tls::BlockingStream;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};

use super::bulk::{Action, Moved, Route};
use super::http2;

const PATIENCE: Duration = Duration::from_secs(5);
/// One flow's turn.
const TURN_BYTES: usize = 1 << 20;
/// The next body is asked for when so much of the one before is still to come, so that the server always has one to send.
const LEAD_BYTES: u64 = 16 << 20;
/// Window is given back in pieces of this.
const WINDOW_PIECE_BYTES: u32 = 128 << 20;

/// A client loop's flows.
#[derive(Debug)]
pub(crate) struct Sealed {
    pub(crate) number: usize,
    pub(crate) route: Route,
    /// Streams at a time on each connection of HTTP/2; `None` speaks HTTP/1.1.
    pub(crate) streams: Option<usize>,
    pub(crate) flows: usize,
    pub(crate) stop: Arc<AtomicBool>,
    pub(crate) told: Sender<Moved>,
}

/// One connection.
#[derive(Debug)]
struct Flow {
    stream: BlockingStream,
    is_ready: bool,
    received_bytes: u64,
    /// Of all bodies that were asked for; `None`: they have no end.
    asked_bytes: Option<u64>,
    streams: Streams,
}

/// What of HTTP/2 there is.
#[derive(Debug, Default)]
struct Streams {
    /// How many at a time; 0 speaks HTTP/1.1.
    at_a_time: usize,
    /// Those that are being served.
    current: Vec<u32>,
    next: u32,
    /// What the windows were given back.
    given_bytes: u64,
}

impl Sealed {
    /// Runs it in a thread of its own until it is stopped.
    pub(crate) fn spawn(self) -> io::Result<JoinHandle<()>> {
        let thread = std::thread::Builder::new().name("sealed".to_owned());
        thread.spawn(move || {
            if let Err(error) = self.run() {
                eprintln!("a loop of the bench failed: {error:#}");
            }
        })
    }

    fn run(&self) -> Result<()> {
        let mut poll = Poll::new()?;
        let mut flows = Vec::with_capacity(self.flows);
        for index in 0..self.flows {
            let flow = Flow::open(&self.route, self.streams.unwrap_or(0))?;
            let descriptor = flow.stream.sock.as_raw_fd();
            poll.registry().register(
                &mut SourceFd(&descriptor),
                Token(index),
                Interest::READABLE,
            )?;
            flows.push(flow);
        }
        let mut ready: VecDeque<usize> = (0..flows.len()).collect();
        let mut events = Events::with_capacity(256);
        let mut received_bytes = 0;
        let mut broken = 0;
        let mut next_tell = clock::monotonic_now();
        while !self.stop.load(Ordering::Relaxed) {
            let wait = if ready.is_empty() {
                TICK
            } else {
                Duration::ZERO
            };
            match poll.poll(&mut events, Some(wait)) {
                Err(error) if error.kind() != io::ErrorKind::Interrupted => {
                    return Err(error.into());
                }
                Ok(()) | Err(_) => {}
            }
            for event in &events {
                let Token(index) = event.token();
                if !std::mem::replace(&mut flows[index].is_ready, true) {
                    ready.push_back(index);
                }
            }
            for _ in 0..ready.len() {
                let Some(index) = ready.pop_front() else {
                    break;
                };
                match flows[index].take(&self.route) {
                    Ok(count) => {
                        received_bytes += count;
                        if flows[index].is_ready {
                            ready.push_back(index);
                        }
                    }
                    Err(error) => {
                        eprintln!("a flow in TLS broke: {error:#}");
                        flows[index].is_ready = false;
                        broken += 1;
                    }
                }
            }
            let now = clock::monotonic_now();
            if now >= next_tell {
                next_tell = now + TICK;
                // Whoever listens may have seen enough.
                let _ = self.told.send(Moved {
                    number: self.number,
                    at: now,
                    received_bytes,
                    sent_bytes: 0,
                    broken,
                });
            }
        }
        Ok(())
    }
}

impl Flow {
    /// Connects, makes the handshake, asks, and sees the first answer.
    fn open(route: &Route, at_a_time: usize) -> Result<Self> {
        let connector = route.connector.as_ref().context("no TLS to speak")?;
        let socket = TcpStream::connect(route.peer)?;
        socket.set_nodelay(true)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        socket.set_write_timeout(Some(PATIENCE))?;
        let mut flow = Self {
            stream: connector.connect_blocking(socket)?,
            is_ready: true,
            received_bytes: 0,
            asked_bytes: route.body_bytes.map(|_| 0),
            streams: Streams {
                at_a_time,
                next: 1,
                ..Streams::default()
            },
        };
        if at_a_time > 0 {
            flow.say(&http2::preface())?;
        }
        flow.ask(route)?;
        flow.see_answer(route)?;
        if at_a_time > 0 {
            let mut ack = Vec::new();
            http2::push_settings_ack(&mut ack);
            flow.say(&ack)?;
        }
        flow.stream.sock.set_nonblocking(true)?;
        Ok(flow)
    }

    /// Asks for one more body on each stream.
    fn ask(&mut self, route: &Route) -> Result<()> {
        let host = route.peer.to_string();
        let mut bytes = Vec::new();
        let streams = &mut self.streams;
        if streams.at_a_time > 0 {
            streams.current.clear();
            for _ in 0..streams.at_a_time {
                http2::push_get(&mut bytes, streams.next, &host, &route.target);
                streams.current.push(streams.next);
                streams.next += 2;
            }
        } else {
            let upgrade = match route.action {
                Action::Download => "",
                // The key is RFC 6455's example; a node takes any.
                Action::WebSocketDownload => {
                    "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
                     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                }
                Action::Upload | Action::WebSocketUpload => bail!("only downloads are discarded"),
            };
            write!(
                bytes,
                "GET {} HTTP/1.1\r\nHost: {host}\r\n{upgrade}\r\n",
                route.target
            )?;
        }
        if let (Some(asked), Some(body)) = (&mut self.asked_bytes, route.body_bytes) {
            *asked += body * streams.at_a_time.max(1) as u64;
        }
        self.say(&bytes)
    }

    /// Seals and sends; what is said is far shorter than a socket's buffer.
    fn say(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.conn.writer().write_all(bytes)?;
        while self.stream.conn.wants_write() {
            self.stream.conn.write_tls(&mut self.stream.sock)?;
        }
        Ok(())
    }

    /// Reads until the first answer's head is there, which must grant what was asked.
    fn see_answer(&mut self, route: &Route) -> Result<()> {
        let status: &[u8] = match route.action {
            Action::WebSocketDownload => b"HTTP/1.1 101",
            Action::Download | Action::Upload | Action::WebSocketUpload => b"HTTP/1.1 200",
        };
        let mut seen = Vec::new();
        let mut piece = [0; 4096];
        loop {
            let count = self.stream.read(&mut piece)?;
            ensure!(count > 0, "the server closed before it answered");
            seen.extend_from_slice(&piece[..count]);
            let is_granted = if self.streams.at_a_time > 0 {
                http2::is_first_answer_ok(&seen)
            } else {
                (seen.len() >= status.len()).then(|| seen.starts_with(status))
            };
            if let Some(is_granted) = is_granted {
                ensure!(is_granted, "the server refused {}", route.target);
                return Ok(());
            }
        }
    }

    /// Throws away what arrived, within one turn, and says what is due then. Returns how much it was.
    fn take(&mut self, route: &Route) -> Result<u64> {
        let mut left = TURN_BYTES;
        while left > 0 {
            match bulk::discard(self.stream.sock.as_fd(), left) {
                Ok(0) => bail!("the server closed"),
                Ok(count) => left -= count,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.is_ready = false;
                    break;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error.into()),
            }
        }
        let count = (TURN_BYTES - left) as u64;
        self.received_bytes += count;
        if is_time_to_ask(self.received_bytes, self.asked_bytes) {
            self.ask(route)?;
        }
        let update = self
            .streams
            .window_update(self.received_bytes, self.asked_bytes);
        if !update.is_empty() {
            self.say(&update)?;
        }
        Ok(count)
    }
}

impl Streams {
    /// Gives back what arrived, to the connection, and to streams that have no end in equal shares. By the count of TCP's
    /// bytes, which is higher than that of the windows by less than a hundredth: [`http2::WINDOW_BYTES`] leaves room for it.
    fn window_update(&mut self, received_bytes: u64, asked_bytes: Option<u64>) -> Vec<u8> {
        let mut bytes = Vec::new();
        if self.at_a_time == 0 || received_bytes - self.given_bytes < u64::from(WINDOW_PIECE_BYTES)
        {
            return bytes;
        }
        self.given_bytes += u64::from(WINDOW_PIECE_BYTES);
        http2::push_window(&mut bytes, 0, WINDOW_PIECE_BYTES);
        if asked_bytes.is_none() {
            for stream in &self.current {
                http2::push_window(
                    &mut bytes,
                    *stream,
                    WINDOW_PIECE_BYTES / self.at_a_time as u32,
                );
            }
        }
        bytes
    }
}

fn is_time_to_ask(received_bytes: u64, asked_bytes: Option<u64>) -> bool {
    asked_bytes.is_some_and(|asked| received_bytes + LEAD_BYTES >= asked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_body_is_asked_for_before_the_last_one_ends() {
        assert!(!is_time_to_ask(1 << 30, None));
        assert!(!is_time_to_ask(0, Some(LEAD_BYTES + 1)));
        assert!(is_time_to_ask(1, Some(LEAD_BYTES + 1)));
    }

    #[test]
    fn windows_are_given_back_as_they_are_used() {
        let mut streams = Streams {
            at_a_time: 2,
            current: vec![1, 3],
            next: 5,
            given_bytes: 0,
        };
        let piece = u64::from(WINDOW_PIECE_BYTES);
        assert!(streams.window_update(piece - 1, None).is_empty());
        // The connection's, and both streams'.
        assert_eq!(streams.window_update(piece, None).len(), 3 * 13);
        assert!(streams.window_update(piece + 1, None).is_empty());
        assert_eq!(streams.window_update(2 * piece, Some(0)).len(), 13);
    }

    #[test]
    fn http1_has_no_windows() {
        assert!(Streams::default().window_update(u64::MAX, None).is_empty());
    }
}
