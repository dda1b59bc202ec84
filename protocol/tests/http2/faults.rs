//! What a peer gets wrong, and the error that it gets for it: RFC 9113, section by section.

use protocol::connection::{CloseReason, ProtocolError};
use protocol::http2::Fault;

use crate::client::{
    ACK, CONTINUATION, Client, DATA, END_HEADERS, END_STREAM, GO_AWAY, HEADERS, PADDED, PING,
    PREFACE, PRIORITY, PUSH, RESET, SETTINGS, WINDOW, block, frame, get, post, request_block,
    setting, window_update,
};

const NO_ERROR: u32 = 0;
const PROTOCOL: u32 = 1;
const FLOW_CONTROL: u32 = 3;
const STREAM_CLOSED: u32 = 5;
const FRAME_SIZE: u32 = 6;
const COMPRESSION: u32 = 9;

/// Asserts that `bytes` end a fresh connection with this error, which is told and then lingered over.
fn assert_ends(bytes: &[u8], code: u32, fault: Fault) {
    assert_ends_after(Client::greeted(), bytes, code, fault);
}

fn assert_ends_after(mut client: Client, bytes: &[u8], code: u32, fault: Fault) {
    client.send(bytes);
    assert_eq!(client.go_away_code(), Some(code), "{fault:?}");
    let debug = &client.of(GO_AWAY, 0).next().unwrap().payload[8..];
    assert_eq!(debug, fault.message().as_bytes());
    assert!(client.connection.wants_shutdown());
    client.connection.handle_eof(client.now);
    client.pump();
    let reason = CloseReason::ProtocolError(ProtocolError::Http2(fault));
    assert_eq!(client.closed, Some(reason));
}

/// Asserts that `bytes` reset stream 1 with this error, and that the connection goes on.
fn assert_resets(bytes: &[u8], code: u32) {
    let mut client = Client::greeted();
    client.send(bytes);
    assert_eq!(client.reset_code(1), Some(code));
    client.send(&get(101, "/get"));
    assert_eq!(client.status(101), Some(200));
    assert_eq!(client.go_away_code(), None);
}

#[test]
fn a_connection_begins_with_its_preface_and_settings() {
    let garbage = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_ends_after(Client::silent(), garbage, PROTOCOL, Fault::InvalidPreface);
    for first in [frame(PING, 0, 0, &[0; 8]), frame(SETTINGS, ACK, 0, &[])] {
        let bytes = [PREFACE, &first].concat();
        assert_ends_after(Client::silent(), &bytes, PROTOCOL, Fault::InvalidPreface);
    }
}

#[test]
fn frames_have_their_lengths() {
    let frames = [
        (frame(PING, 0, 0, &[0; 7]), Fault::InvalidFrameLength),
        (frame(SETTINGS, 0, 0, &[0; 5]), Fault::InvalidFrameLength),
        (frame(SETTINGS, ACK, 0, &[0; 6]), Fault::InvalidFrameLength),
        (frame(WINDOW, 0, 0, &[0; 3]), Fault::InvalidFrameLength),
        (frame(GO_AWAY, 0, 0, &[0; 7]), Fault::InvalidFrameLength),
        (frame(DATA, 0, 1, &vec![0; 16_385]), Fault::FrameTooLarge),
        (frame(HEADERS, 0, 1, &vec![0; 16_385]), Fault::FrameTooLarge),
    ];
    for (bytes, fault) in frames {
        assert_ends(&bytes, FRAME_SIZE, fault);
    }
    let reset = [get(1, "/get"), frame(RESET, 0, 1, &[0; 3])].concat();
    assert_ends(&reset, FRAME_SIZE, Fault::InvalidFrameLength);
    assert_resets(
        &[post(1, "/upload"), frame(PRIORITY, 0, 1, &[0; 4])].concat(),
        FRAME_SIZE,
    );
}

