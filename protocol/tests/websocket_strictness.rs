//! What a WebSocket says to every kind of wrong, odd and right frame and handshake, in both roles.

mod pump;

use protocol::connection::{
    BinarySink, CloseReason, Connection, Event, MessageKind, ProtocolError, Receive,
};
use protocol::limits::{
    WEBSOCKET_CLOSE_TIMEOUT, WEBSOCKET_DISCARDED_FRAME_BYTES_MAX, WEBSOCKET_MESSAGE_BYTES_MAX,
};
use protocol::websocket::Fault;
use pump::Peer;
use pump::websocket::{
    BINARY, CLOSE, FIN, MASK, NOW, PING, PONG, TEXT, UPGRADE, bare, client, closing, frame, header,
    message, options, server,
};

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
