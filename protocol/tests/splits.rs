//! However a stream is cut, the same things happen; and random bytes do no harm.

mod pump;

use proptest::collection::vec;
use proptest::prelude::*;

use protocol::connection::{
    BinarySink, BodySink, Connection, Event, Receive, RequestBody, ResponseBody, WebSocketOptions,
};
use protocol::http1::{BodyLength, Method, RequestHead, ResponseHead};
use protocol::limits::{RECEIVE_BUFFER_BYTES_MAX, WEBSOCKET_MESSAGE_BYTES_MAX};
use protocol::time::Instant;
use pump::Peer;

const NOW: Instant = Instant::ORIGIN;

/// The piece lengths to cut a stream by, used over and over.
fn cuts() -> impl Strategy<Value = Vec<usize>> {
    vec(prop_oneof![1..4_usize, 1..100_usize, 1..5000_usize], 1..20)
}

/// Feeds all of `stream` in pieces while `act` plays the application; the events with their payloads.
fn feed(
    peer: &mut Peer,
    stream: &[u8],
    cuts: &[usize],
    act: impl Fn(&mut Connection, &Event),
) -> Vec<(Event, Vec<u8>)> {
    let mut rest = stream;
    let mut cuts = cuts.iter().cycle();
    let mut events = Vec::new();
    loop {
        while let Some((event, payload)) = peer.poll() {
            act(&mut peer.connection, &event);
            events.push((event, payload));
        }
        peer.output(NOW, usize::MAX);
        if let Some((event, payload)) = peer.poll() {
            act(&mut peer.connection, &event);
            events.push((event, payload));
            continue;
        }
        if rest.is_empty() {
            return events;
        }
        let count = cuts.next().copied().unwrap_or(1).min(rest.len());
        let used = peer.input(NOW, &rest[..count]);
        if used == 0 {
            return events;
        }
        rest = &rest[used..];
    }
}

#[derive(Clone, Debug)]
enum Sent {
    Get { body: Option<u16> },
    Upload { length: u32 },
    Chunked { chunks: Vec<u16>, collect: bool },
}

fn sent() -> impl Strategy<Value = Sent> {
    prop_oneof![
        proptest::option::of(0..500_u16).prop_map(|body| Sent::Get { body }),
        (0..100_000_u32).prop_map(|length| Sent::Upload { length }),
        (vec(1..3000_u16, 0..6), any::<bool>())
            .prop_map(|(chunks, collect)| Sent::Chunked { chunks, collect }),
    ]
}

fn write_request(out: &mut Vec<u8>, sent: &Sent) {
    match sent {
        Sent::Get { body } => {
            out.extend_from_slice(b"GET /get HTTP/1.1\r\nHost: a\r\n");
            if let Some(length) = body {
                out.extend_from_slice(format!("Content-Length: {length}\r\n").as_bytes());
            }
            out.extend_from_slice(b"\r\n");
            out.extend(std::iter::repeat_n(b'G', usize::from(body.unwrap_or(0))));
        }
        Sent::Upload { length } => {
            let head =
                format!("PUT /upload HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n");
            out.extend_from_slice(head.as_bytes());
            out.extend(std::iter::repeat_n(b'\n', *length as usize));
        }
        Sent::Chunked { chunks, collect } => {
            let path = if *collect { "collect" } else { "upload" };
            let head =
                format!("POST /{path} HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n");
            out.extend_from_slice(head.as_bytes());
            for &length in chunks {
                out.extend_from_slice(format!("{length:x};x=y\r\n").as_bytes());
                out.extend((0..length).map(|at| at as u8));
                out.extend_from_slice(b"\r\n");
            }
            out.extend_from_slice(b"0\r\nA: b\r\n\r\n");
        }
    }
}

fn serve(connection: &mut Connection, event: &Event) {
    let answer = |connection: &mut Connection| {
        let body = ResponseBody::Owned(vec![b'x'; 10]);
        connection
            .respond(NOW, ResponseHead::new(200), body)
            .unwrap();
    };
    match event {
        Event::Request(request) => match request.path() {
            "/upload" => connection.receive_body(NOW, BodySink::Discard).unwrap(),
            "/collect" => {
                let limit_bytes = usize::MAX;
                let sink = BodySink::Collect { limit_bytes };
                connection.receive_body(NOW, sink).unwrap();
            }
            _ => answer(connection),
        },
        Event::BodyComplete { .. } => answer(connection),
        _ => {}
    }
}

