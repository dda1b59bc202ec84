//! The other side: writes frames, plays the transport and the application, and reads what comes back.

use protocol::connection::{
    BodySink, CloseReason, Connection, Event, FillerLayout, Patience, Receive, ResponseBody,
    StreamId,
};
use protocol::http1::{Method, ResponseHead};
use protocol::http2::stamp_http2_frames;
use protocol::time::Instant;

pub(crate) const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

pub(crate) const DATA: u8 = 0;
pub(crate) const HEADERS: u8 = 1;
pub(crate) const PRIORITY: u8 = 2;
pub(crate) const RESET: u8 = 3;
pub(crate) const SETTINGS: u8 = 4;
pub(crate) const PUSH: u8 = 5;
pub(crate) const PING: u8 = 6;
pub(crate) const GO_AWAY: u8 = 7;
pub(crate) const WINDOW: u8 = 8;
pub(crate) const CONTINUATION: u8 = 9;

pub(crate) const END_STREAM: u8 = 1;
pub(crate) const ACK: u8 = 1;
pub(crate) const END_HEADERS: u8 = 4;
pub(crate) const PADDED: u8 = 8;

/// Window of every stream and connection before anything is said of it.
pub(crate) const FIRST_WINDOW: usize = 65_535;

/// A frame that was received.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: u8,
    pub(crate) flags: u8,
    pub(crate) stream: u32,
    pub(crate) payload: Vec<u8>,
}

/// A frame to be sent.
pub(crate) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() as u32).to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend_from_slice(&[kind, flags]);
    bytes.extend_from_slice(&stream.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

pub(crate) fn setting(name: u16, value: u32) -> Vec<u8> {
    [&name.to_be_bytes()[..], &value.to_be_bytes()].concat()
}

pub(crate) fn window_update(stream: u32, increment: u32) -> Vec<u8> {
    frame(WINDOW, 0, stream, &increment.to_be_bytes())
}

/// A header block of literals that nobody has to remember.
pub(crate) fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    let string = |block: &mut Vec<u8>, text: &str| {
        let mut rest = text.len();
        if rest < 127 {
            block.push(rest as u8);
        } else {
            block.push(127);
            rest -= 127;
            while rest >= 128 {
                block.push((rest % 128) as u8 | 128);
                rest /= 128;
            }
            block.push(rest as u8);
        }
        block.extend_from_slice(text.as_bytes());
    };
    for (name, value) in fields {
        block.push(0);
        string(&mut block, name);
        string(&mut block, value);
    }
    block
}

pub(crate) fn request_block(method: &str, path: &str) -> Vec<u8> {
    block(&[
        (":method", method),
        (":scheme", "https"),
        (":authority", "a"),
        (":path", path),
    ])
}

pub(crate) fn get(stream: u32, path: &str) -> Vec<u8> {
    frame(
        HEADERS,
        END_HEADERS | END_STREAM,
        stream,
        &request_block("GET", path),
    )
}

pub(crate) fn post(stream: u32, path: &str) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, stream, &request_block("POST", path))
}

/// A connection with all that is around it.
pub(crate) struct Client {
    pub(crate) connection: Connection,
    pub(crate) now: Instant,
    /// Frames received and not looked at.
    pub(crate) frames: Vec<Frame>,
    /// Events of streams, with their payloads.
    pub(crate) events: Vec<(StreamId, Event, Vec<u8>)>,
    pub(crate) closed: Option<CloseReason>,
    wire: Vec<u8>,
    /// Most bytes of filler that the transport takes at a time.
    pub(crate) filler_piece: u64,
    /// Whether the transport takes nothing.
    pub(crate) is_blocked: bool,
}

impl Client {
    /// Before anything was said.
    pub(crate) fn silent() -> Self {
        let now = Instant::from_micros(1_000_000);
        Self {
            connection: Connection::http2_server(now, Patience::default()),
            now,
            frames: Vec::new(),
            events: Vec::new(),
            closed: None,
            wire: Vec::new(),
            filler_piece: u64::MAX,
            is_blocked: false,
        }
    }