#[test]
fn frames_are_on_their_streams() {
    for bytes in [
        frame(DATA, 0, 0, b"x"),
        frame(HEADERS, END_HEADERS, 0, &request_block("GET", "/")),
        frame(PRIORITY, 0, 0, &[0; 5]),
        frame(RESET, 0, 0, &[0; 4]),
        frame(SETTINGS, 0, 1, &[]),
        frame(PING, 0, 1, &[0; 8]),
        frame(GO_AWAY, 0, 1, &[0; 8]),
    ] {
        assert_ends(&bytes, PROTOCOL, Fault::WrongStream);
    }
}

#[test]
fn streams_that_were_never_opened_are_unknown() {
    for bytes in [
        frame(DATA, 0, 1, b"x"),
        frame(DATA, 0, 2, b"x"),
        frame(RESET, 0, 1, &[0; 4]),
        window_update(1, 5),
        window_update(2, 5),
        frame(HEADERS, END_HEADERS, 2, &request_block("GET", "/")),
    ] {
        assert_ends(&bytes, PROTOCOL, Fault::UnknownStream);
    }
}

#[test]
fn closed_streams_take_nothing() {
    for bytes in [frame(DATA, 0, 1, b"x"), get(1, "/get")] {
        let mut client = Client::greeted();
        client.send(&get(1, "/get"));
        assert_eq!(client.body(1), (b"hello".to_vec(), true));
        assert_ends_after(client, &bytes, STREAM_CLOSED, Fault::ClosedStream);
    }
    // One that was skipped is closed, too.
    let skipped = [get(5, "/download"), get(3, "/get")].concat();
    assert_ends(&skipped, STREAM_CLOSED, Fault::ClosedStream);
    // Half closed.
    assert_resets(
        &[get(1, "/download"), frame(DATA, 0, 1, b"x")].concat(),
        STREAM_CLOSED,
    );
    assert_resets(
        &[get(1, "/download"), get(1, "/download")].concat(),
        STREAM_CLOSED,
    );
}

#[test]
fn a_header_block_is_not_interrupted() {
    let half = frame(HEADERS, 0, 1, &request_block("GET", "/get"));
    for next in [
        frame(PING, 0, 0, &[0; 8]),
        frame(DATA, 0, 1, b""),
        frame(0xbe, 0, 0, b""),
        frame(CONTINUATION, END_HEADERS, 3, b""),
    ] {
        let bytes = [half.clone(), next].concat();
        assert_ends(&bytes, PROTOCOL, Fault::InterruptedHeaders);
    }
    let alone = frame(CONTINUATION, END_HEADERS, 1, b"");
    assert_ends(&alone, PROTOCOL, Fault::InterruptedHeaders);
}

#[test]
fn padding_is_shorter_than_its_frame() {
    let data = [post(1, "/upload"), frame(DATA, PADDED, 1, &[2, b'x'])].concat();
    assert_ends(&data, PROTOCOL, Fault::InvalidPadding);
    let headers = frame(HEADERS, END_HEADERS | PADDED, 1, &[2, 0x82]);
    assert_ends(&headers, PROTOCOL, Fault::InvalidPadding);
    let empty = frame(HEADERS, END_HEADERS | PADDED, 1, &[]);
    assert_ends(&empty, FRAME_SIZE, Fault::InvalidFrameLength);
}

#[test]
fn blocks_are_hpack() {
    for bad in [
        &[0x80][..],
        &[0xff, 0xff, 0xff, 0xff, 0xff, 0x7f],
        &[0x00, 0x05],
        &[0xbe],
    ] {
        let headers = frame(HEADERS, END_HEADERS, 1, bad);
        assert_ends(&headers, COMPRESSION, Fault::InvalidHeaderBlock);
    }
}

