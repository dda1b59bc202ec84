//! A driver without sockets: moves what a connection says into bytes, and bytes into a connection, as it asks.

#![expect(dead_code, reason = "every test file uses its own part")]
#![expect(unreachable_pub, reason = "a module shared by several test binaries")]

pub mod websocket;

use std::sync::OnceLock;

use protocol::connection::{Connection, Event, FillerLayout, Receive};
use protocol::time::Instant;
use protocol::websocket::stamp_filler_cycle;

/// A connection with the events it has reported.
pub struct Peer {
    pub connection: Connection,
    pub events: Vec<(Event, Vec<u8>)>,
    scratch: Vec<u8>,
}

impl Peer {
    pub fn new(connection: Connection) -> Self {
        Self {
            connection,
            events: Vec::new(),
            scratch: Vec::new(),
        }
    }

    /// The next event; also kept in `events`.
    pub fn poll(&mut self) -> Option<(Event, Vec<u8>)> {
        let event = self.connection.poll_event(&mut self.scratch)?;
        let reported = (event, self.scratch.clone());
        self.events.push(reported.clone());
        Some(reported)
    }

    /// Polls until nothing comes.
    pub fn drain(&mut self) -> Vec<Event> {
        std::iter::from_fn(|| self.poll().map(|(event, _)| event)).collect()
    }

    /// Gives the connection input as it asks for it; how much it took.
    pub fn input(&mut self, now: Instant, bytes: &[u8]) -> usize {
        match self.connection.receive() {
            Receive::Paused => 0,
            Receive::Bytes => {
                self.connection.handle_input(now, bytes);
                bytes.len()
            }
            Receive::Header { most } => {
                let count = most.min(bytes.len());
                self.connection.handle_input(now, &bytes[..count]);
                count
            }
            Receive::Discard { remaining } => {
                let count = remaining.min(bytes.len() as u64);
                self.connection.handle_discarded(now, count);
                usize::try_from(count).unwrap()
            }
        }
    }

    /// All that is to be sent, at most about `limit` bytes; events are not polled.
    pub fn output(&mut self, now: Instant, limit: usize) -> Vec<u8> {
        let mut out = Vec::new();
        while out.len() < limit {
            let mut piece = Vec::new();
            if self.connection.poll_transmit(now, &mut piece) {
                assert!(!piece.is_empty());
                self.connection.handle_transmitted(now, piece.len() as u64);
                out.extend_from_slice(&piece);
                continue;
            }
            assert!(piece.is_empty());
            let Some(filler) = self.connection.poll_filler() else {
                break;
            };
            let count = filler.remaining.min((limit - out.len()) as u64);
            assert!(count > 0);
            let cycle = cycle(filler.layout);
            let mut at = usize::try_from(filler.offset % cycle.len() as u64).unwrap();
            let end = out.len() + usize::try_from(count).unwrap();
            while out.len() < end {
                let piece = (end - out.len()).min(cycle.len() - at);
                out.extend_from_slice(&cycle[at..at + piece]);
                at = (at + piece) % cycle.len();
            }
            self.connection.handle_filler_sent(now, count);
        }
        out
    }
}

/// Two strides of a layout, stamped.
fn cycle(layout: FillerLayout) -> &'static [u8] {
    static CYCLES: OnceLock<[Vec<u8>; 3]> = OnceLock::new();
    let [raw, frames, masked] = CYCLES.get_or_init(|| {
        [
            FillerLayout::Raw,
            FillerLayout::WebSocketFrames,
            FillerLayout::MaskedWebSocketFrames,
        ]
        .map(|layout| {
            let length = layout.stride_bytes().max(500) * 2;
            let mut cycle: Vec<u8> = (0..length).map(|at| (at % 251) as u8).collect();
            stamp_filler_cycle(layout, &mut cycle);
            cycle
        })
    });
    match layout {
        FillerLayout::Raw => raw,
        FillerLayout::WebSocketFrames => frames,
        FillerLayout::MaskedWebSocketFrames => masked,
        FillerLayout::Http2Frames { .. } => panic!("no HTTP/2 here"),
    }
}

/// Lets two peers talk until neither has anything to say, cutting the stream where `cut` says (bytes of the next
/// piece). `act` is called with every event: peer 0 is the first.
pub fn converse(
    peers: &mut [Peer; 2],
    now: &mut Instant,
    mut cut: impl FnMut() -> usize,
    mut act: impl FnMut(usize, &mut Connection, Event, Vec<u8>, Instant),
) {
    let mut wires = [Vec::new(), Vec::new()];
    loop {
        let mut moved = false;
        *now = *now + std::time::Duration::from_micros(10);
        for side in 0..2 {
            while let Some((event, payload)) = peers[side].poll() {
                moved = true;
                act(side, &mut peers[side].connection, event, payload, *now);
            }
            if wires[side].len() < 200_000 {
                let out = peers[side].output(*now, cut().max(1));
                moved |= !out.is_empty();
                wires[side].extend_from_slice(&out);
            }
            let count = cut().max(1).min(wires[side].len());
            if count > 0 {
                let used = peers[1 - side].input(*now, &wires[side][..count]);
                wires[side].drain(..used);
                moved |= used > 0;
            }
            if peers[side].connection.wants_close()
                && wires[side].is_empty()
                && !peers[1 - side].connection.wants_close()
            {
                peers[1 - side].connection.handle_eof(*now);
                moved |= peers[1 - side].connection.wants_close();
            }
        }
        if !moved {
            return;
        }
    }
}