    /// After both sides' settings were sent and acknowledged.
    pub(crate) fn greeted() -> Self {
        Self::greeted_with(&[])
    }

    /// The same with settings.
    pub(crate) fn greeted_with(settings: &[u8]) -> Self {
        let mut client = Self::silent();
        client.send(&[PREFACE, &frame(SETTINGS, 0, 0, settings)].concat());
        client.send(&frame(SETTINGS, ACK, 0, &[]));
        client.frames.clear();
        client
    }

    /// Gives the connection all of `bytes`, as it asks for them, and lets the application and the transport act.
    pub(crate) fn send(&mut self, bytes: &[u8]) {
        let mut rest = bytes;
        loop {
            self.pump();
            if rest.is_empty() {
                return;
            }
            match self.connection.receive() {
                Receive::Bytes => {
                    let piece = rest.len().min(64 * 1024);
                    self.connection.handle_input(self.now, &rest[..piece]);
                    rest = &rest[piece..];
                }
                Receive::Discard { remaining } => {
                    let count = rest
                        .len()
                        .min(usize::try_from(remaining).unwrap_or(usize::MAX));
                    self.connection.handle_discarded(self.now, count as u64);
                    rest = &rest[count..];
                }
                Receive::Header { most } => panic!("{most} bytes of a header of HTTP/2"),
                Receive::Paused => return,
            }
        }
    }

    /// Lets time pass, and whatever is due happen.
    pub(crate) fn pass(&mut self, time: std::time::Duration) {
        let until = self.now + time;
        while let Some(deadline) = self.connection.poll_timeout().filter(|at| *at <= until) {
            self.now = self.now.max(deadline);
            self.connection.handle_timeout(self.now);
            self.pump();
        }
        self.now = until;
    }

    /// What a driver does until there is nothing to do.
    pub(crate) fn pump(&mut self) {
        let mut scratch = Vec::new();
        let mut buffer = Vec::new();
        loop {
            let mut has_moved = false;
            while let Some((id, event)) = self.connection.poll_stream_event(&mut scratch) {
                self.serve(id, &event, &scratch);
                self.events.push((id, event, scratch.clone()));
                has_moved = true;
            }
            if let Some(Event::Closed(reason)) = self.connection.poll_event(&mut scratch) {
                self.closed = Some(reason);
            }
            if self.is_blocked {
                return;
            }
            buffer.clear();
            if self.connection.poll_transmit(self.now, &mut buffer) {
                self.wire.extend_from_slice(&buffer);
                self.connection
                    .handle_transmitted(self.now, buffer.len() as u64);
                has_moved = true;
            } else if let Some(filler) = self.connection.poll_filler() {
                assert!(filler.remaining > 0);
                let count = filler.remaining.min(self.filler_piece).min(1 << 18);
                match filler.layout {
                    FillerLayout::Raw => self.wire.resize(self.wire.len() + count as usize, 7),
                    FillerLayout::Http2Frames { stream } => {
                        let mut block = vec![7; 20 * 16_384];
                        stamp_http2_frames(stream, &mut block);
                        let start = filler.offset as usize;
                        self.wire
                            .extend_from_slice(&block[start..start + count as usize]);
                    }
                    other => panic!("{other:?} on HTTP/2"),
                }
                self.connection.handle_filler_sent(self.now, count);
                has_moved = true;
            }
            self.read_frames();
            if !has_moved {
                return;
            }
        }
    }

    fn read_frames(&mut self) {
        let mut rest = self.wire.as_slice();
        while rest.len() >= 9 {
            let length = u32::from_be_bytes([0, rest[0], rest[1], rest[2]]) as usize;
            assert!(length <= 16_384, "a frame larger than the peer allows");
            let Some(payload) = rest.get(9..9 + length) else {
                break;
            };
            self.frames.push(Frame {
                kind: rest[3],
                flags: rest[4],
                stream: u32::from_be_bytes([rest[5], rest[6], rest[7], rest[8]]),
                payload: payload.to_vec(),
            });
            rest = &rest[9 + length..];
        }
        self.wire = rest.to_vec();
    }

