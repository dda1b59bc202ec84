//! What all targets share: an op-coded input that drives one connection, and the invariants that hold whatever a
//! peer sends and whenever it sends it.
//!
//! The input is a list of operations, each an op byte with what it needs: a piece of the stream with its length, time
//! that passes, output that is written in part, the end of the stream. So the fuzzer chooses the splits and the
//! pauses as well as the bytes.

pub mod http2;

use std::time::Duration;

use protocol::connection::{
    BinarySink, BodySink, Connection, Event, MessageKind, Receive, RequestBody, ResponseBody,
    WebSocketOptions,
};
use protocol::http1::{BodyLength, Method, RequestHead, ResponseHead};
use protocol::limits::{RECEIVE_BUFFER_BYTES_MAX, TRANSMIT_BUFFER_BYTES_MAX};
use protocol::time::Instant;

/// Largest answer or message that the applications here send, in bytes.
const ANSWER_BYTES_MAX: usize = 300;

/// A connection that is driven by an input.
pub struct Driver {
    connection: Connection,
    now: Instant,
    scratch: Vec<u8>,
    buffer: Vec<u8>,
    received_bytes: u64,
    is_over: bool,
    steps: u8,
}

impl Driver {
    /// Drives `connection`.
    #[must_use]
    pub fn new(connection: Connection) -> Self {
        Self {
            connection,
            now: Instant::ORIGIN,
            scratch: Vec::new(),
            buffer: Vec::new(),
            received_bytes: 0,
            is_over: false,
            steps: 0,
        }
    }

    /// The connection, to set it up.
    pub fn connection(&mut self) -> &mut Connection {
        &mut self.connection
    }

    /// Gives it bytes that must be taken, such as a handshake, and lets the application act.
    pub fn feed_all(&mut self, bytes: &[u8]) {
        self.connection.handle_input(self.now, bytes);
        self.settle();
        self.write(usize::MAX);
        self.settle();
    }

    /// Carries the operations out, one after the other.
    pub fn run(&mut self, mut input: &[u8]) {
        self.settle();
        while let Some((&op, rest)) = input.split_first() {
            input = rest;
            match op % 8 {
                0..=2 => input = self.feed_piece(usize::from(op >> 3) + 1, input),
                3 => input = self.feed_piece(usize::from(op >> 3) * 64 + 1, input),
                4 => self.write(usize::MAX),
                5 => self.write(usize::from(op >> 3) * 7 + 1),
                6 => self.pass_time(Duration::from_millis(u64::from(op >> 3) * 400)),
                _ => self.act(op >> 3),
            }
            self.settle();
            self.check();
        }
        // Whatever happened, silence ends it: no deadline may be missing, and none may come again and again.
        for _ in 0..20 {
            let Some(deadline) = self.connection.poll_timeout() else {
                break;
            };
            self.now = self.now.max(deadline);
            expire(&mut self.connection, self.now);
            self.settle();
            self.check();
        }
        self.write(usize::MAX);
        self.settle();
    }

