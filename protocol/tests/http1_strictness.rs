//! What an HTTP/1 server connection says to every kind of wrong, odd and right request.
//!
//! Long because it is a list: one rule, one short test.

mod pump;

use std::time::Duration;

use protocol::connection::{
    BodySink, CloseReason, Connection, Event, Receive, ResponseBody, WrongState,
};
use protocol::http1::{BodyLength, Fault, Method, Request, ResponseHead, UpgradeFault, Version};
use protocol::limits::{
    HTTP_DRAINED_BODY_BYTES_MAX, HTTP_FIRST_REQUEST_GRACE, HTTP_HEAD_BYTES_MAX, HTTP_HEAD_TIMEOUT,
    HTTP_KEEP_ALIVE_TIMEOUT, HTTP_LINGER_TIMEOUT, HTTP_TARGET_BYTES_MAX, HTTP_TRAILER_BYTES_MAX,
    INACTIVITY_TIMEOUT, RECEIVE_BUFFER_BYTES_MAX, WRITE_STALL_TIMEOUT,
};
use protocol::message::error::ErrorReply;
use protocol::time::Instant;
use pump::Peer;

const NOW: Instant = Instant::ORIGIN;

fn server() -> Peer {
    Peer::new(Connection::server(NOW))
}

/// Gives a fresh server `bytes` and reads its body as an upload endpoint would.
fn after(bytes: &[u8]) -> Peer {
    let mut peer = server();
    peer.input(NOW, bytes);
    for event in peer.drain() {
        if let Event::Request(request) = event
            && request.body() != BodyLength::None
        {
            let _ = peer.connection.receive_body(NOW, BodySink::Discard);
        }
    }
    peer.drain();
    peer
}

fn request(peer: &mut Peer) -> Request {
    match peer.poll() {
        Some((Event::Request(request), _)) => request,
        other => panic!("no request but {other:?}"),
    }
}

fn accepted(bytes: &str) -> Request {
    let mut peer = server();
    peer.input(NOW, bytes.as_bytes());
    request(&mut peer)
}

/// Asserts the whole answer to a fault: status, JSON, close, and the reason that is reported after the linger.
fn assert_refused(bytes: &[u8], fault: Fault) {
    let mut peer = after(bytes);
    assert_answer(&mut peer, fault, CloseReason::Refused(fault));
}

fn assert_answer(peer: &mut Peer, fault: Fault, reason: CloseReason) {
    let answer = String::from_utf8(peer.output(NOW, usize::MAX)).unwrap();
    let status_line = format!("HTTP/1.1 {} ", fault.status());
    assert!(answer.starts_with(&status_line), "{fault:?}: {answer}");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("\r\nConnection: close"), "{head}");
    assert!(
        head.contains("\r\nContent-Type: application/json"),
        "{head}"
    );
    assert!(head.contains(&format!("\r\nContent-Length: {}", body.len())));
    let reply: ErrorReply = serde_json::from_str(body).unwrap();
    assert_eq!(reply.error.code, fault.code());
    assert_eq!(reply.error.message, fault.message());
    assert!(!peer.connection.wants_close(), "it must linger");
    assert!(peer.connection.wants_shutdown());
    assert!(matches!(peer.connection.receive(), Receive::Discard { .. }));
    peer.connection.handle_eof(NOW);
    assert!(peer.connection.wants_close());
    assert_eq!(peer.poll(), Some((Event::Closed(reason), Vec::new())));
    assert_eq!(peer.poll(), None);
}

fn get(fields: &str) -> Vec<u8> {
    format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n").into_bytes()
}

fn post(fields: &str, body: &str) -> Vec<u8> {
    format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n{body}").into_bytes()
}

fn chunked(body: &str) -> Vec<u8> {
    post("Transfer-Encoding: chunked\r\n", body)
}

#[test]
fn a_plain_get_is_understood() {
    let request =
        accepted("GET /a/b?x=1&y=%20z HTTP/1.1\r\nHost: example:8000\r\nX-Thing:  v \r\n\r\n");
    assert_eq!(request.method(), Method::Get);
    assert_eq!(request.version(), Version::Http11);
    assert_eq!(request.target(), "/a/b?x=1&y=%20z");
    assert_eq!(request.path(), "/a/b");
    assert_eq!(request.query(), Some("x=1&y=%20z"));
    assert_eq!(request.query_value("y"), Some("%20z"));
    assert_eq!(request.query_value("z"), None);
    assert_eq!(request.header("x-THING"), Some("v"));
    assert_eq!(request.host(), Some("example:8000"));
    assert_eq!(request.body(), BodyLength::None);
    assert!(request.keep_alive());
}

