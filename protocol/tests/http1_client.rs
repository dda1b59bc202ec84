//! What an HTTP/1 client connection makes of every kind of response.

mod pump;

use std::time::Duration;

use protocol::connection::{
    BodySink, CloseReason, Connection, Event, ProtocolError, Receive, RequestBody, WrongState,
};
use protocol::http1::{BodyLength, Fault, Method, RequestHead};
use protocol::limits::{HTTP_KEEP_ALIVE_TIMEOUT, INACTIVITY_TIMEOUT, WRITE_STALL_TIMEOUT};
use protocol::time::Instant;
use pump::Peer;

const NOW: Instant = Instant::ORIGIN;

/// A client that has sent a request of that method.
fn asking(method: Method) -> Peer {
    let mut peer = Peer::new(Connection::client(NOW));
    send(&mut peer, method, RequestBody::Empty).unwrap();
    peer.output(NOW, 9999);
    peer
}

fn send(peer: &mut Peer, method: Method, body: RequestBody) -> Result<(), WrongState> {
    let head = RequestHead::new(method, "/x", "h");
    let sink = BodySink::Collect { limit_bytes: 100 };
    peer.connection.request(NOW, head, body, sink)
}

/// Gives a client that sent GET this response; the status, the body and the end.
fn assert_response(bytes: &str, status: u16, body: &[u8], end: Option<CloseReason>) {
    let mut peer = asking(Method::Get);
    peer.input(NOW, bytes.as_bytes());
    assert_body(&mut peer, status, body, end);
}

fn assert_body(peer: &mut Peer, status: u16, body: &[u8], end: Option<CloseReason>) {
    match peer.poll() {
        Some((Event::Response(response), _)) => assert_eq!(response.status(), status),
        other => panic!("no response but {other:?}"),
    }
    let (event, payload) = peer.poll().unwrap();
    assert!(matches!(event, Event::BodyComplete { bytes, .. } if bytes == body.len() as u64));
    assert_eq!(payload, body);
    assert_eq!(
        peer.drain(),
        end.map(Event::Closed).into_iter().collect::<Vec<_>>()
    );
}

fn assert_broken(bytes: &str, fault: Fault) {
    let mut peer = asking(Method::Get);
    peer.input(NOW, bytes.as_bytes());
    let reason = CloseReason::ProtocolError(ProtocolError::Http(fault));
    assert_eq!(
        peer.drain().last(),
        Some(&Event::Closed(reason)),
        "{bytes:?}"
    );
    assert!(peer.connection.wants_close());
}

#[test]
fn a_request_is_written_in_full() {
    let mut peer = Peer::new(Connection::client(NOW));
    let mut head = RequestHead::new(Method::Post, "/a b?c=\u{e9}", "h:1\r\nX: y");
    head.fields.push(("Accept".into(), "*/*".into()));
    let body = RequestBody::Bytes(b"hello".to_vec());
    peer.connection
        .request(NOW, head, body, BodySink::Discard)
        .unwrap();
    assert_eq!(
        String::from_utf8(peer.output(NOW, 999)).unwrap(),
        "POST /a%20b?c=%C3%A9 HTTP/1.1\r\nHost: h:1  X: y\r\nAccept: */*\r\nContent-Length: 5\r\n\r\nhello"
    );
}

#[test]
fn bodies_end_where_their_framing_says() {
    assert_response(
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
        200,
        b"abc",
        None,
    );
    assert_response("HTTP/1.1 404 \r\nContent-Length: 0\r\n\r\n", 404, b"", None);
    let chunked =
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n1\r\nc\r\n0\r\n\r\n";
    assert_response(chunked, 200, b"abc", None);
    let closing = "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 3\r\n\r\nabc";
    assert_response(closing, 200, b"abc", Some(CloseReason::Finished));
    let old = "HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc";
    assert_response(old, 200, b"abc", Some(CloseReason::Finished));
    for status in [204, 304] {
        let bytes = format!("HTTP/1.1 {status} X\r\nContent-Length: 3\r\n\r\n");
        assert_response(&bytes, status, b"", None);
    }
}

