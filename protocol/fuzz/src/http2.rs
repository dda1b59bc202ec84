//! An HTTP/2 server connection, driven like the others by operations; but where random bytes would hardly ever make a
//! frame, the input says what frames there are.

use std::time::Duration;

use protocol::connection::{
    BodySink, Connection, Event, FillerLayout, Patience, Receive, ResponseBody, StreamId,
};
use protocol::http1::{BodyLength, ResponseHead};
use protocol::http2::HTTP2_STRIDE_BYTES;
use protocol::time::Instant;

use super::{check_end, expire};

const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";

/// Blocks that a request may have: GET and POST of `/`, in literals, static entries and the table.
const BLOCKS: [&[u8]; 4] = [
    b"\x82\x87\x84\x41\x01a",
    b"\x83\x87\x84\x41\x01a",
    b"\x82\x87\x84\xbe",
    b"\x83\x87\x84\xbe\x40\x01x\x01y",
];

/// A connection that is driven by an input.
pub struct Http2Driver {
    connection: Connection,
    now: Instant,
    scratch: Vec<u8>,
    buffer: Vec<u8>,
    /// Bytes that the connection did not want yet.
    unread: Vec<u8>,
    /// Of the next stream to open.
    next_stream: u32,
    open: Vec<StreamId>,
    /// Bytes of the current filler frame that are out.
    position: u64,
    is_over: bool,
    steps: u8,
}

impl Default for Http2Driver {
    fn default() -> Self {
        Self {
            connection: Connection::http2_server(Instant::ORIGIN, Patience::default()),
            now: Instant::ORIGIN,
            scratch: Vec::new(),
            buffer: Vec::new(),
            unread: PREFACE.to_vec(),
            next_stream: 1,
            open: Vec::new(),
            position: 0,
            is_over: false,
            steps: 0,
        }
    }
}

impl Http2Driver {
    /// Carries the operations out, one after the other.
    pub fn run(&mut self, mut input: &[u8]) {
        while let Some((&op, rest)) = input.split_first() {
            let argument = op >> 4;
            input = match op % 16 {
                0..=3 => self.request(argument, rest),
                4 | 5 => self.frame(argument, rest),
                6 => self.raw(argument, rest),
                7 => self.data(argument, rest),
                8 => {
                    self.write(u64::MAX);
                    rest
                }
                9 => {
                    self.write(u64::from(argument) * 3000 + 1);
                    rest
                }
                10 => {
                    self.pass_time(Duration::from_millis(u64::from(argument) * 800));
                    rest
                }
                11 => {
                    self.act(argument);
                    rest
                }
                _ => {
                    self.window(argument);
                    rest
                }
            };
            self.read();
            self.check();
        }
        self.finish();
    }