#[test]
fn absolute_targets_are_understood() {
    let request = accepted("GET http://[::1]:80/p?q HTTP/1.1\r\nHost: other\r\n\r\n");
    assert_eq!((request.path(), request.query()), ("/p", Some("q")));
    assert_eq!(request.host(), Some("[::1]:80"));
    let request = accepted("GET HTTP://h?q HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_eq!((request.path(), request.query()), ("/", Some("q")));
}

#[test]
fn asterisk_is_a_target_of_options_only() {
    assert_eq!(
        accepted("OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n").path(),
        "*"
    );
    assert_refused(b"GET * HTTP/1.1\r\nHost: a\r\n\r\n", Fault::InvalidTarget);
}

#[test]
fn one_empty_line_before_a_request_is_forgiven_and_two_are_not() {
    assert_eq!(
        accepted("\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n").path(),
        "/"
    );
    assert_refused(b"\r\n\r\n", Fault::MalformedRequestLine);
}

#[test]
fn malformed_request_lines_are_refused() {
    for line in [
        "GET /",
        "GET  / HTTP/1.1",
        "GET / HTTP/1.1 ",
        " GET / HTTP/1.1",
        "GET\t/ HTTP/1.1",
        "G(T / HTTP/1.1",
        "GET / HTTX/1.1",
        "GET / HTTP/1.11",
        "GET / http/1.1",
        "hello",
    ] {
        let bytes = format!("{line}\r\nHost: a\r\n\r\n");
        assert_refused(bytes.as_bytes(), Fault::MalformedRequestLine);
    }
}

#[test]
fn unknown_methods_are_not_implemented() {
    for method in [
        "BREW",
        "get",
        "CONNECT",
        "TRACE",
        "AVERYLONGMETHODNAMEINDEED",
    ] {
        let bytes = format!("{method} / HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_refused(bytes.as_bytes(), Fault::UnknownMethod);
    }
}

#[test]
fn other_versions_are_not_supported() {
    for version in ["HTTP/2.0", "HTTP/0.9", "HTTP/1.2", "HTTP/3.0"] {
        let bytes = format!("GET / {version}\r\nHost: a\r\n\r\n");
        assert_refused(bytes.as_bytes(), Fault::UnsupportedVersion);
    }
    assert_refused(
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        Fault::UnsupportedVersion,
    );
}

#[test]
fn targets_with_forbidden_characters_or_escapes_are_refused() {
    for target in [
        "/%",
        "/%4",
        "/%zz",
        "/%00",
        "/%1f",
        "/%7F",
        "/a#b",
        "/\u{e9}",
        "nohost",
        "ftp://a/",
        "http:///x",
        "http://user@h/",
    ] {
        let bytes = format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n");
        assert_refused(bytes.as_bytes(), Fault::InvalidTarget);
    }
}

#[test]
fn a_target_may_be_as_long_as_the_limit_and_no_longer() {
    let longest = format!("/{}", "a".repeat(HTTP_TARGET_BYTES_MAX - 1));
    let request = accepted(&format!("GET {longest} HTTP/1.1\r\nHost: a\r\n\r\n"));
    assert_eq!(request.target(), longest);
    let bytes = format!("GET {longest}a HTTP/1.1\r\nHost: a\r\n\r\n");
    assert_refused(bytes.as_bytes(), Fault::TargetTooLong);
    let unfinished = format!("GET /{}", "a".repeat(2 * HTTP_TARGET_BYTES_MAX));
    assert_refused(unfinished.as_bytes(), Fault::TargetTooLong);
}

#[test]
fn a_head_may_be_as_long_as_the_limit_and_no_longer() {
    let bare = get("X: \r\n").len();
    let longest = "a".repeat(HTTP_HEAD_BYTES_MAX - bare);
    accepted(&String::from_utf8(get(&format!("X: {longest}\r\n"))).unwrap());
    assert_refused(&get(&format!("X: {longest}a\r\n")), Fault::HeadTooLarge);
}

#[test]
fn an_unfinished_head_of_a_megabyte_is_refused_and_not_kept() {
    assert_refused(
        &get(&format!("X: {}\r\n", "a".repeat(1 << 20))),
        Fault::HeadTooLarge,
    );
}

#[test]
fn too_many_fields_are_refused() {
    accepted(&String::from_utf8(get(&"X: y\r\n".repeat(63))).unwrap());
    assert_refused(&get(&"X: y\r\n".repeat(64)), Fault::HeadTooLarge);
}

#[test]
fn bare_line_ends_are_refused() {
    assert_refused(b"GET / HTTP/1.1\nHost: a\n\n", Fault::BareLineEnd);
    assert_refused(&get("X: y\n"), Fault::BareLineEnd);
    assert_refused(&get("X: y\rZ: w\r\n"), Fault::BareLineEnd);
    assert_refused(b"\rGET / HTTP/1.1\r\n", Fault::BareLineEnd);
    assert_refused(b"GET / HTTP/1.1\r\nHost: a\r\n\n", Fault::BareLineEnd);
}

#[test]
fn control_characters_are_refused() {
    for byte in ["\0", "\u{1}", "\u{b}", "\u{7f}"] {
        assert_refused(&get(&format!("X: a{byte}b\r\n")), Fault::ControlCharacter);
    }
    // The start of a TLS handshake is answered at its first byte.
    assert_refused(b"\x16\x03\x01\x02\x00\x01", Fault::ControlCharacter);
}

#[test]
fn malformed_fields_are_refused() {
    for field in [
        "X : y\r\n",
        "X: y\r\n folded\r\n",
        "X: y\r\n\tfolded\r\n",
        ": y\r\n",
        "no colon\r\n",
        "X\u{e9}: y\r\n",
        "(X): y\r\n",
    ] {
        assert_refused(&get(field), Fault::MalformedField);
    }
    assert_refused(b"GET / HTTP/1.1\r\n Host: a\r\n\r\n", Fault::MalformedField);
}

#[test]
fn http_1_1_needs_exactly_one_valid_host() {
    assert_refused(b"GET / HTTP/1.1\r\n\r\n", Fault::MissingHost);
    assert_refused(&get("Host: a\r\n"), Fault::RepeatedHost);
    for host in [
        "a b", "a/b", "u@a", "[::1", "[x]", "a:x", "a:999999", "a,b/c", "[]",
    ] {
        let bytes = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
        assert_refused(bytes.as_bytes(), Fault::InvalidHost);
    }
    for host in ["", "a", "a.b:1", "127.0.0.1", "[fe80::1]", "[::1]:8000"] {
        let bytes = format!("GET / HTTP/1.1\r\nHost: {host}\r\n\r\n");
        assert_eq!(accepted(&bytes).host(), Some(host));
    }
}

#[test]
fn http_1_0_needs_no_host() {
    let request = accepted("GET / HTTP/1.0\r\n\r\n");
    assert_eq!(request.host(), None);
    assert!(!request.keep_alive());
    assert!(accepted("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n").keep_alive());
    assert!(!accepted("GET / HTTP/1.1\r\nHost: a\r\nConnection: x, Close\r\n\r\n").keep_alive());
}

#[test]
fn repeated_content_lengths_are_refused_even_when_they_agree() {
    for fields in [
        "Content-Length: 3\r\nContent-Length: 4\r\n",
        "Content-Length: 3\r\ncontent-length: 3\r\n",
    ] {
        assert_refused(&post(fields, "abc"), Fault::RepeatedContentLength);
    }
}

#[test]
fn content_lengths_that_are_no_numbers_are_refused() {
    for value in [
        "",
        "+3",
        "-3",
        "3 3",
        "3, 3",
        "0x3",
        "3a",
        "18446744073709551616",
        "\u{b2}",
    ] {
        let fields = format!("Content-Length: {value}\r\n");
        assert_refused(&post(&fields, "abc"), Fault::InvalidContentLength);
    }
}

#[test]
fn the_largest_content_length_is_taken() {
    let peer = after(&post("Content-Length: 18446744073709551615\r\n", ""));
    let remaining = u64::MAX;
    assert_eq!(peer.connection.receive(), Receive::Discard { remaining });
}

#[test]
fn transfer_encoding_with_content_length_is_refused() {
    let fields = "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n";
    assert_refused(
        &post(fields, "abc"),
        Fault::TransferEncodingAndContentLength,
    );
}

#[test]
fn transfer_encodings_other_than_chunked_are_not_implemented() {
    for value in [
        "gzip",
        "gzip, chunked",
        "chunked, chunked",
        "chunked;a=b",
        "xchunked",
        "identity",
        "",
    ] {
        let fields = format!("Transfer-Encoding: {value}\r\n");
        assert_refused(&post(&fields, ""), Fault::UnsupportedTransferEncoding);
    }
    let twice = "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n";
    assert_refused(&post(twice, ""), Fault::UnsupportedTransferEncoding);
}

#[test]
fn transfer_encoding_in_http_1_0_is_refused() {
    assert_refused(
        b"POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n",
        Fault::TransferEncodingInHttp10,
    );
}

#[test]
fn bad_chunk_sizes_are_refused() {
    for body in [
        "+3\r\n",
        "-3\r\n",
        " 3\r\n",
        "3 \r\n",
        "0x3\r\n",
        "\r\n",
        "g\r\n",
        ";a\r\n",
        "10000000000000000\r\n",
        "3\r\nabcd",
        "3\r\nabc\r\r",
        "3\t;a\r\n",
    ] {
        assert_refused(&chunked(body), Fault::InvalidChunk);
    }
}

#[test]
fn bare_line_feeds_around_chunks_are_refused() {
    for body in [
        "3\n",
        "3;a\n",
        "3\rx",
        "0\r\n\n",
        "0\r\nA: b\n",
        "0\r\nA: b\rx",
        "0\r\n\rx",
    ] {
        assert_refused(&chunked(body), Fault::BareLineEnd);
    }
    assert_refused(&chunked("3\r\nabc\n"), Fault::InvalidChunk);
}

#[test]
fn chunk_lines_are_bounded() {
    assert_refused(&chunked(&"0".repeat(300)), Fault::ChunkLineTooLong);
    assert_refused(
        &chunked(&format!("1;{}", "a".repeat(300))),
        Fault::ChunkLineTooLong,
    );
    assert_refused(&chunked("1;a\0\r\n"), Fault::InvalidChunk);
}

#[test]
fn trailers_are_checked_bounded_and_ignored() {
    for body in [
        "0\r\n folded\r\n\r\n",
        "0\r\nno colon\r\n\r\n",
        "0\r\nA: \0\r\n\r\n",
        "0\r\n: b\r\n\r\n",
    ] {
        assert_refused(&chunked(body), Fault::InvalidTrailer);
    }
    let long = format!("0\r\nA: {}\r\n\r\n", "b".repeat(HTTP_TRAILER_BYTES_MAX));
    assert_refused(&chunked(&long), Fault::TrailersTooLarge);
    let many = format!("0\r\n{}\r\n", "A:b\r\n".repeat(HTTP_TRAILER_BYTES_MAX));
    assert_refused(&chunked(&many), Fault::TrailersTooLarge);
    let peer = after(&chunked("2;x=\"y\"\r\nab\r\n0\r\nA: b\r\nC:\r\n\r\n"));
    let Some((Event::BodyComplete { bytes: 2, .. }, _)) = peer.events.last() else {
        panic!("{:?}", peer.events);
    };
}

#[test]
fn expectations_other_than_100_continue_fail() {
    assert_refused(&get("Expect: 200-ok\r\n"), Fault::UnsupportedExpectation);
    let twice = "Expect: 100-continue\r\nExpect: 100-continue\r\n";
    assert_refused(&get(twice), Fault::UnsupportedExpectation);
}

#[test]
fn continue_is_sent_when_the_body_is_wanted_and_only_then() {
    let bytes = post("Content-Length: 3\r\nExpect: 100-Continue\r\n", "");
    let mut peer = server();
    peer.input(NOW, &bytes);
    assert!(request(&mut peer).expects_continue());
    assert!(peer.output(NOW, 999).is_empty());
    peer.connection
        .receive_body(NOW, BodySink::Discard)
        .unwrap();
    assert_eq!(peer.output(NOW, 999), b"HTTP/1.1 100 Continue\r\n\r\n");
    peer.input(NOW, b"abc");
    assert!(matches!(
        peer.poll(),
        Some((Event::BodyComplete { bytes: 3, .. }, _))
    ));

    let mut peer = server();
    peer.input(NOW, &bytes);
    request(&mut peer);
    peer.connection
        .respond(NOW, ResponseHead::new(403), ResponseBody::Empty)
        .unwrap();
    let answer = String::from_utf8(peer.output(NOW, 999)).unwrap();
    assert!(answer.starts_with("HTTP/1.1 403 Forbidden\r\n"));
    assert!(
        answer.contains("Connection: close"),
        "what follows cannot be told apart"
    );
}

#[test]
fn a_post_without_a_length_is_told_so_when_its_body_is_wanted() {
    let mut peer = server();
    peer.input(NOW, &post("", ""));
    request(&mut peer);
    peer.connection
        .receive_body(NOW, BodySink::Discard)
        .unwrap();
    let fault = Fault::LengthRequired;
    assert_answer(&mut peer, fault, CloseReason::Refused(fault));
}

#[test]
fn a_body_beyond_the_collectors_limit_is_too_large() {
    let fault = Fault::BodyTooLarge;
    for bytes in [
        post("Content-Length: 5\r\n", "abcde"),
        chunked("3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"),
    ] {
        let mut peer = server();
        peer.input(NOW, &bytes);
        request(&mut peer);
        let sink = BodySink::Collect { limit_bytes: 4 };
        peer.connection.receive_body(NOW, sink).unwrap();
        assert_answer(&mut peer, fault, CloseReason::Refused(fault));
    }
}

#[test]
fn a_collected_body_is_in_the_scratch_buffer() {
    let mut peer = server();
    peer.input(NOW, &chunked("3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n"));
    request(&mut peer);
    let sink = BodySink::Collect { limit_bytes: 13 };
    peer.connection.receive_body(NOW, sink).unwrap();
    let (event, payload) = peer.poll().unwrap();
    assert!(matches!(event, Event::BodyComplete { bytes: 13, .. }));
    assert_eq!(payload, b"abc0123456789");
}

#[test]
fn a_body_is_timed_from_its_head_and_counted_to_the_byte() {
    let mut peer = server();
    peer.input(NOW, &post("Content-Length: 1000000\r\n", "12345"));
    request(&mut peer);
    peer.connection
        .receive_body(NOW, BodySink::Discard)
        .unwrap();
    assert_eq!(peer.connection.received_payload_bytes(), 5);
    assert_eq!(
        peer.connection.receive(),
        Receive::Discard { remaining: 999_995 }
    );
    let later = NOW + Duration::from_millis(7);
    peer.connection.handle_input(later, &[0; 95]);
    assert_eq!(
        peer.connection.receive(),
        Receive::Discard { remaining: 999_900 }
    );
    peer.connection.handle_discarded(later, 999_900);
    assert_eq!(peer.connection.received_payload_bytes(), 1_000_000);
    let elapsed = Duration::from_millis(7);
    assert_eq!(
        peer.poll().unwrap().0,
        Event::BodyComplete {
            bytes: 1_000_000,
            elapsed
        }
    );
    assert_eq!(peer.connection.receive(), Receive::Bytes);
}

#[test]
fn a_head_request_gets_the_length_of_get_and_no_body() {
    let mut peer = server();
    peer.input(NOW, b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n");
    request(&mut peer);
    let body = ResponseBody::Filler {
        length: Some(1 << 40),
    };
    peer.connection
        .respond(NOW, ResponseHead::new(200), body)
        .unwrap();
    let answer = String::from_utf8(peer.output(NOW, 999)).unwrap();
    assert!(
        answer.ends_with("\r\nContent-Length: 1099511627776\r\n\r\n"),
        "{answer}"
    );
    assert_eq!(peer.drain(), [Event::ResponseSent]);
}

#[test]
fn statuses_without_a_body_have_no_length() {
    for status in [204, 304] {
        let mut peer = server();
        peer.input(NOW, &get(""));
        request(&mut peer);
        let body = ResponseBody::Static(b"not sent");
        peer.connection
            .respond(NOW, ResponseHead::new(status), body)
            .unwrap();
        let answer = String::from_utf8(peer.output(NOW, 999)).unwrap();
        assert!(
            answer.ends_with("\r\n\r\n") && !answer.contains("Length"),
            "{answer}"
        );
    }
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let mut peer = server();
    let two = b"GET /1 HTTP/1.1\r\nHost: a\r\n\r\nGET /2 HTTP/1.1\r\nHost: a\r\n\r\n";
    peer.input(NOW, two);
    for path in ["/1", "/2"] {
        assert_eq!(request(&mut peer).path(), path);
        assert_eq!(peer.poll(), None, "the next one waits for the answer");
        let body = ResponseBody::Owned(path.into());
        peer.connection
            .respond(NOW, ResponseHead::new(200), body)
            .unwrap();
        assert_eq!(peer.poll().unwrap().0, Event::ResponseSent);
    }
    let answer = String::from_utf8(peer.output(NOW, 9999)).unwrap();
    assert_eq!(answer.matches("HTTP/1.1 200 OK").count(), 2);
    assert!(answer.find("\r\n\r\n/1").unwrap() < answer.find("\r\n\r\n/2").unwrap());
    assert!(!answer.contains("close"));
}

#[test]
fn a_pipelining_client_that_does_not_read_is_not_answered_without_bound() {
    let mut peer = server();
    let mut fed = 0;
    while peer.connection.receive() == Receive::Bytes && fed < 10_000 {
        peer.connection.handle_input(NOW, &get("").repeat(100));
        while let Some((event, _)) = peer.poll() {
            if let Event::Request(_) = event {
                let body = ResponseBody::Static(&[b'x'; 10_000]);
                peer.connection
                    .respond(NOW, ResponseHead::new(200), body)
                    .unwrap();
            }
        }
        fed += 1;
    }
    assert_eq!(peer.connection.receive(), Receive::Paused);
    assert!(peer.connection.queued_transmit_bytes() < 128 * 1024);
    assert!(fed * 2700 < 4 * RECEIVE_BUFFER_BYTES_MAX);
}

#[test]
fn http_1_0_is_closed_after_its_answer_or_kept_when_it_asks() {
    let mut peer = server();
    peer.input(NOW, b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");
    request(&mut peer);
    peer.connection
        .respond(NOW, ResponseHead::new(200), ResponseBody::Empty)
        .unwrap();
    let answer = String::from_utf8(peer.output(NOW, 999)).unwrap();
    assert!(answer.contains("Connection: keep-alive"));
    peer.drain();
    peer.input(NOW, b"GET / HTTP/1.0\r\n\r\n");
    request(&mut peer);
    peer.connection
        .respond(NOW, ResponseHead::new(200), ResponseBody::Empty)
        .unwrap();
    assert!(!peer.connection.wants_close(), "the answer is not written");
    let answer = String::from_utf8(peer.output(NOW, 999)).unwrap();
    assert!(answer.contains("Connection: close"));
    assert_eq!(
        peer.drain(),
        [Event::ResponseSent, Event::Closed(CloseReason::Finished)]
    );
    assert!(peer.connection.wants_close());
}

#[test]
fn a_small_unread_body_is_drained_and_the_connection_kept() {
    let mut peer = server();
    let length = HTTP_DRAINED_BODY_BYTES_MAX;
    peer.input(NOW, &post(&format!("Content-Length: {length}\r\n"), "abc"));
    request(&mut peer);
    peer.connection
        .respond(NOW, ResponseHead::new(404), ResponseBody::Empty)
        .unwrap();
    let answer = String::from_utf8(peer.output(NOW, 999)).unwrap();
    assert!(!answer.contains("close"));
    assert_eq!(
        peer.connection.receive(),
        Receive::Discard {
            remaining: length - 3
        }
    );
    peer.connection.handle_discarded(NOW, length - 4);
    peer.input(NOW, &[b"z", &get("")[..]].concat());
    assert_eq!(peer.poll().unwrap().0, Event::ResponseSent);
    assert_eq!(request(&mut peer).path(), "/");
}

#[test]
fn a_large_unread_body_ends_the_connection_after_a_linger() {
    let mut peer = server();
    let length = HTTP_DRAINED_BODY_BYTES_MAX + 1;
    peer.input(NOW, &post(&format!("Content-Length: {length}\r\n"), ""));
    request(&mut peer);
    peer.connection
        .respond(NOW, ResponseHead::new(404), ResponseBody::Empty)
        .unwrap();
    let answer = String::from_utf8(peer.output(NOW, 999)).unwrap();
    assert!(answer.contains("Connection: close"));
    assert_eq!(peer.drain(), [Event::ResponseSent]);
    assert_eq!(
        peer.connection.receive(),
        Receive::Discard {
            remaining: u64::MAX
        }
    );
    assert_eq!(
        peer.connection.poll_timeout(),
        Some(NOW + HTTP_LINGER_TIMEOUT)
    );
    peer.connection.handle_timeout(NOW + HTTP_LINGER_TIMEOUT);
    assert_eq!(peer.drain(), [Event::Closed(CloseReason::Finished)]);
}

#[test]
fn a_silent_connection_is_closed_without_a_word() {
    let mut peer = server();
    assert_eq!(
        peer.connection.poll_timeout(),
        Some(NOW + HTTP_HEAD_TIMEOUT)
    );
    peer.connection.handle_timeout(NOW + HTTP_HEAD_TIMEOUT);
    assert!(peer.output(NOW, 999).is_empty());
    assert_eq!(peer.drain(), [Event::Closed(CloseReason::HeadTimeout)]);
}

#[test]
fn an_unfinished_head_times_out_from_its_first_byte() {
    let mut peer = server();
    let first = NOW + Duration::from_secs(5);
    peer.input(first, b"GET / HT");
    peer.input(first + Duration::from_secs(9), b"TP/1.1\r\n");
    let deadline = first + HTTP_HEAD_TIMEOUT;
    assert_eq!(peer.connection.poll_timeout(), Some(deadline));
    peer.connection.handle_timeout(deadline);
    assert_answer(&mut peer, Fault::HeadTimeout, CloseReason::HeadTimeout);
}

#[test]
fn a_kept_connection_is_closed_when_idle() {
    let mut peer = server();
    peer.input(NOW, &get(""));
    request(&mut peer);
    peer.connection
        .respond(NOW, ResponseHead::new(200), ResponseBody::Empty)
        .unwrap();
    peer.output(NOW, 999);
    peer.drain();
    peer.connection.handle_timeout(NOW + Duration::from_secs(1));
    assert_eq!(
        peer.connection.poll_timeout(),
        Some(NOW + HTTP_KEEP_ALIVE_TIMEOUT)
    );
    peer.connection
        .handle_timeout(NOW + HTTP_KEEP_ALIVE_TIMEOUT);
    assert_eq!(peer.drain(), [Event::Closed(CloseReason::IdleTimeout)]);
}

#[test]
fn a_body_that_stops_times_out() {
    let mut peer = after(&post("Content-Length: 9\r\n", "abc"));
    let deadline = NOW + INACTIVITY_TIMEOUT;
    assert_eq!(peer.connection.poll_timeout(), Some(deadline));
    peer.connection.handle_timeout(deadline);
    assert_answer(
        &mut peer,
        Fault::BodyTimeout,
        CloseReason::InactivityTimeout,
    );
}

#[test]
fn a_client_that_does_not_read_is_given_up() {
    let mut peer = server();
    peer.input(NOW, &get(""));
    request(&mut peer);
    let body = ResponseBody::Filler { length: None };
    peer.connection
        .respond(NOW, ResponseHead::new(200), body)
        .unwrap();
    peer.output(NOW, 5000);
    let later = NOW + Duration::from_secs(5);
    peer.connection.handle_filler_sent(later, 7);
    peer.connection.handle_timeout(NOW + WRITE_STALL_TIMEOUT);
    assert!(!peer.connection.wants_close());
    peer.connection.handle_timeout(later + WRITE_STALL_TIMEOUT);
    assert_eq!(peer.drain(), [Event::Closed(CloseReason::WriteStalled)]);
}

#[test]
fn endless_filler_ends_with_the_connection_when_it_is_stopped() {
    let mut peer = server();
    peer.input(NOW, &get(""));
    request(&mut peer);
    let body = ResponseBody::Filler { length: None };
    peer.connection
        .respond(NOW, ResponseHead::new(200), body)
        .unwrap();
    let out = peer.output(NOW, 5000);
    let head = out.windows(4).position(|end| end == b"\r\n\r\n").unwrap() + 4;
    let head_text = String::from_utf8(out[..head].to_vec()).unwrap();
    assert!(head_text.contains("Connection: close") && !head_text.contains("Content-Length"));
    assert_eq!(
        peer.connection.sent_payload_bytes(),
        (out.len() - head) as u64
    );
    assert_eq!(peer.poll(), None);
    peer.connection.stop_filler(NOW);
    assert_eq!(
        peer.drain(),
        [Event::ResponseSent, Event::Closed(CloseReason::Finished)]
    );
}

#[test]
fn a_client_that_leaves_in_the_middle_has_vanished() {
    let mut peer = server();
    peer.input(NOW, b"GET");
    peer.connection.handle_eof(NOW);
    assert_eq!(peer.drain(), [Event::Closed(CloseReason::PeerVanished)]);
    let mut peer = after(&post("Content-Length: 9\r\n", "abc"));
    peer.connection.handle_eof(NOW);
    assert_eq!(peer.drain(), [Event::Closed(CloseReason::PeerVanished)]);
}

#[test]
fn a_client_that_leaves_between_requests_closed() {
    let mut peer = server();
    peer.connection.handle_eof(NOW);
    assert_eq!(
        peer.drain(),
        [Event::Closed(CloseReason::PeerClosed { code: None })]
    );
}

#[test]
fn a_client_that_stops_sending_still_gets_all_its_answers() {
    let mut peer = server();
    peer.input(NOW, &get("").repeat(2));
    peer.connection.handle_eof(NOW);
    for _ in 0..2 {
        request(&mut peer);
        peer.connection
            .respond(NOW, ResponseHead::new(200), ResponseBody::Empty)
            .unwrap();
        assert_eq!(peer.poll().unwrap().0, Event::ResponseSent);
    }
    assert_eq!(peer.poll(), None);
    let answer = String::from_utf8(peer.output(NOW, 999)).unwrap();
    assert_eq!(answer.matches("200 OK").count(), 2);
    assert_eq!(
        peer.drain(),
        [Event::Closed(CloseReason::PeerClosed { code: None })]
    );
}

#[test]
fn closing_ends_an_idle_connection_and_lets_a_busy_one_answer() {
    let mut peer = server();
    peer.connection
        .close(NOW + HTTP_FIRST_REQUEST_GRACE, 1001, "");
    assert_eq!(peer.drain(), [Event::Closed(CloseReason::Finished)]);
    let mut peer = server();
    peer.input(NOW, &get(""));
    request(&mut peer);
    peer.connection.close(NOW, 1001, "");
    peer.connection
        .respond(NOW, ResponseHead::new(200), ResponseBody::Empty)
        .unwrap();
    assert!(
        String::from_utf8(peer.output(NOW, 999))
            .unwrap()
            .contains("Connection: close")
    );
    assert_eq!(
        peer.drain(),
        [Event::ResponseSent, Event::Closed(CloseReason::Finished)]
    );
}

#[test]
fn closing_lets_a_new_connection_bring_its_first_request_for_a_moment() {
    let mut peer = server();
    peer.connection.close(NOW, 1001, "");
    assert_eq!(peer.drain(), []);
    let later = NOW + HTTP_FIRST_REQUEST_GRACE / 2;
    peer.input(later, &get(""));
    request(&mut peer);
    peer.connection
        .respond(later, ResponseHead::new(200), ResponseBody::Empty)
        .unwrap();
    let answer = String::from_utf8(peer.output(later, 999)).unwrap();
    assert!(answer.contains("Connection: close"), "{answer}");
    assert_eq!(
        peer.drain(),
        [Event::ResponseSent, Event::Closed(CloseReason::Finished)]
    );
    // One that brings nothing, or not all of it, is closed when the moment is over.
    for begun in ["", "GET / HT"] {
        let mut peer = server();
        peer.connection.close(NOW, 1001, "");
        peer.input(NOW, begun.as_bytes());
        let over = NOW + HTTP_FIRST_REQUEST_GRACE;
        assert_eq!(peer.connection.poll_timeout(), Some(over));
        peer.connection.handle_timeout(over);
        peer.connection.handle_eof(over);
        assert_eq!(peer.drain(), [Event::Closed(CloseReason::Finished)]);
    }
}

#[test]
fn a_field_cannot_begin_a_line_of_its_own() {
    let mut peer = server();
    peer.input(NOW, &get(""));
    request(&mut peer);
    let head = ResponseHead::new(200).field("X", "a\r\nSet-Cookie: b");
    peer.connection
        .respond(NOW, head, ResponseBody::Empty)
        .unwrap();
    let answer = String::from_utf8(peer.output(NOW, 999)).unwrap();
    assert!(answer.contains("X: a  Set-Cookie: b\r\n"), "{answer}");
}

#[test]
fn calls_out_of_turn_change_nothing() {
    let mut peer = server();
    let respond = |peer: &mut Peer| {
        peer.connection
            .respond(NOW, ResponseHead::new(200), ResponseBody::Empty)
    };
    assert_eq!(respond(&mut peer), Err(WrongState));
    assert_eq!(
        peer.connection.receive_body(NOW, BodySink::Discard),
        Err(WrongState)
    );
    peer.input(NOW, &get(""));
    request(&mut peer);
    assert_eq!(respond(&mut peer), Ok(()));
    assert_eq!(respond(&mut peer), Err(WrongState));
}

#[test]
fn a_large_body_is_handed_over_in_pieces() {
    let mut peer = server();
    peer.input(NOW, &get(""));
    request(&mut peer);
    let body = ResponseBody::Owned(vec![7; 300_000]);
    peer.connection
        .respond(NOW, ResponseHead::new(200), body)
        .unwrap();
    let mut total = 0;
    let mut buffer = Vec::new();
    while peer.connection.poll_transmit(NOW, &mut buffer) {
        assert!(buffer.len() <= 64 * 1024);
        assert_eq!(peer.poll().is_some(), total + buffer.len() > 300_000);
        total += buffer.len();
        peer.connection.handle_transmitted(NOW, buffer.len() as u64);
        buffer.clear();
    }
    assert!(total > 300_000);
}

const UPGRADE: &str = "GET /ws HTTP/1.1\r\nHost: a\r\nUpgrade: WebSocket\r\nConnection: keep-alive, Upgrade\r\n\
    Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";

#[test]
fn a_websocket_request_must_be_complete() {
    assert!(accepted(UPGRADE).websocket_upgrade().is_ok());
    for (from, to, fault) in [
        ("Upgrade: WebSocket\r\n", "", UpgradeFault::NotAnUpgrade),
        (
            "keep-alive, Upgrade",
            "keep-alive",
            UpgradeFault::NotAnUpgrade,
        ),
        ("HTTP/1.1", "HTTP/1.0", UpgradeFault::NotAnUpgrade),
        ("GET", "POST", UpgradeFault::NotAPlainGet),
        (
            "Host: a",
            "Host: a\r\nContent-Length: 1",
            UpgradeFault::NotAPlainGet,
        ),
        (
            "Version: 13",
            "Version: 8",
            UpgradeFault::UnsupportedVersion,
        ),
        (
            "Sec-WebSocket-Version: 13\r\n",
            "",
            UpgradeFault::UnsupportedVersion,
        ),
        (
            "dGhlIHNhbXBsZSBub25jZQ==",
            "short",
            UpgradeFault::InvalidKey,
        ),
        (
            "dGhlIHNhbXBsZSBub25jZQ==",
            "dGhlIHNhbXBsZSBub25jZQ=!",
            UpgradeFault::InvalidKey,
        ),
        (
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
            "",
            UpgradeFault::InvalidKey,
        ),
    ] {
        let request = accepted(&UPGRADE.replace(from, to));
        assert_eq!(request.websocket_upgrade(), Err(fault), "{from} -> {to}");
        let (head, body) = fault.reply();
        assert_eq!(head.status, fault.status());
        assert_eq!(
            head.status == 426,
            head.fields
                .iter()
                .any(|(name, value)| { name == "Sec-WebSocket-Version" && value == "13" })
        );
        assert!(matches!(body, ResponseBody::Owned(_)));
    }
    assert_eq!(UpgradeFault::UnsupportedVersion.status(), 426);
    assert_eq!(UpgradeFault::InvalidKey.status(), 400);
}