#[test]
fn a_response_to_head_has_no_body() {
    let mut peer = asking(Method::Head);
    peer.input(NOW, b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n");
    assert_body(&mut peer, 200, b"", None);
}

#[test]
fn a_body_without_framing_ends_with_the_connection() {
    let mut peer = asking(Method::Get);
    peer.input(NOW, b"HTTP/1.1 200 OK\r\n\r\nab");
    let Some((Event::Response(response), _)) = peer.poll() else {
        panic!("no response");
    };
    assert_eq!(response.body(), BodyLength::UntilClose);
    peer.input(NOW, b"c");
    assert_eq!(peer.poll(), None);
    peer.connection.handle_eof(NOW);
    let (event, payload) = peer.poll().unwrap();
    assert!(matches!(event, Event::BodyComplete { bytes: 3, .. }));
    assert_eq!(payload, b"abc");
    assert_eq!(peer.drain(), [Event::Closed(CloseReason::Finished)]);
}

#[test]
fn interim_responses_are_skipped_and_bounded() {
    let interim = "HTTP/1.1 103 Early\r\nA: b\r\n\r\n";
    let last = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    assert_response(&format!("{}{last}", interim.repeat(8)), 200, b"", None);
    assert_broken(&interim.repeat(9), Fault::TooManyInterimResponses);
}

#[test]
fn broken_responses_end_the_connection() {
    for (bytes, fault) in [
        ("HTTP/1.1 200 OK\nContent-Length: 0\n\n", Fault::BareLineEnd),
        ("HTTP/1.1 20 OK\r\n\r\n", Fault::MalformedStatusLine),
        ("HTTP/1.1 099 OK\r\n\r\n", Fault::MalformedStatusLine),
        ("HTTP/1.1 600 OK\r\n\r\n", Fault::MalformedStatusLine),
        ("HTTP/2.0 200 OK\r\n\r\n", Fault::UnsupportedVersion),
        ("SSH-2.0-x\r\n\r\n", Fault::MalformedStatusLine),
        ("HTTP/1.1 200 OK\r\nX : y\r\n\r\n", Fault::MalformedField),
        (
            "HTTP/1.1 200 OK\r\nX: y\r\n z\r\n\r\n",
            Fault::MalformedField,
        ),
        ("HTTP/1.1 200 OK\r\nX: \0\r\n\r\n", Fault::ControlCharacter),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
            Fault::RepeatedContentLength,
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
            Fault::InvalidContentLength,
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
            Fault::TransferEncodingAndContentLength,
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
            Fault::UnsupportedTransferEncoding,
        ),
        (
            "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nx\r\n",
            Fault::InvalidChunk,
        ),
        (
            "HTTP/1.1 101 Switching\r\nUpgrade: websocket\r\n\r\n",
            Fault::InvalidUpgrade,
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n",
            Fault::BodyTooLarge,
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nmore",
            Fault::UnexpectedResponse,
        ),
    ] {
        let bytes = if fault == Fault::BodyTooLarge {
            format!("{bytes}{}", "x".repeat(101))
        } else {
            bytes.to_owned()
        };
        assert_broken(&bytes, fault);
    }
}

#[test]
fn a_server_that_goes_in_the_middle_has_vanished() {
    for bytes in [
        "",
        "HTTP/1.1 2",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab",
    ] {
        let mut peer = asking(Method::Get);
        peer.input(NOW, bytes.as_bytes());
        peer.connection.handle_eof(NOW);
        assert_eq!(
            peer.drain().last(),
            Some(&Event::Closed(CloseReason::PeerVanished))
        );
    }
}

