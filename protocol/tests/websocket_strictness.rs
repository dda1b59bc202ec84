//! What a WebSocket says to every kind of wrong, odd and right frame, in both roles.
//!
//! Long because it is a list: one rule, one short test.

mod pump;

use std::time::Duration;

use protocol::connection::{
    BinarySink, CloseReason, Connection, Event, FillerLayout, MessageKind, ProtocolError, Receive,
    SendError, WebSocketOptions,
};
use protocol::limits::{
    FILLER_FRAME_PAYLOAD_BYTES, INACTIVITY_TIMEOUT, TRANSMIT_BUFFER_BYTES_MAX,
    WEBSOCKET_CLOSE_TIMEOUT, WEBSOCKET_DISCARDED_FRAME_BYTES_MAX, WEBSOCKET_MESSAGE_BYTES_MAX,
    WRITE_STALL_TIMEOUT,
};
use protocol::time::Instant;
use protocol::websocket::{FILLER_STRIDE_BYTES, Fault};
use pump::Peer;

const NOW: Instant = Instant::ORIGIN;
const MASK: [u8; 4] = [0x12, 0x34, 0x56, 0x78];
const FIN: u8 = 0x80;
const TEXT: u8 = 1;
const BINARY: u8 = 2;
const CLOSE: u8 = 8;
const PING: u8 = 9;
const PONG: u8 = 10;

const UPGRADE: &str = "GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n";

fn options(binary: BinarySink) -> WebSocketOptions {
    WebSocketOptions {
        binary,
        extra_fields: Vec::new(),
    }
}

fn server(binary: BinarySink) -> Peer {
    let mut peer = Peer::new(Connection::server(NOW));
    peer.input(NOW, UPGRADE.as_bytes());
    assert!(matches!(peer.poll(), Some((Event::Request(_), _))));
    peer.connection
        .accept_websocket(NOW, options(binary))
        .unwrap();
    assert!(peer.connection.is_websocket());
    let answer = String::from_utf8(peer.output(NOW, 999)).unwrap();
    assert_eq!(
        answer,
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
        "the example of RFC 6455, section 1.3, and no extension"
    );
    peer
}

fn client() -> Peer {
    let mut peer = Peer::new(Connection::client(NOW));
    peer.connection
        .request_websocket(
            NOW,
            "/ws",
            "a",
            *b"the sample nonce",
            options(BinarySink::Deliver),
        )
        .unwrap();
    let request = String::from_utf8(peer.output(NOW, 999)).unwrap();
    assert!(
        request.contains("Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"),
        "{request}"
    );
    assert!(!request.contains("Extensions"));
    peer.input(
        NOW,
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
          Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
    );
    assert_eq!(peer.drain(), [Event::Upgraded]);
    peer
}