const UPGRADE: &[u8] =
    b"GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

fn open_websocket(binary: BinarySink) -> Peer {
    let mut peer = Peer::new(Connection::server(NOW));
    peer.input(NOW, UPGRADE);
    peer.poll();
    let options = WebSocketOptions {
        binary,
        extra_fields: Vec::new(),
    };
    peer.connection.accept_websocket(NOW, options).unwrap();
    peer.output(NOW, usize::MAX);
    peer.events.clear();
    peer
}

#[derive(Clone, Debug)]
struct Message {
    is_text: bool,
    payload: String,
    fragments: usize,
    ping_after_first: bool,
    mask: [u8; 4],
}

fn sent_message() -> impl Strategy<Value = Message> {
    (
        any::<bool>(),
        "\\PC{0,60}",
        1..4_usize,
        any::<bool>(),
        any::<[u8; 4]>(),
        1..200_usize,
    )
        .prop_map(
            |(is_text, payload, fragments, ping_after_first, mask, repeat)| Message {
                is_text,
                payload: payload.repeat(repeat),
                fragments,
                ping_after_first,
                mask,
            },
        )
}

fn write_message(out: &mut Vec<u8>, message: &Message) {
    let payload = message.payload.as_bytes();
    let size = payload.len().div_ceil(message.fragments).max(1);
    let pieces: Vec<&[u8]> = if payload.is_empty() {
        vec![b""]
    } else {
        payload.chunks(size).collect()
    };
    for (at, piece) in pieces.iter().enumerate() {
        let opcode = match (at, message.is_text) {
            (0, true) => 1,
            (0, false) => 2,
            _ => 0,
        };
        let is_final = at + 1 == pieces.len();
        write_frame(
            out,
            if is_final { 0x80 | opcode } else { opcode },
            piece,
            message.mask,
        );
        if at == 0 && message.ping_after_first {
            write_frame(out, 0x8a, b"pong", message.mask);
        }
    }
}