#[test]
fn one_request_at_a_time_and_the_next_after_the_body() {
    let mut peer = asking(Method::Get);
    assert_eq!(
        send(&mut peer, Method::Get, RequestBody::Empty),
        Err(WrongState)
    );
    peer.input(NOW, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    peer.drain();
    assert_eq!(send(&mut peer, Method::Get, RequestBody::Empty), Ok(()));
}

#[test]
fn an_answer_before_the_upload_is_out_ends_the_upload() {
    let mut peer = Peer::new(Connection::client(NOW));
    send(
        &mut peer,
        Method::Post,
        RequestBody::Filler { length: 1 << 30 },
    )
    .unwrap();
    peer.output(NOW, 100_000);
    assert!(peer.connection.sent_payload_bytes() > 99_000);
    peer.input(NOW, b"HTTP/1.1 413 X\r\nContent-Length: 0\r\n\r\n");
    assert_body(&mut peer, 413, b"", Some(CloseReason::Finished));
    assert_eq!(peer.connection.poll_filler(), None);
}

#[test]
fn an_early_answer_that_is_no_refusal_lets_the_upload_go_on() {
    let mut peer = Peer::new(Connection::client(NOW));
    let body = RequestBody::Filler { length: 200_000 };
    send(&mut peer, Method::Post, body).unwrap();
    peer.output(NOW, 100_000);
    peer.input(NOW, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert_body(&mut peer, 200, b"", None);
    assert_eq!(
        send(&mut peer, Method::Get, RequestBody::Empty),
        Err(WrongState)
    );
    peer.output(NOW, usize::MAX);
    assert_eq!(peer.drain(), [Event::FillerSent]);
    assert_eq!(peer.connection.sent_payload_bytes(), 200_000);
    assert_eq!(send(&mut peer, Method::Get, RequestBody::Empty), Ok(()));
}

#[test]
fn an_upload_reports_its_end() {
    let mut peer = Peer::new(Connection::client(NOW));
    send(&mut peer, Method::Put, RequestBody::Filler { length: 5000 }).unwrap();
    peer.output(NOW, usize::MAX);
    assert_eq!(peer.drain(), [Event::FillerSent]);
    assert_eq!(peer.connection.sent_payload_bytes(), 5000);
}

#[test]
fn deadlines_are_inactivity_stall_and_idleness() {
    let mut peer = asking(Method::Get);
    let later = NOW + Duration::from_secs(3);
    peer.input(later, b"HTTP");
    peer.connection.handle_timeout(NOW + INACTIVITY_TIMEOUT);
    assert_eq!(peer.drain(), []);
    peer.connection.handle_timeout(later + INACTIVITY_TIMEOUT);
    assert_eq!(
        peer.drain(),
        [Event::Closed(CloseReason::InactivityTimeout)]
    );

    let mut peer = Peer::new(Connection::client(NOW));
    send(&mut peer, Method::Get, RequestBody::Empty).unwrap();
    peer.connection.handle_timeout(NOW + WRITE_STALL_TIMEOUT);
    assert_eq!(peer.drain(), [Event::Closed(CloseReason::WriteStalled)]);

    let mut peer = Peer::new(Connection::client(NOW));
    peer.connection
        .handle_timeout(NOW + HTTP_KEEP_ALIVE_TIMEOUT);
    assert_eq!(peer.drain(), [Event::Closed(CloseReason::IdleTimeout)]);
}

#[test]
fn a_discarded_download_is_counted_to_the_byte() {
    let mut peer = Peer::new(Connection::client(NOW));
    let head = RequestHead::new(Method::Get, "/download", "h");
    peer.connection
        .request(NOW, head, RequestBody::Empty, BodySink::Discard)
        .unwrap();
    peer.output(NOW, 999);
    peer.input(NOW, b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\nabc");
    assert_eq!(
        peer.connection.receive(),
        Receive::Discard { remaining: 99_997 }
    );
    peer.connection.handle_discarded(NOW, 99_997);
    assert_eq!(peer.connection.received_payload_bytes(), 100_000);
    assert_eq!(peer.drain().len(), 2);
}