fn header(first: u8, masked: bool, length: usize) -> Vec<u8> {
    let bit = if masked { 0x80 } else { 0 };
    let mut out = vec![first];
    match length {
        0..=125 => out.push(bit | length as u8),
        126..=65_535 => {
            out.push(bit | 126);
            out.extend_from_slice(&(length as u16).to_be_bytes());
        }
        _ => {
            out.push(bit | 127);
            out.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    if masked {
        out.extend_from_slice(&MASK);
    }
    out
}

/// A frame as a client sends it.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = header(first, true, payload.len());
    out.extend(
        payload
            .iter()
            .zip(MASK.iter().cycle())
            .map(|(byte, key)| byte ^ key),
    );
    out
}

/// A frame as a server sends it.
fn bare(first: u8, payload: &[u8]) -> Vec<u8> {
    [header(first, false, payload.len()), payload.to_vec()].concat()
}

fn closing(code: u16, reason: &str) -> Vec<u8> {
    [&code.to_be_bytes(), reason.as_bytes()].concat()
}

/// Asserts that `bytes` fail a server's connection with this fault and its code.
fn assert_fails(bytes: &[u8], fault: Fault) {
    assert_fails_on(&mut server(BinarySink::Deliver), bytes, fault);
}

fn assert_fails_on(peer: &mut Peer, bytes: &[u8], fault: Fault) {
    peer.input(NOW, bytes);
    let out = peer.output(NOW, 999);
    assert_eq!(
        out,
        bare(FIN | CLOSE, &closing(fault.close_code(), fault.reason())),
        "{fault:?}"
    );
    assert!(fault.reason().len() <= 123);
    assert!(
        !peer.connection.wants_close(),
        "the close frame must arrive"
    );
    assert_eq!(
        peer.connection.receive(),
        Receive::Discard {
            remaining: u64::MAX
        }
    );
    let deadline = peer.connection.poll_timeout().unwrap();
    assert!(deadline <= NOW + WEBSOCKET_CLOSE_TIMEOUT);
    peer.connection.handle_eof(NOW);
    let reason = CloseReason::ProtocolError(ProtocolError::WebSocket(fault));
    assert_eq!(peer.drain().last(), Some(&Event::Closed(reason)));
    assert!(peer.connection.wants_close());
}

fn message(peer: &mut Peer) -> (MessageKind, Vec<u8>) {
    match peer.poll() {
        Some((Event::Message(kind), payload)) => (kind, payload),
        other => panic!("no message but {other:?}"),
    }
}

#[test]
fn messages_arrive_whole_and_unmasked() {
    let mut peer = server(BinarySink::Deliver);
    peer.input(NOW, &frame(FIN | TEXT, "h\u{e9}llo".as_bytes()));
    assert_eq!(message(&mut peer), (MessageKind::Text, "h\u{e9}llo".into()));
    for length in [0, 1, 125, 126, 65_535, 65_536] {
        let payload: Vec<u8> = (0..length).map(|at| (at % 253) as u8).collect();
        peer.input(NOW, &frame(FIN | BINARY, &payload));
        assert_eq!(message(&mut peer), (MessageKind::Binary, payload));
    }
    assert_eq!(
        peer.connection.received_payload_bytes(),
        1 + 125 + 126 + 65_535 + 65_536
    );
}

#[test]
fn several_frames_in_one_input_arrive_in_order() {
    let mut peer = server(BinarySink::Deliver);
    let input = [
        frame(FIN | TEXT, b"1"),
        frame(FIN | PONG, b"2"),
        frame(FIN | TEXT, b"3"),
    ]
    .concat();
    peer.input(NOW, &input);
    assert_eq!(message(&mut peer).1, b"1");
    assert_eq!(peer.poll(), Some((Event::Pong, b"2".to_vec())));
    assert_eq!(message(&mut peer).1, b"3");
    assert_eq!(peer.poll(), None);
}

#[test]
fn fragments_are_put_together_around_control_frames() {
    let mut peer = server(BinarySink::Deliver);
    for piece in [
        frame(TEXT, b"a"),
        frame(FIN | PING, b"p"),
        frame(0, b""),
        frame(FIN, b"b"),
    ] {
        peer.input(NOW, &piece);
    }
    assert_eq!(message(&mut peer), (MessageKind::Text, b"ab".to_vec()));
    assert_eq!(peer.output(NOW, 999), bare(FIN | PONG, b"p"));
}

#[test]
fn a_ping_is_answered_and_only_the_latest_needs_to_be() {
    let mut peer = server(BinarySink::Deliver);
    let input: Vec<u8> = (0..100)
        .flat_map(|at| frame(FIN | PING, &[at; 125]))
        .collect();
    peer.input(NOW, &input);
    assert_eq!(peer.drain(), []);
    assert_eq!(peer.output(NOW, 9999), bare(FIN | PONG, &[99; 125]));
}

#[test]
fn reserved_bits_are_refused() {
    for bit in [0x40, 0x20, 0x10] {
        assert_fails(&frame(FIN | bit | TEXT, b""), Fault::ReservedBits);
    }
}

#[test]
fn reserved_opcodes_are_refused() {
    for opcode in [3, 4, 5, 6, 7, 11, 12, 13, 14, 15] {
        assert_fails(&frame(FIN | opcode, b""), Fault::ReservedOpcode);
    }
}

#[test]
fn control_frames_are_not_fragmented_and_not_long() {
    for opcode in [CLOSE, PING, PONG] {
        assert_fails(&frame(opcode, b""), Fault::FragmentedControlFrame);
        assert_fails(&frame(FIN | opcode, &[0; 126]), Fault::ControlFrameTooLong);
    }
}

#[test]
fn lengths_must_be_encoded_in_the_fewest_bytes() {
    let with = |length: &[u8]| [&[FIN | BINARY], length, &MASK].concat();
    assert_fails(&with(&[0xfe, 0, 125]), Fault::InvalidLength);
    assert_fails(
        &with(&[0xff, 0, 0, 0, 0, 0, 0, 0xff, 0xff]),
        Fault::InvalidLength,
    );
    assert_fails(
        &with(&[0xff, 0x80, 0, 0, 0, 0, 0, 0, 0]),
        Fault::InvalidLength,
    );
}

#[test]
fn a_client_must_mask_and_a_server_must_not() {
    assert_fails(&bare(FIN | TEXT, b"a"), Fault::UnmaskedClientFrame);
    let mut peer = client();
    peer.input(NOW, &frame(FIN | TEXT, b"a"));
    let out = peer.output(NOW, 999);
    assert_eq!(
        out[..2],
        [
            FIN | CLOSE,
            0x80 | (2 + Fault::MaskedServerFrame.reason().len()) as u8
        ]
    );
    peer.connection.handle_eof(NOW);
    let reason = CloseReason::ProtocolError(ProtocolError::WebSocket(Fault::MaskedServerFrame));
    assert_eq!(peer.drain(), [Event::Closed(reason)]);
}

#[test]
fn continuations_come_in_order() {
    assert_fails(&frame(FIN, b"a"), Fault::UnexpectedContinuation);
    assert_fails(&frame(0, b"a"), Fault::UnexpectedContinuation);
    let twice = [frame(TEXT, b"a"), frame(FIN | TEXT, b"b")].concat();
    assert_fails(&twice, Fault::ExpectedContinuation);
    let mixed = [frame(BINARY, b"a"), frame(TEXT, b"b")].concat();
    assert_fails_on(
        &mut server(BinarySink::Discard),
        &mixed,
        Fault::ExpectedContinuation,
    );
}

#[test]
fn close_payloads_are_checked() {
    assert_fails(&frame(FIN | CLOSE, &[3]), Fault::InvalidClosePayload);
    for code in [
        0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535,
    ] {
        assert_fails(
            &frame(FIN | CLOSE, &closing(code, "")),
            Fault::InvalidCloseCode,
        );
    }
    let reason = [&1000_u16.to_be_bytes()[..], &[0xff]].concat();
    assert_fails(&frame(FIN | CLOSE, &reason), Fault::InvalidUtf8);
}

#[test]
fn a_close_is_answered_with_its_code() {
    for code in [
        1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014, 3000, 4999,
    ] {
        let mut peer = server(BinarySink::Deliver);
        peer.input(NOW, &frame(FIN | CLOSE, &closing(code, "bye")));
        assert!(!peer.connection.wants_close(), "the answer is not written");
        assert_eq!(peer.output(NOW, 99), bare(FIN | CLOSE, &code.to_be_bytes()));
        let reason = CloseReason::PeerClosed { code: Some(code) };
        assert_eq!(peer.drain(), [Event::Closed(reason)]);
    }
    let mut peer = server(BinarySink::Deliver);
    peer.input(NOW, &frame(FIN | CLOSE, b""));
    assert_eq!(peer.output(NOW, 99), bare(FIN | CLOSE, b""));
    assert_eq!(
        peer.drain(),
        [Event::Closed(CloseReason::PeerClosed { code: None })]
    );
}

#[test]
fn text_must_be_utf8_within_and_across_fragments() {
    assert_fails(&frame(FIN | TEXT, &[0xc3]), Fault::InvalidUtf8);
    assert_fails(&frame(FIN | TEXT, &[0xed, 0xa0, 0x80]), Fault::InvalidUtf8);
    let cut = [frame(TEXT, &[0xc3]), frame(FIN, &[0x28])].concat();
    assert_fails(&cut, Fault::InvalidUtf8);
    // A fault is found before the message is whole.
    assert_fails(&frame(TEXT, &[b'a', 0xff]), Fault::InvalidUtf8);
    let mut peer = server(BinarySink::Deliver);
    let cut = [
        frame(TEXT, &[0xe2, 0x82]),
        frame(0, &[0xac]),
        frame(FIN, b"!"),
    ]
    .concat();
    peer.input(NOW, &cut);
    assert_eq!(message(&mut peer), (MessageKind::Text, "\u{20ac}!".into()));
}

#[test]
fn messages_beyond_the_bound_are_too_big() {
    let too_big = header(FIN | BINARY, true, WEBSOCKET_MESSAGE_BYTES_MAX + 1);
    assert_fails(&too_big, Fault::MessageTooBig);
    let half = vec![0; WEBSOCKET_MESSAGE_BYTES_MAX / 2 + 1];
    let fragments = [frame(BINARY, &half), frame(FIN, &half)].concat();
    assert_fails(&fragments, Fault::MessageTooBig);
    let text = header(FIN | TEXT, true, WEBSOCKET_MESSAGE_BYTES_MAX + 1);
    assert_fails_on(
        &mut server(BinarySink::Discard),
        &text,
        Fault::MessageTooBig,
    );
    let huge = usize::try_from(WEBSOCKET_DISCARDED_FRAME_BYTES_MAX + 1).unwrap();
    let huge = header(FIN | BINARY, true, huge);
    assert_fails_on(
        &mut server(BinarySink::Discard),
        &huge,
        Fault::MessageTooBig,
    );
}

#[test]
fn between_long_frames_only_a_header_is_read() {
    let mut peer = server(BinarySink::Discard);
    assert_eq!(peer.connection.receive(), Receive::Bytes);
    let long = header(FIN | BINARY, true, 65_536);
    peer.input(NOW, &long);
    let whole = Receive::Discard { remaining: 65_536 };
    assert_eq!(peer.connection.receive(), whole);
    peer.connection.handle_discarded(NOW, 65_536);
    assert_eq!(peer.connection.receive(), Receive::Header { most: 14 });
    assert_eq!(peer.input(NOW, &long[..5]), 5);
    assert_eq!(peer.connection.receive(), Receive::Header { most: 9 });
    peer.input(NOW, &long[5..]);
    assert_eq!(peer.connection.receive(), whole);
    peer.connection.handle_discarded(NOW, 65_536);
    let short = frame(FIN | BINARY, b"short");
    let taken = peer.input(NOW, &short);
    peer.input(NOW, &short[taken..]);
    assert_eq!(peer.connection.receive(), Receive::Bytes);
    assert_eq!(peer.connection.received_payload_bytes(), 2 * 65_536 + 5);
}

#[test]
fn frames_that_are_foreseen_are_thrown_away_with_the_one_before_them() {
    let mut peer = server(BinarySink::Discard);
    let long = header(FIN | BINARY, true, 65_536);
    assert!(
        !peer.connection.foresee(&long),
        "nothing is thrown away yet"
    );
    peer.input(NOW, &long);
    peer.connection.handle_discarded(NOW, 36);
    assert_eq!(peer.connection.foresight_bytes(), Some(14));
    // Cut, wrong, shorter, another message, a part of one, or a control frame: each is left to be read.
    let others = [
        long[..13].to_vec(),
        header(FIN | BINARY, false, 65_536),
        header(FIN | BINARY, true, 65_537),
        header(FIN | TEXT, true, 65_536),
        header(BINARY, true, 65_536),
        frame(FIN | PING, b""),
    ];
    for other in others {
        assert!(!peer.connection.foresee(&other), "{other:?}");
    }
    let remaining = Receive::Discard { remaining: 65_500 };
    assert_eq!(peer.connection.receive(), remaining);
    assert!(peer.connection.foresee(&long));
    assert!(peer.connection.foresee(&long));
    let remaining = 65_500 + 2 * (14 + 65_536);
    assert_eq!(peer.connection.receive(), Receive::Discard { remaining });
    // Into the second header, out of it by bytes, and through the third.
    peer.connection.handle_discarded(NOW, 65_500 + 9);
    assert_eq!(peer.connection.received_payload_bytes(), 65_536);
    let remaining = remaining - 65_500 - 9;
    assert_eq!(peer.connection.receive(), Receive::Discard { remaining });
    peer.connection
        .handle_input(NOW, &[&long[9..], &[0; 100][..]].concat());
    let remaining = remaining - 5 - 100;
    assert_eq!(peer.connection.receive(), Receive::Discard { remaining });
    peer.connection.handle_discarded(NOW, remaining);
    assert_eq!(peer.connection.received_payload_bytes(), 3 * 65_536);
    assert_eq!(peer.connection.receive(), Receive::Header { most: 14 });
    peer.input(NOW, &frame(FIN | PING, b""));
    assert_eq!(peer.output(NOW, 99), bare(FIN | PONG, b""));
}

#[test]
fn a_header_that_was_foreseen_may_be_read_all_the_same() {
    let mut peer = server(BinarySink::Discard);
    let long = header(FIN | BINARY, true, 20_000);
    peer.input(NOW, &long);
    assert!(peer.connection.foresee(&long));
    let two = [&[0; 20_000][..], &long, &[0; 20_000]].concat();
    peer.connection.handle_input(NOW, &two);
    assert_eq!(peer.connection.received_payload_bytes(), 40_000);
    assert_eq!(peer.connection.receive(), Receive::Header { most: 14 });
    // Of messages that are wanted, or of whose heads are, nothing is foreseen.
    for sink in [BinarySink::Deliver, BinarySink::Head { bytes: 16 }] {
        let mut peer = server(sink);
        peer.input(NOW, &long);
        assert_eq!(peer.connection.foresight_bytes(), None);
        assert!(!peer.connection.foresee(&long));
    }
}

#[test]
fn of_a_message_whose_head_is_wanted_the_rest_is_thrown_away() {
    let mut peer = server(BinarySink::Head { bytes: 16 });
    let message_of = |length: usize| {
        let payload: Vec<u8> = (0..length).map(|n| n as u8).collect();
        frame(FIN | BINARY, &payload)
    };
    // A header of 8 bytes, of the head 6, then the rest of it.
    let long = message_of(15_000);
    peer.input(NOW, &long[..14]);
    assert_eq!(peer.connection.receive(), Receive::Header { most: 10 });
    peer.input(NOW, &long[14..24]);
    let rest = Receive::Discard { remaining: 14_984 };
    assert_eq!(peer.connection.receive(), rest);
    assert_eq!(peer.drain(), []);
    peer.connection.handle_discarded(NOW, 14_984);
    let head: Vec<u8> = (0..16).collect();
    assert_eq!(message(&mut peer), (MessageKind::Binary, head.clone()));
    assert_eq!(peer.connection.received_payload_bytes(), 15_000);
    assert_eq!(peer.connection.receive(), Receive::Header { most: 14 + 16 });
    // Read as one piece it is the same, and what is shorter than a head is whole.
    let both = [message_of(4_500), message_of(3)].concat();
    peer.connection.handle_input(NOW, &both);
    assert_eq!(message(&mut peer), (MessageKind::Binary, head));
    assert_eq!(message(&mut peer), (MessageKind::Binary, vec![0, 1, 2]));
    assert_eq!(peer.connection.receive(), Receive::Bytes);
    assert_eq!(peer.connection.received_payload_bytes(), 19_503);
}

#[test]
fn a_head_is_put_together_from_fragments() {
    let mut peer = server(BinarySink::Head { bytes: 4 });
    let input = [
        frame(BINARY, b"ab"),
        frame(0, b"cdef"),
        frame(FIN, b"ghi"),
        frame(FIN | TEXT, b"longer than a head"),
    ]
    .concat();
    peer.connection.handle_input(NOW, &input);
    assert_eq!(message(&mut peer), (MessageKind::Binary, b"abcd".to_vec()));
    let text = b"longer than a head".to_vec();
    assert_eq!(message(&mut peer), (MessageKind::Text, text));
    assert_eq!(peer.connection.received_payload_bytes(), 9);
}

#[test]
fn discarded_messages_are_counted_to_the_byte_and_never_kept() {
    let mut peer = server(BinarySink::Discard);
    peer.input(NOW, &header(BINARY, true, 100_000));
    assert_eq!(
        peer.connection.receive(),
        Receive::Discard { remaining: 100_000 }
    );
    peer.connection.handle_discarded(NOW, 60_000);
    assert_eq!(peer.connection.received_payload_bytes(), 60_000);
    peer.connection.handle_input(NOW, &[0; 39_990]);
    assert_eq!(peer.connection.received_payload_bytes(), 99_990);
    assert_eq!(
        peer.connection.receive(),
        Receive::Header { most: 10 + 14 },
        "the rest is not worth a call of its own, and what follows is not to be copied"
    );
    let many: Vec<u8> = (0..1000)
        .flat_map(|_| [frame(0, &[1; 7]), frame(FIN | PING, b"x")].concat())
        .collect();
    let text = frame(FIN | TEXT, b"still delivered");
    let input = [&[0; 10], &many[..], &frame(FIN, b""), &text].concat();
    // Reading more is as correct.
    peer.connection.handle_input(NOW, &input);
    assert_eq!(peer.connection.received_payload_bytes(), 107_000);
    assert_eq!(
        message(&mut peer),
        (MessageKind::Text, b"still delivered".to_vec())
    );
    assert_eq!(peer.output(NOW, 99), bare(FIN | PONG, b"x"));
}

#[test]
fn a_sender_is_told_when_its_peer_reads_too_slowly() {
    let mut peer = server(BinarySink::Deliver);
    let mut sent = 0;
    while peer.connection.send_binary(NOW, &[0; 1000]).is_ok() {
        sent += 1000;
    }
    assert_eq!(
        peer.connection.send_text(NOW, &"a".repeat(1000)),
        Err(SendError::Full)
    );
    assert!(sent > TRANSMIT_BUFFER_BYTES_MAX - 10_000 && sent < TRANSMIT_BUFFER_BYTES_MAX);
    assert!(peer.connection.queued_transmit_bytes() <= TRANSMIT_BUFFER_BYTES_MAX);
    peer.output(NOW, usize::MAX);
    assert_eq!(peer.connection.queued_transmit_bytes(), 0);
    assert_eq!(peer.connection.send_text(NOW, "a"), Ok(()));
    assert_eq!(
        peer.connection.send_ping(NOW, &[0; 126]),
        Err(SendError::TooLong)
    );
}

#[test]
fn closing_waits_for_the_peer_and_not_for_ever() {
    let mut peer = server(BinarySink::Deliver);
    peer.connection.close(NOW, 1013, "full");
    assert_eq!(
        peer.connection.send_text(NOW, "late"),
        Err(SendError::Closed)
    );
    assert_eq!(
        peer.output(NOW, 99),
        bare(FIN | CLOSE, &closing(1013, "full"))
    );
    // Messages that were under way are read and dropped.
    peer.input(NOW, &frame(FIN | TEXT, b"under way"));
    peer.input(NOW, &frame(FIN | PING, b"under way"));
    assert_eq!((peer.drain(), peer.output(NOW, 99)), (vec![], vec![]));
    peer.input(NOW, &frame(FIN | CLOSE, &closing(1000, "")));
    assert_eq!(peer.drain(), [Event::Closed(CloseReason::Local(1013))]);

    let mut peer = server(BinarySink::Deliver);
    peer.connection.close(NOW, 1001, &"\u{e9}".repeat(100));
    let out = peer.output(NOW, 999);
    assert_eq!(out.len(), 2 + 2 + 122, "the reason is cut at a character");
    peer.connection
        .handle_timeout(NOW + WEBSOCKET_CLOSE_TIMEOUT);
    assert_eq!(peer.drain(), [Event::Closed(CloseReason::CloseTimeout)]);
}

#[test]
fn a_peer_that_goes_without_a_close_has_vanished() {
    let mut peer = server(BinarySink::Deliver);
    let input = [frame(FIN | TEXT, b"1"), frame(FIN | TEXT, b"2"), vec![FIN]].concat();
    peer.input(NOW, &input);
    peer.connection.handle_eof(NOW);
    assert_eq!(message(&mut peer).1, b"1");
    assert_eq!(message(&mut peer).1, b"2");
    assert_eq!(peer.drain(), [Event::Closed(CloseReason::PeerVanished)]);
}

#[test]
fn a_close_that_came_with_the_end_of_the_stream_is_a_close() {
    let mut peer = server(BinarySink::Deliver);
    let input = [frame(FIN | TEXT, b"1"), frame(FIN | CLOSE, b"")].concat();
    peer.input(NOW, &input);
    peer.connection.handle_eof(NOW);
    assert_eq!(message(&mut peer).1, b"1");
    peer.drain();
    peer.output(NOW, 99);
    assert_eq!(
        peer.drain(),
        [Event::Closed(CloseReason::PeerClosed { code: None })]
    );
}

#[test]
fn inactivity_and_a_stalled_peer_end_a_connection() {
    let mut peer = server(BinarySink::Deliver);
    peer.connection.handle_timeout(NOW + Duration::from_secs(2));
    assert_eq!(
        peer.connection.poll_timeout(),
        Some(NOW + INACTIVITY_TIMEOUT)
    );
    peer.connection.handle_timeout(NOW + INACTIVITY_TIMEOUT);
    assert_eq!(peer.output(NOW, 99)[..4], [FIN | CLOSE, 24, 3, 0xe9]);
    peer.connection.handle_eof(NOW);
    assert_eq!(
        peer.drain(),
        [Event::Closed(CloseReason::InactivityTimeout)]
    );

    let mut peer = server(BinarySink::Deliver);
    peer.connection.send_text(NOW, "unread").unwrap();
    assert_eq!(
        peer.connection.poll_timeout(),
        Some(NOW + WRITE_STALL_TIMEOUT)
    );
    peer.connection.handle_timeout(NOW + WRITE_STALL_TIMEOUT);
    assert_eq!(peer.drain(), [Event::Closed(CloseReason::WriteStalled)]);
    assert!(peer.output(NOW, 99).is_empty());
}

#[test]
fn a_quiet_connection_gives_its_buffers_back() {
    let mut peer = server(BinarySink::Deliver);
    peer.connection.send_binary(NOW, &[0; 5000]).unwrap();
    peer.output(NOW, usize::MAX);
    let release = peer.connection.poll_timeout().unwrap();
    assert!(release < NOW + INACTIVITY_TIMEOUT);
    peer.connection.handle_timeout(release);
    assert_eq!(
        peer.connection.poll_timeout(),
        Some(NOW + INACTIVITY_TIMEOUT)
    );
}

#[test]
fn filler_is_whole_frames_and_one_shorter() {
    let tail = 1234;
    let mut peer = server(BinarySink::Deliver);
    let payload = 2 * FILLER_FRAME_PAYLOAD_BYTES + tail;
    peer.connection.send_filler(NOW, Some(payload)).unwrap();
    assert_eq!(peer.connection.send_filler(NOW, None), Err(SendError::Busy));
    let filler = peer.connection.poll_filler().unwrap();
    assert_eq!(filler.layout, FillerLayout::WebSocketFrames);
    assert_eq!(
        (filler.offset, filler.remaining),
        (0, 2 * FILLER_STRIDE_BYTES)
    );
    let out = peer.output(NOW, usize::MAX);
    assert_eq!(out.len() as u64, 2 * FILLER_STRIDE_BYTES + 4 + tail);
    let stride = usize::try_from(FILLER_STRIDE_BYTES).unwrap();
    for start in [0, stride] {
        assert_eq!(out[start..start + 10], [0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
    }
    assert_eq!(out[2 * stride..2 * stride + 4], [0x82, 126, 4, 210]);
    assert_eq!(peer.connection.sent_payload_bytes(), payload);
    assert_eq!(peer.drain(), [Event::FillerSent]);
}

#[test]
fn no_filler_at_all_is_sent_at_once() {
    let mut peer = server(BinarySink::Deliver);
    peer.connection.send_filler(NOW, Some(0)).unwrap();
    assert_eq!(peer.drain(), [Event::FillerSent]);
    assert!(peer.output(NOW, 99).is_empty());
}

#[test]
fn messages_go_between_filler_frames_and_never_into_them() {
    let mut peer = server(BinarySink::Deliver);
    peer.connection.send_filler(NOW, None).unwrap();
    let stride = usize::try_from(FILLER_STRIDE_BYTES).unwrap();
    assert_eq!(peer.output(NOW, 100).len(), 100);
    peer.connection.send_text(NOW, "now").unwrap();
    peer.input(NOW, &frame(FIN | PING, b""));
    assert!(!peer.connection.poll_transmit(NOW, &mut Vec::new()));
    let filler = peer.connection.poll_filler().unwrap();
    assert_eq!(
        (filler.offset, filler.remaining),
        (100, FILLER_STRIDE_BYTES - 100)
    );
    let out = peer.output(NOW, stride - 100 + 1);
    let expected = [bare(FIN | TEXT, b"now"), bare(FIN | PONG, b"")].concat();
    assert_eq!(out[stride - 100..], expected);
    assert_eq!(
        peer.connection.poll_filler().unwrap().offset,
        FILLER_STRIDE_BYTES
    );
}

#[test]
fn a_message_never_gets_between_the_last_header_and_its_payload() {
    let mut peer = server(BinarySink::Deliver);
    peer.connection.send_filler(NOW, Some(500)).unwrap();
    let mut out = Vec::new();
    assert!(peer.connection.poll_transmit(NOW, &mut out));
    assert_eq!(out, [0x82, 126, 1, 244]);
    peer.connection.send_text(NOW, "late").unwrap();
    assert!(!peer.connection.poll_transmit(NOW, &mut out));
    assert_eq!(
        peer.connection.poll_filler(),
        None,
        "the header is not written"
    );
    peer.connection.handle_transmitted(NOW, 4);
    let filler = peer.connection.poll_filler().unwrap();
    assert_eq!((filler.layout, filler.remaining), (FillerLayout::Raw, 500));
    peer.connection.handle_filler_sent(NOW, 500);
    assert_eq!(peer.output(NOW, 99), bare(FIN | TEXT, b"late"));
    assert_eq!(peer.connection.sent_payload_bytes(), 500);
}

#[test]
fn a_close_from_either_side_ends_filler_at_the_next_frame() {
    let stride = usize::try_from(FILLER_STRIDE_BYTES).unwrap();
    for is_ours in [true, false] {
        let mut peer = server(BinarySink::Deliver);
        peer.connection
            .send_filler(NOW, Some(10 * FILLER_FRAME_PAYLOAD_BYTES + 1))
            .unwrap();
        peer.output(NOW, stride + 5);
        if is_ours {
            peer.connection.close(NOW, 1000, "");
        } else {
            peer.input(NOW, &frame(FIN | CLOSE, &closing(1000, "")));
        }
        let out = peer.output(NOW, usize::MAX);
        assert_eq!(out.len(), stride - 5 + 4);
        assert_eq!(out[stride - 5..], bare(FIN | CLOSE, &closing(1000, "")));
        assert_eq!(
            peer.connection.sent_payload_bytes(),
            2 * FILLER_FRAME_PAYLOAD_BYTES
        );
        if is_ours {
            peer.input(NOW, &frame(FIN | CLOSE, b""));
        }
        assert_eq!(peer.drain().len(), 2, "filler sent, and closed");
        assert!(peer.connection.wants_close());
    }
}

#[test]
fn stopped_filler_ends_with_its_frame() {
    let mut peer = server(BinarySink::Deliver);
    peer.connection.send_filler(NOW, None).unwrap();
    peer.output(NOW, 1);
    peer.connection.stop_filler(NOW);
    assert_eq!(peer.poll(), None);
    assert_eq!(
        peer.output(NOW, usize::MAX).len() as u64,
        FILLER_STRIDE_BYTES - 1
    );
    assert_eq!(peer.drain(), [Event::FillerSent]);
    peer.connection.send_filler(NOW, None).unwrap();
    assert_eq!(
        peer.connection.poll_filler().unwrap().offset,
        FILLER_STRIDE_BYTES
    );
}

#[test]
fn a_client_masks_filler_with_keys_in_the_payload_file() {
    let mut peer = client();
    peer.connection
        .send_filler(NOW, Some(FILLER_FRAME_PAYLOAD_BYTES + 9))
        .unwrap();
    let out = peer.output(NOW, usize::MAX);
    let stride = usize::try_from(FillerLayout::MaskedWebSocketFrames.stride_bytes()).unwrap();
    assert_eq!(out[..10], [0x82, 0xff, 0, 0, 0, 0, 0, 1, 0, 0]);
    assert_eq!(out[stride..stride + 2], [0x82, 0x80 | 9]);
    assert_eq!(out.len(), stride + 6 + 9);
    let mut receiver = server(BinarySink::Discard);
    receiver.input(NOW, &out[..100_000 / 2]);
    receiver.connection.handle_input(NOW, &out[50_000..]);
    assert_eq!(
        receiver.connection.received_payload_bytes(),
        FILLER_FRAME_PAYLOAD_BYTES + 9
    );
}

#[test]
fn a_client_refuses_a_handshake_that_proves_nothing() {
    let good = "HTTP/1.1 101 X\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    for (from, to) in [
        ("s3pP", "s3pQ"),
        ("Upgrade: websocket\r\n", ""),
        ("Connection: Upgrade\r\n", ""),
        (
            "\r\n\r\n",
            "\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
        ),
        ("\r\n\r\n", "\r\nSec-WebSocket-Protocol: x\r\n\r\n"),
    ] {
        let mut peer = Peer::new(Connection::client(NOW));
        let nonce = *b"the sample nonce";
        peer.connection
            .request_websocket(NOW, "/", "a", nonce, options(BinarySink::Deliver))
            .unwrap();
        peer.output(NOW, 999);
        peer.input(NOW, good.replace(from, to).as_bytes());
        let fault = protocol::http1::Fault::InvalidUpgrade;
        let reason = CloseReason::ProtocolError(ProtocolError::Http(fault));
        assert_eq!(peer.drain(), [Event::Closed(reason)]);
    }
}

#[test]
fn frames_that_came_with_the_handshake_are_not_lost() {
    let mut peer = Peer::new(Connection::server(NOW));
    peer.input(
        NOW,
        &[UPGRADE.as_bytes(), &frame(FIN | TEXT, b"early")].concat(),
    );
    assert!(matches!(peer.poll(), Some((Event::Request(_), _))));
    peer.connection
        .accept_websocket(NOW, options(BinarySink::Deliver))
        .unwrap();
    assert_eq!(message(&mut peer).1, b"early");
}