#[test]
fn malformed_requests_reset_their_stream_alone() {
    let request = |extra: &[(&str, &str)]| {
        let fields = [
            (":method", "POST"),
            (":scheme", "https"),
            (":authority", "a"),
            (":path", "/upload"),
        ];
        frame(
            HEADERS,
            END_HEADERS,
            1,
            &block(&[&fields[..], extra].concat()),
        )
    };
    assert_resets(&request(&[("Upper", "case")]), PROTOCOL);
    assert_resets(&request(&[("connection", "keep-alive")]), PROTOCOL);
    assert_resets(&request(&[(":protocol", "websocket")]), PROTOCOL);
    assert_resets(&request(&[("x", "a\r\nb: c")]), PROTOCOL);
    // A body that is not as long as it was said to be.
    let announced = request(&[("content-length", "5")]);
    let short = frame(DATA, END_STREAM, 1, b"four");
    let long = frame(DATA, 0, 1, b"sixsix");
    assert_resets(&[announced.clone(), short].concat(), PROTOCOL);
    assert_resets(&[announced, long].concat(), PROTOCOL);
    // Trailers that do not end the stream, or speak of a request.
    let trailers = frame(HEADERS, END_HEADERS, 1, &block(&[("a", "b")]));
    assert_resets(&[post(1, "/upload"), trailers].concat(), PROTOCOL);
    let pseudo = frame(
        HEADERS,
        END_HEADERS | END_STREAM,
        1,
        &block(&[(":path", "/")]),
    );
    assert_resets(&[post(1, "/upload"), pseudo].concat(), PROTOCOL);
}

#[test]
fn what_was_sent_before_a_reset_was_seen_is_ignored() {
    let mut client = Client::greeted();
    let malformed = frame(HEADERS, END_HEADERS, 1, &block(&[(":method", "POST")]));
    client.send(&malformed);
    assert_eq!(client.reset_code(1), Some(PROTOCOL));
    client.send(
        &[
            frame(DATA, 0, 1, &[0; 5000]),
            window_update(1, 5),
            frame(HEADERS, END_HEADERS | END_STREAM, 1, &block(&[("a", "b")])),
            frame(RESET, 0, 1, &[0, 0, 0, 8]),
            get(3, "/get"),
        ]
        .concat(),
    );
    assert_eq!((client.status(3), client.go_away_code()), (Some(200), None));
}

#[test]
fn settings_and_updates_are_held_to_their_ranges() {
    assert_ends(
        &frame(SETTINGS, 0, 0, &setting(2, 2)),
        PROTOCOL,
        Fault::InvalidSetting,
    );
    assert_ends(
        &frame(SETTINGS, 0, 0, &setting(5, 1)),
        PROTOCOL,
        Fault::InvalidSetting,
    );
    assert_ends(
        &frame(SETTINGS, 0, 0, &setting(4, 1 << 31)),
        FLOW_CONTROL,
        Fault::WindowOverflow,
    );
    assert_ends(&window_update(0, 0), PROTOCOL, Fault::EmptyWindowUpdate);
    assert_ends(
        &window_update(0, 0x7fff_ffff),
        FLOW_CONTROL,
        Fault::WindowOverflow,
    );
    assert_resets(
        &[post(1, "/upload"), window_update(1, 0)].concat(),
        PROTOCOL,
    );
    assert_resets(
        &[post(1, "/upload"), window_update(1, 0x7fff_ffff)].concat(),
        FLOW_CONTROL,
    );
    // A setting that makes an open stream's window too large.
    let grown = [
        get(1, "/download"),
        window_update(1, 0x7fff_ffff - 65_535),
        frame(SETTINGS, 0, 0, &setting(4, 0x7fff_ffff)),
    ];
    assert_ends(&grown.concat(), FLOW_CONTROL, Fault::WindowOverflow);
}

#[test]
fn clients_do_not_push() {
    assert_ends(&frame(PUSH, END_HEADERS, 1, &[0; 4]), PROTOCOL, Fault::Push);
}

#[test]
fn what_is_no_fault_of_http_2_is_answered_as_in_http_1() {
    let mut client = Client::greeted();
    let fields = [
        (":method", "BREW"),
        (":scheme", "https"),
        (":authority", "a"),
        (":path", "/"),
    ];
    client.send(&frame(HEADERS, END_HEADERS, 1, &block(&fields)));
    assert_eq!(client.status(1), Some(501));
    assert_eq!(
        client.reset_code(1),
        Some(NO_ERROR),
        "its body is of no use"
    );
    let long = "x".repeat(5000);
    client.send(&get(3, &format!("/{long}")));
    assert_eq!(client.status(3), Some(414));
    assert!(client.events.is_empty(), "no application hears of these");
}