    /// The application: what it does is in the path.
    fn serve(&mut self, id: StreamId, event: &Event, payload: &[u8]) {
        let now = self.now;
        let stream = self.connection.stream_mut(id).expect("it has an event");
        let ok = ResponseHead::new(200).field("Content-Type", "text/plain");
        match event {
            Event::Request(request) => {
                let length = request.query().and_then(|query| query.parse().ok());
                match request.path() {
                    "/get" => stream.respond(now, ok, ResponseBody::Static(b"hello")),
                    "/empty" => stream.respond(now, ok, ResponseBody::Empty),
                    "/large" => {
                        let body = ResponseBody::Owned(vec![9; length.unwrap_or(0) as usize]);
                        stream.respond(now, ok, body)
                    }
                    "/download" => {
                        let body = ResponseBody::Filler { length };
                        // A field of HTTP/1 alone must not come out.
                        stream.respond(now, ok.field("Upgrade", "websocket"), body)
                    }
                    "/upload" => stream.receive_body(now, BodySink::Discard),
                    "/collect" => stream.receive_body(now, BodySink::Collect { limit_bytes: 1000 }),
                    "/never" => Ok(()),
                    _ => stream.respond(now, ResponseHead::new(404), ResponseBody::Empty),
                }
                .expect("a request is pending");
                assert!(!matches!(request.method(), Method::Options));
            }
            Event::BodyComplete { .. } => {
                let body = ResponseBody::Owned(payload.to_vec());
                stream.respond(now, ok, body).expect("not answered yet");
            }
            _ => {}
        }
    }

    // ---- what came back ----

    pub(crate) fn of(&self, kind: u8, stream: u32) -> impl Iterator<Item = &Frame> {
        self.frames
            .iter()
            .filter(move |frame| (frame.kind, frame.stream) == (kind, stream))
    }

    /// The status of a stream's response.
    pub(crate) fn status(&self, stream: u32) -> Option<u16> {
        let headers = self.of(HEADERS, stream).last()?;
        let block = headers
            .payload
            .strip_prefix(&[0x20])
            .unwrap_or(&headers.payload);
        match block.split_first()? {
            (0x88, _) => Some(200),
            (0x8c, _) => Some(400),
            (0x8d, _) => Some(404),
            (0x8e, _) => Some(500),
            (0x08, rest) => std::str::from_utf8(rest.get(1..4)?).ok()?.parse().ok(),
            _ => None,
        }
    }

    /// The body that came on a stream, and whether it ended.
    pub(crate) fn body(&self, stream: u32) -> (Vec<u8>, bool) {
        let is_end = self.frames.iter().any(|frame| {
            frame.stream == stream && frame.kind <= HEADERS && frame.flags & END_STREAM != 0
        });
        let pieces: Vec<_> = self
            .of(DATA, stream)
            .map(|frame| frame.payload.as_slice())
            .collect();
        (pieces.concat(), is_end)
    }

    /// The error code of the stream's RST_STREAM.
    pub(crate) fn reset_code(&self, stream: u32) -> Option<u32> {
        let reset = self.of(RESET, stream).next()?;
        Some(u32::from_be_bytes(
            reset.payload.as_slice().try_into().ok()?,
        ))
    }

    /// The error code of GOAWAY.
    pub(crate) fn go_away_code(&self) -> Option<u32> {
        let go_away = self.of(GO_AWAY, 0).next()?;
        Some(u32::from_be_bytes(go_away.payload[4..8].try_into().ok()?))
    }

    /// How the streams ended, in that order.
    pub(crate) fn stream_ends(&self) -> Vec<CloseReason> {
        let end = |event: &Event| match event {
            Event::Closed(reason) => Some(*reason),
            _ => None,
        };
        self.events
            .iter()
            .filter_map(|(_, event, _)| end(event))
            .collect()
    }
}