    /// Gives `count` bytes of the input to the connection, as it asks for them; the rest of the input.
    fn feed_piece<'a>(&mut self, count: usize, input: &'a [u8]) -> &'a [u8] {
        let (piece, rest) = input.split_at(count.min(input.len()));
        match self.connection.receive() {
            Receive::Bytes => self.connection.handle_input(self.now, piece),
            Receive::Header { most } => {
                assert!(most > 0);
                // Reading more is allowed.
                self.connection.handle_input(self.now, piece);
            }
            Receive::Discard { remaining } => {
                assert!(remaining > 0);
                if self.connection.foresee(piece) {
                    let more = self.connection.receive();
                    assert!(
                        matches!(more, Receive::Discard { remaining: more } if more > remaining)
                    );
                }
                // What the piece stands for may be as long as it likes.
                let count = remaining.min(piece.len() as u64 * 1000);
                self.connection.handle_discarded(self.now, count);
            }
            Receive::Paused => {}
        }
        rest
    }

    /// Lets the transport take up to `limit` bytes of output.
    fn write(&mut self, limit: usize) {
        self.buffer.clear();
        if self.connection.poll_transmit(self.now, &mut self.buffer) {
            assert!(!self.buffer.is_empty());
            let count = self.buffer.len().min(limit) as u64;
            self.connection.handle_transmitted(self.now, count);
            let rest = self.buffer.len() as u64 - count;
            self.connection.handle_transmitted(self.now, rest);
        } else if let Some(filler) = self.connection.poll_filler() {
            assert!(self.buffer.is_empty() && filler.remaining > 0);
            let count = filler.remaining.min(limit as u64).min(1 << 20);
            self.connection.handle_filler_sent(self.now, count);
        }
    }

    fn pass_time(&mut self, time: Duration) {
        self.now = self.now + time;
        expire(&mut self.connection, self.now);
    }

    /// What an application may do at any moment, in turn or out of turn.
    fn act(&mut self, what: u8) {
        let now = self.now;
        let connection = &mut self.connection;
        // Out of turn each of these is refused, and changes nothing.
        match what % 12 {
            0 => connection.handle_eof(now),
            1 => {
                let _ = connection.send_text(now, "text");
            }
            2 => {
                let _ = connection.send_binary(now, &[0; ANSWER_BYTES_MAX]);
            }
            3 => {
                let _ = connection.send_ping(now, b"ping");
            }
            4 => {
                let _ = connection.send_filler(now, Some(100_000));
            }
            5 => {
                let _ = connection.send_filler(now, None);
            }
            6 => connection.stop_filler(now),
            7 => connection.close(now, 1000, "enough"),
            8 => {
                let _ = connection.respond(now, ResponseHead::new(200), ResponseBody::Empty);
            }
            9 => {
                let _ = connection.receive_body(now, BodySink::Discard);
            }
            10 => {
                let _ = ask(connection, now);
            }
            _ => connection.handle_discarded(now, u64::from(what) * 1_000_000),
        }
    }

    /// Lets the application see what happened, and answer.
    fn settle(&mut self) {
        while let Some(event) = self.connection.poll_event(&mut self.scratch) {
            assert!(!self.is_over, "an event after the end");
            self.steps = self.steps.wrapping_add(1);
            self.answer(event);
        }
    }

    fn answer(&mut self, event: Event) {
        let now = self.now;
        let connection = &mut self.connection;
        match event {
            Event::Request(request) => {
                // What a request says of itself can always be asked for.
                assert!(request.path().starts_with('/') || request.path() == "*");
                assert!(request.target().is_ascii() && !request.target().is_empty());
                let _ = (request.query(), request.host(), request.header("accept"));
                let options = WebSocketOptions {
                    binary: match self.steps % 3 {
                        0 => BinarySink::Deliver,
                        1 => BinarySink::Discard,
                        _ => BinarySink::Head { bytes: 16 },
                    },
                    extra_fields: Vec::new(),
                };
                if request.websocket_upgrade().is_ok() {
                    assert_eq!(connection.accept_websocket(now, options), Ok(()));
                } else if request.body() != BodyLength::None {
                    let sink = match self.steps % 3 {
                        0 => BodySink::Discard,
                        1 => BodySink::Collect { limit_bytes: 1000 },
                        _ => return self.respond(),
                    };
                    assert_eq!(connection.receive_body(now, sink), Ok(()));
                } else {
                    self.respond();
                }
            }
            Event::BodyComplete { bytes, .. } => {
                // Less than was received when `act` discarded what should have been read.
                assert!(self.scratch.len() as u64 <= bytes);
                self.respond();
                let _ = ask(&mut self.connection, now);
            }
            Event::Message(kind) => {
                if kind == MessageKind::Text {
                    assert!(std::str::from_utf8(&self.scratch).is_ok());
                }
                let echo = &self.scratch[..self.scratch.len().min(ANSWER_BYTES_MAX)];
                let _ = connection.send_binary(now, echo);
            }
            Event::Closed(_) => {
                assert!(connection.wants_close());
                self.is_over = true;
            }
            Event::Response(_)
            | Event::ResponseSent
            | Event::Upgraded
            | Event::Pong
            | Event::FillerSent => {}
        }
    }

    fn respond(&mut self) {
        let body = match self.steps % 5 {
            0 => ResponseBody::Empty,
            1 => ResponseBody::Static(b"static"),
            2 => ResponseBody::Owned(vec![0; ANSWER_BYTES_MAX]),
            3 => ResponseBody::Filler { length: Some(5000) },
            _ => ResponseBody::Filler { length: None },
        };
        let _ = self
            .connection
            .respond(self.now, ResponseHead::new(200), body);
    }

    fn check(&mut self) {
        let connection = &mut self.connection;
        assert!(
            connection.queued_transmit_bytes()
                <= TRANSMIT_BUFFER_BYTES_MAX + RECEIVE_BUFFER_BYTES_MAX
        );
        check_end(connection, self.is_over);
        // An upgrade begins a new count.
        if !connection.is_websocket() {
            assert!(connection.received_payload_bytes() >= self.received_bytes);
            self.received_bytes = connection.received_payload_bytes();
        }
    }
}

/// Handles a deadline that has come; it must go away.
fn expire(connection: &mut Connection, now: Instant) {
    let is_due = |at: Option<Instant>| at.is_some_and(|at| at <= now);
    if is_due(connection.poll_timeout()) {
        connection.handle_timeout(now);
        assert!(
            !is_due(connection.poll_timeout()),
            "a deadline that does not go away"
        );
    }
}

/// A connection says that it is over exactly once the application was told, and does nothing more.
fn check_end(connection: &mut Connection, is_over: bool) {
    assert_eq!(
        connection.wants_close(),
        is_over,
        "the end is told when it comes"
    );
    if is_over {
        assert_eq!(connection.receive(), Receive::Paused);
        assert_eq!(connection.poll_timeout(), None);
        assert_eq!(connection.poll_filler(), None);
        assert_eq!(connection.queued_transmit_bytes(), 0);
    }
}

/// A client's next request.
pub fn ask(
    connection: &mut Connection,
    now: Instant,
) -> Result<(), protocol::connection::WrongState> {
    let head = RequestHead::new(Method::Post, "/", "a");
    let body = RequestBody::Filler { length: 5000 };
    connection.request(now, head, body, BodySink::Collect { limit_bytes: 1000 })
}