    /// HEADERS for the next stream, whole or in two pieces.
    fn request<'a>(&mut self, argument: u8, input: &'a [u8]) -> &'a [u8] {
        let block = BLOCKS[usize::from(argument % 4)];
        let is_end = argument & 4 == 0;
        let id = self.next_stream;
        self.next_stream += 2;
        let end_stream = u8::from(is_end);
        if argument & 8 == 0 {
            self.push(1, end_stream | 4, id, block);
        } else {
            self.push(1, end_stream, id, &block[..2]);
            self.push(9, 4, id, &block[2..]);
        }
        input
    }

    /// A frame of any kind, with flags, stream and payload from the input.
    fn frame<'a>(&mut self, kind: u8, input: &'a [u8]) -> &'a [u8] {
        let Some((&[flags, stream, length], rest)) = input.split_first_chunk() else {
            return &[];
        };
        let (payload, rest) = rest.split_at(usize::from(length % 48).min(rest.len()));
        self.push(kind, flags, u32::from(stream), payload);
        rest
    }

    /// Bytes as they are.
    fn raw<'a>(&mut self, count: u8, input: &'a [u8]) -> &'a [u8] {
        let (bytes, rest) = input.split_at(usize::from(count).min(input.len()));
        self.unread.extend_from_slice(bytes);
        rest
    }

    /// DATA on one of the newest streams.
    fn data<'a>(&mut self, argument: u8, input: &'a [u8]) -> &'a [u8] {
        let id = self
            .next_stream
            .saturating_sub(2 * u32::from(argument % 4) + 2);
        let size = input.first().map_or(0, |&byte| usize::from(byte) * 64);
        self.push(0, argument >> 3, id, &vec![0; size]);
        input.get(1..).unwrap_or_default()
    }

    fn window(&mut self, argument: u8) {
        let id = match argument % 4 {
            0 => 0,
            back => self.next_stream.saturating_sub(2 * u32::from(back)),
        };
        let increment = 1_u32 << (argument >> 2 << 3);
        self.push(8, 0, id, &(increment * 77).to_be_bytes());
    }

    fn push(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) {
        let length = (payload.len() as u32).to_be_bytes();
        self.unread.extend_from_slice(&length[1..]);
        self.unread.extend_from_slice(&[kind, flags]);
        self.unread.extend_from_slice(&stream.to_be_bytes());
        self.unread.extend_from_slice(payload);
    }

    /// Gives the connection what it wants to read, and lets the application act.
    fn read(&mut self) {
        self.settle();
        while !self.unread.is_empty() {
            let unread = std::mem::take(&mut self.unread);
            match self.connection.receive() {
                Receive::Bytes => self.connection.handle_input(self.now, &unread),
                Receive::Header { most } => {
                    let (head, rest) = unread.split_at(most.min(unread.len()));
                    self.connection.handle_input(self.now, head);
                    self.unread = rest.to_vec();
                }
                Receive::Discard { remaining } => {
                    assert!(remaining > 0);
                    let count = remaining.min(unread.len() as u64);
                    self.connection.handle_discarded(self.now, count);
                    self.unread = unread[count as usize..].to_vec();
                }
                Receive::Paused => {
                    // Nothing that is bounded holds more than this.
                    self.unread = unread;
                    self.unread.truncate(1 << 20);
                    return;
                }
            }
            self.settle();
        }
    }

    /// Lets the transport take up to `limit` bytes of output.
    fn write(&mut self, limit: u64) {
        self.buffer.clear();
        if self.connection.poll_transmit(self.now, &mut self.buffer) {
            assert!(!self.buffer.is_empty());
            assert_eq!(self.position, 0, "a frame of filler is interrupted");
            let all = self.buffer.len() as u64;
            self.connection.handle_transmitted(self.now, all.min(limit));
            self.connection
                .handle_transmitted(self.now, all - all.min(limit));
        } else if let Some(filler) = self.connection.poll_filler() {
            assert!(filler.remaining > 0);
            let count = filler.remaining.min(limit).min(1 << 20);
            if let FillerLayout::Http2Frames { stream } = filler.layout {
                assert!(stream % 2 == 1 && filler.offset == self.position);
                self.position = (self.position + count) % HTTP2_STRIDE_BYTES;
            }
            self.connection.handle_filler_sent(self.now, count);
        }
        self.settle();
    }

    fn pass_time(&mut self, time: Duration) {
        self.now = self.now + time;
        expire(&mut self.connection, self.now);
    }

    /// What an application and a driver may do at any moment, in turn or out of turn.
    fn act(&mut self, what: u8) {
        let now = self.now;
        let last = self.open.last().copied();
        match (what % 6, last) {
            (0, _) => self.connection.handle_eof(now),
            (1, _) => self.connection.close(now, 1001, ""),
            (2, Some(id)) => self.connection.abort_stream(now, id),
            (3, Some(id)) => {
                if let Some(stream) = self.connection.stream_mut(id) {
                    stream.stop_filler(now);
                }
            }
            (4, Some(id)) => {
                if let Some(stream) = self.connection.stream_mut(id) {
                    let _ = stream.receive_body(now, BodySink::Discard);
                    let _ = stream.respond(now, ResponseHead::new(204), ResponseBody::Empty);
                }
            }
            _ => self
                .connection
                .handle_discarded(now, u64::from(what) * 1_000),
        }
    }

    fn settle(&mut self) {
        while let Some((id, event)) = self.connection.poll_stream_event(&mut self.scratch) {
            assert!(!self.is_over, "an event after the end");
            self.steps = self.steps.wrapping_add(1);
            self.answer(id, &event);
        }
        while let Some(event) = self.connection.poll_event(&mut self.scratch) {
            assert!(matches!(event, Event::Closed(_)) && !self.is_over);
            assert!(self.open.is_empty(), "a stream outlives its connection");
            self.is_over = true;
        }
    }

    fn answer(&mut self, id: StreamId, event: &Event) {
        let now = self.now;
        let Some(stream) = self.connection.stream_mut(id) else {
            panic!("an event of no stream");
        };
        match event {
            Event::Request(request) => {
                assert!(!self.open.contains(&id));
                self.open.push(id);
                assert!(request.path().starts_with('/') || request.path() == "*");
                let _ = (request.query(), request.host(), request.header("accept"));
                assert!(request.websocket_upgrade().is_err());
                let sink = match self.steps % 3 {
                    0 => BodySink::Discard,
                    _ => BodySink::Collect { limit_bytes: 1000 },
                };
                if request.body() == BodyLength::None || self.steps.is_multiple_of(4) {
                    respond(stream, now, self.steps);
                } else {
                    assert_eq!(stream.receive_body(now, sink), Ok(()));
                }
            }
            Event::BodyComplete { bytes, .. } => {
                assert!(self.scratch.len() as u64 <= *bytes);
                respond(stream, now, self.steps);
            }
            Event::Closed(_) => {
                assert!(self.open.contains(&id), "an end without a beginning");
                self.open.retain(|open| *open != id);
            }
            Event::ResponseSent => assert!(self.open.contains(&id)),
            other => panic!("{other:?} on a stream"),
        }
    }

    fn check(&mut self) {
        let connection = &mut self.connection;
        assert!(connection.queued_transmit_bytes() <= 300_000);
        assert!(self.open.len() <= protocol::limits::HTTP2_STREAMS_MAX);
        check_end(connection, self.is_over);
    }

    /// Whatever happened, silence ends it.
    fn finish(&mut self) {
        for _ in 0..1000 {
            let Some(deadline) = self.connection.poll_timeout() else {
                break;
            };
            self.now = self.now.max(deadline);
            expire(&mut self.connection, self.now);
            self.settle();
            self.check();
        }
        assert_eq!(
            self.connection.poll_timeout(),
            None,
            "deadlines without an end"
        );
    }
}

fn respond(stream: &mut Connection, now: Instant, step: u8) {
    let body = match step % 5 {
        0 => ResponseBody::Empty,
        1 => ResponseBody::Static(b"static"),
        2 => ResponseBody::Owned(vec![0; 70_000]),
        3 => ResponseBody::Filler {
            length: Some(40_000),
        },
        _ => ResponseBody::Filler { length: None },
    };
    let head = ResponseHead::new(200).field("Content-Type", "text/plain");
    // A body that was too large was answered already.
    let _ = stream.respond(now, head, body);
}
