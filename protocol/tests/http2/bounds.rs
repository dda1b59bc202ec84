//! Floods: what costs us more than it costs the peer is bounded.

use crate::client::{
    CONTINUATION, Client, DATA, END_HEADERS, END_STREAM, HEADERS, PING, PRIORITY, RESET, SETTINGS,
    block, frame, get, post, request_block, setting, window_update,
};

const ENHANCE_YOUR_CALM: u32 = 0xb;
const REFUSED_STREAM: u32 = 7;

/// How many of `frames` are borne before the connection ends with ENHANCE_YOUR_CALM.
fn borne(mut frames: impl Iterator<Item = Vec<u8>>) -> usize {
    let mut client = Client::greeted();
    for count in 0..5_000 {
        if client.go_away_code() == Some(ENHANCE_YOUR_CALM) {
            return count;
        }
        assert_eq!(client.go_away_code(), None);
        client.send(&frames.next().expect("without end"));
        assert!(client.connection.queued_transmit_bytes() < 100_000);
        client.frames.retain(|frame| frame.kind == 7);
        client.events.clear();
    }
    panic!("without a bound");
}

#[test]
fn streams_at_a_time_are_bounded() {
    let mut client = Client::greeted();
    for id in 0..101 {
        client.send(&post(2 * id + 1, "/upload"));
    }
    assert_eq!(client.reset_code(199), None);
    assert_eq!(client.reset_code(201), Some(REFUSED_STREAM));
    client.send(&frame(DATA, END_STREAM, 1, b""));
    client.send(&get(203, "/get"));
    assert_eq!(client.status(203), Some(200), "there is room again");
}

#[test]
fn rapid_resets_are_bounded() {
    let ids = (0..).map(|number| 2 * number + 1);
    let pairs = ids.map(|id| [get(id, "/download"), frame(RESET, 0, id, &[0, 0, 0, 8])].concat());
    assert_eq!(borne(pairs), 201);
    // Resets that the peer provokes count as well.
    let ids = (0..).map(|number| 2 * number + 1);
    let provoked = ids.map(|id| [post(id, "/upload"), window_update(id, 0)].concat());
    assert_eq!(borne(provoked), 201);
    let ids = (0..).map(|number| 2 * number + 1);
    let malformed = ids.map(|id| frame(HEADERS, END_HEADERS, id, &block(&[("a", "b")])));
    assert_eq!(borne(malformed), 201);
}

#[test]
fn frames_that_carry_nothing_are_bounded() {
    let settings = setting(4, 1000);
    for nothing in [
        frame(PING, 0, 0, &[0; 8]),
        frame(SETTINGS, 0, 0, &settings),
        frame(PRIORITY, 0, 1, &[0; 5]),
        frame(0xbe, 0, 0, b""),
    ] {
        let count = borne(std::iter::repeat(nothing));
        assert!((900..1_002).contains(&count), "{count}");
    }
    let mut first = Some(post(1, "/upload"));
    let empty = std::iter::repeat_with(|| first.take().unwrap_or_else(|| frame(DATA, 0, 1, b"")));
    assert!(borne(empty) < 1_003);
}

#[test]
fn a_block_in_many_pieces_is_bounded() {
    let mut first = Some(frame(HEADERS, 0, 1, b""));
    let pieces = std::iter::repeat_with(|| {
        first
            .take()
            .unwrap_or_else(|| frame(CONTINUATION, 0, 1, b""))
    });
    assert_eq!(borne(pieces), 10);
    let mut first = Some(frame(HEADERS, 0, 1, &[0x82; 16_384]));
    let large = std::iter::repeat_with(|| {
        first
            .take()
            .unwrap_or_else(|| frame(CONTINUATION, 0, 1, &[0x82; 16_384]))
    });
    assert_eq!(borne(large), 3);
}

#[test]
fn a_list_that_a_small_block_stands_for_is_bounded() {
    let mut client = Client::greeted();
    // An entry of 4000 bytes in the table, and then named 10,000 times.
    let mut bomb = request_block("GET", "/get");
    bomb.extend_from_slice(&[0x40, 1, b'a', 0x7f, 0xa1, 0x1e]);
    bomb.extend_from_slice(&[b'x'; 4000]);
    bomb.extend_from_slice(&[0xbe; 10_000]);
    client.send(&frame(HEADERS, END_HEADERS | END_STREAM, 1, &bomb));
    assert_eq!(client.status(1), Some(431));
    // The table is as it should be, and the connection goes on.
    let mut named = request_block("GET", "/get");
    named.push(0xbe);
    client.send(&frame(HEADERS, END_HEADERS | END_STREAM, 3, &named));
    assert_eq!(client.status(3), Some(200));
}

#[test]
fn a_peer_that_does_not_read_its_answers_is_not_read_from() {
    let mut client = Client::greeted();
    client.is_blocked = true;
    // Each costs an answer of 9 + 8 bytes, each time within the budget of its second.
    for _ in 0..200 {
        client.now = client.now + std::time::Duration::from_secs(1);
        client.send(&frame(PING, 0, 0, &[0; 8]).repeat(100));
    }
    assert!(client.connection.queued_transmit_bytes() < 100_000);
    assert_eq!(
        client.connection.receive(),
        protocol::connection::Receive::Paused
    );
}
