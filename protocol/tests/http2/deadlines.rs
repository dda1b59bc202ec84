//! Silences: each has its end.

use std::time::Duration;

use protocol::connection::{CloseReason, ProtocolError};
use protocol::http2::Fault;

use crate::client::{
    ACK, Client, DATA, FIRST_WINDOW, HEADERS, PREFACE, SETTINGS, frame, get, post, window_update,
};

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_connection_that_never_begins_ends() {
    for bytes in [&b""[..], b"PRI * HT", PREFACE] {
        let mut client = Client::silent();
        client.send(bytes);
        client.pass(seconds(13));
        assert!(
            matches!(
                client.closed,
                Some(CloseReason::HeadTimeout | CloseReason::ProtocolError(_))
            ),
            "{:?}",
            client.closed
        );
    }
}

#[test]
fn settings_that_are_not_acknowledged_end_the_connection() {
    let mut client = Client::silent();
    client.send(&[PREFACE, &frame(SETTINGS, 0, 0, &[]), &get(1, "/download")].concat());
    client.pass(seconds(13));
    let reason = CloseReason::ProtocolError(ProtocolError::Http2(Fault::SettingsTimeout));
    assert_eq!(client.closed, Some(reason));
    assert_eq!(client.go_away_code(), Some(4));
}

#[test]
fn an_idle_connection_is_told_and_closed() {
    let mut client = Client::greeted();
    client.send(&get(1, "/get"));
    client.pass(seconds(59));
    assert_eq!(client.closed, None);
    client.pass(seconds(4));
    assert_eq!(client.closed, Some(CloseReason::IdleTimeout));
    assert_eq!(client.go_away_code(), Some(0));
}

#[test]
fn a_frame_or_a_block_that_does_not_go_on_ends_the_connection() {
    for begun in [&get(1, "/get")[..20], &frame(HEADERS, 0, 1, &[0x82])] {
        let mut client = Client::greeted();
        client.send(begun);
        client.pass(seconds(13));
        let reason = CloseReason::ProtocolError(ProtocolError::Http2(Fault::FrameTimeout));
        assert_eq!(client.closed, Some(reason));
    }
}

#[test]
fn a_body_that_does_not_come_is_answered() {
    let mut client = Client::greeted();
    client.send(&[post(1, "/upload"), frame(DATA, 0, 1, &[0; 100])].concat());
    client.pass(seconds(29));
    assert_eq!(client.status(1), None);
    client.pass(seconds(2));
    assert_eq!(client.status(1), Some(408));
    assert_eq!(client.stream_ends(), [CloseReason::InactivityTimeout]);
    assert_eq!(client.closed, None);
}

#[test]
fn a_window_that_stays_closed_ends_its_stream() {
    for path in ["/download", "/large?100000"] {
        let mut client = Client::greeted();
        client.send(&get(1, path));
        assert_eq!(client.body(1).0.len(), FIRST_WINDOW);
        client.pass(seconds(9));
        client.send(&[window_update(1, 1), window_update(0, 1)].concat());
        client.pass(seconds(9));
        assert_eq!(client.reset_code(1), None, "a byte is progress");
        client.pass(seconds(2));
        assert_eq!(client.reset_code(1), Some(8));
        assert_eq!(client.stream_ends(), [CloseReason::WriteStalled]);
        client.send(&get(3, "/empty"));
        assert_eq!(client.status(3), Some(200));
    }
}

#[test]
fn a_transport_that_takes_nothing_ends_the_connection() {
    let mut client = Client::greeted();
    client.is_blocked = true;
    client.send(&get(1, "/download"));
    client.pass(seconds(11));
    assert_eq!(client.closed, Some(CloseReason::WriteStalled));
    assert_eq!(client.stream_ends(), [CloseReason::WriteStalled]);
}

#[test]
fn a_window_that_opens_late_gives_its_filler_all_of_its_time() {
    let mut client = Client::greeted();
    client.send(&post(1, "/upload"));
    client.send(&get(3, "/download"));
    for _ in 0..4 {
        client.pass(seconds(8));
        client.send(
            &[
                window_update(3, 1),
                window_update(0, 1),
                frame(DATA, 0, 1, b"x"),
            ]
            .concat(),
        );
    }
    client.is_blocked = true;
    client.pass(seconds(5));
    client.send(&[window_update(3, 50_000), window_update(0, 50_000)].concat());
    client.pass(seconds(4));
    client.is_blocked = false;
    client.pump();
    assert_eq!(client.closed, None);
    assert_eq!(client.body(3).0.len(), FIRST_WINDOW + 4 + 50_000);
}

#[test]
fn acknowledging_is_not_asked_for_twice() {
    let mut client = Client::greeted();
    client.send(&frame(SETTINGS, ACK, 0, &[]));
    client.send(&get(1, "/get"));
    client.pass(seconds(30));
    assert_eq!(client.closed, None);
}