fn write_frame(out: &mut Vec<u8>, first: u8, payload: &[u8], mask: [u8; 4]) {
    out.push(first);
    match payload.len() {
        length @ 0..=125 => out.push(0x80 | length as u8),
        length @ 126..=65_535 => {
            out.push(0xfe);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        length => {
            out.push(0xff);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    out.extend_from_slice(&mask);
    out.extend(
        payload
            .iter()
            .zip(mask.iter().cycle())
            .map(|(byte, key)| byte ^ key),
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn pipelined_requests_do_not_depend_on_cuts(requests in vec(sent(), 1..6), cuts in cuts()) {
        let mut stream = Vec::new();
        for request in &requests {
            write_request(&mut stream, request);
        }
        let mut whole = Peer::new(Connection::server(NOW));
        let mut cut = Peer::new(Connection::server(NOW));
        let expected = feed(&mut whole, &stream, &[usize::MAX], serve);
        let events = feed(&mut cut, &stream, &cuts, serve);
        prop_assert_eq!(&events, &expected);
        let answered = events.iter().filter(|(event, _)| *event == Event::ResponseSent).count();
        prop_assert_eq!(answered, requests.len());
        prop_assert_eq!(
            cut.connection.received_payload_bytes(),
            whole.connection.received_payload_bytes()
        );
    }

    #[test]
    fn responses_do_not_depend_on_cuts(lengths in vec(0..40_000_u32, 1..4), cuts in cuts()) {
        let ask = |connection: &mut Connection, event: &Event| {
            if let Event::BodyComplete { .. } = event {
                ask_again(connection);
            }
        };
        let mut peer = Peer::new(Connection::client(NOW));
        ask_again(&mut peer.connection);
        for length in lengths {
            let mut stream = b"HTTP/1.1 100 Continue\r\n\r\n".to_vec();
            let head = if length.is_multiple_of(2) {
                format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n")
            } else {
                format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{length:X}\r\n")
            };
            stream.extend_from_slice(head.as_bytes());
            stream.extend(std::iter::repeat_n(b'\r', length as usize));
            if length % 2 == 1 {
                stream.extend_from_slice(b"\r\n0\r\n\r\n");
            }
            let events = feed(&mut peer, &stream, &cuts, ask);
            prop_assert_eq!(events.len(), 2);
            let is_right = matches!(events[1].0, Event::BodyComplete { bytes, .. } if bytes == u64::from(length));
            prop_assert!(is_right, "{:?}", events);
        }
    }

    #[test]
    fn messages_do_not_depend_on_cuts(messages in vec(sent_message(), 1..8), cuts in cuts()) {
        let mut stream = Vec::new();
        for message in &messages {
            write_message(&mut stream, message);
        }
        for binary in [BinarySink::Deliver, BinarySink::Discard] {
            let mut peer = open_websocket(binary);
            let mut whole = open_websocket(binary);
            let events = feed(&mut peer, &stream, &cuts, |_, _| {});
            let expected = feed(&mut whole, &stream, &[usize::MAX], |_, _| {});
            prop_assert_eq!(&events, &expected);
            let delivered: Vec<&[u8]> = events
                .iter()
                .filter(|(event, _)| matches!(event, Event::Message(_)))
                .map(|(_, payload)| payload.as_slice())
                .collect();
            let sent: Vec<&[u8]> = messages
                .iter()
                .filter(|message| message.is_text || binary == BinarySink::Deliver)
                .map(|message| message.payload.as_bytes())
                .collect();
            prop_assert_eq!(delivered, sent);
            let binary_bytes: usize = messages
                .iter()
                .filter(|message| !message.is_text)
                .map(|message| message.payload.len())
                .sum();
            prop_assert_eq!(peer.connection.received_payload_bytes(), binary_bytes as u64);
        }
    }

    #[test]
    fn random_bytes_do_no_harm(bytes in vec(any::<u8>(), 0..3000), cuts in cuts(), kind in 0..4_u8) {
        let mut peer = match kind {
            0 => Peer::new(Connection::server(NOW)),
            1 => {
                let mut peer = Peer::new(Connection::client(NOW));
                ask_again(&mut peer.connection);
                peer
            }
            2 => open_websocket(BinarySink::Deliver),
            _ => open_websocket(BinarySink::Discard),
        };
        feed(&mut peer, &bytes, &cuts, serve_anything);
        assert_bounded(&peer);
        peer.connection.handle_eof(NOW);
        feed(&mut peer, &[], &[1], serve_anything);
        assert_bounded(&peer);
    }

    #[test]
    fn almost_valid_requests_do_no_harm(
        requests in vec(sent(), 1..4),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cuts in cuts(),
    ) {
        let mut stream = Vec::new();
        for request in &requests {
            write_request(&mut stream, request);
        }
        for (index, byte) in damage {
            let at = index.index(stream.len());
            stream[at] = byte;
        }
        let mut peer = Peer::new(Connection::server(NOW));
        feed(&mut peer, &stream, &cuts, serve_anything);
        assert_bounded(&peer);
    }

    #[test]
    fn almost_valid_messages_do_no_harm(
        messages in vec(sent_message(), 1..4),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cuts in cuts(),
    ) {
        let mut stream = Vec::new();
        for message in &messages {
            write_message(&mut stream, message);
        }
        for (index, byte) in damage {
            let at = index.index(stream.len());
            stream[at] = byte;
        }
        let mut peer = open_websocket(BinarySink::Deliver);
        feed(&mut peer, &stream, &cuts, |_, _| {});
        assert_bounded(&peer);
    }
}

fn ask_again(connection: &mut Connection) {
    let head = RequestHead::new(Method::Get, "/", "a");
    connection
        .request(NOW, head, RequestBody::Empty, BodySink::Discard)
        .unwrap();
}

/// An application that answers whatever it is asked and never fails.
fn serve_anything(connection: &mut Connection, event: &Event) {
    match event {
        Event::Request(request) if request.body() == BodyLength::Chunked => {
            let sink = BodySink::Collect {
                limit_bytes: WEBSOCKET_MESSAGE_BYTES_MAX,
            };
            let _ = connection.receive_body(NOW, sink);
        }
        Event::Request(_) | Event::BodyComplete { .. } => {
            let _ = connection.respond(NOW, ResponseHead::new(200), ResponseBody::Empty);
        }
        _ => {}
    }
}

fn assert_bounded(peer: &Peer) {
    assert!(peer.connection.queued_transmit_bytes() < RECEIVE_BUFFER_BYTES_MAX);
    if peer.connection.wants_close() {
        assert_eq!(peer.connection.receive(), Receive::Paused);
        let ends = peer
            .events
            .iter()
            .filter(|(event, _)| matches!(event, Event::Closed(_)));
        assert_eq!(ends.count(), 1, "the end is told once");
    }
}
