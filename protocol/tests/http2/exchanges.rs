//! What works.

use protocol::connection::{CloseReason, Event};

use crate::client::{
    ACK, Client, DATA, END_HEADERS, END_STREAM, FIRST_WINDOW, HEADERS, PADDED, PING, PREFACE,
    RESET, SETTINGS, WINDOW, block, frame, get, post, request_block, setting, window_update,
};

#[test]
fn the_server_speaks_first_and_acknowledges_settings() {
    let mut client = Client::silent();
    client.pump();
    let greeting: Vec<u8> = client.frames.iter().map(|frame| frame.kind).collect();
    assert_eq!(greeting, [SETTINGS, WINDOW]);
    let settings = &client.frames[0].payload;
    let value = |name: u16| {
        settings
            .chunks(6)
            .find(|entry| entry[..2] == name.to_be_bytes())
            .map(|entry| u32::from_be_bytes([entry[2], entry[3], entry[4], entry[5]]))
    };
    assert_eq!(value(3), Some(100));
    assert_eq!(value(4), Some(1 << 30));
    assert_eq!(value(8), None, "extended CONNECT stays off");
    client.send(&[PREFACE, &frame(SETTINGS, 0, 0, &[])].concat());
    assert_eq!(
        client.frames[2],
        crate::client::Frame {
            kind: SETTINGS,
            flags: ACK,
            stream: 0,
            payload: Vec::new(),
        }
    );
}

#[test]
fn many_requests_are_answered_on_one_connection() {
    let mut client = Client::greeted();
    let requests = [
        get(1, "/get"),
        get(3, "/empty"),
        get(5, "/else"),
        get(7, "/get"),
    ];
    client.send(&requests.concat());
    assert_eq!(client.body(1), (b"hello".to_vec(), true));
    assert_eq!(client.body(3), (Vec::new(), true));
    assert_eq!((client.status(1), client.status(5)), (Some(200), Some(404)));
    assert_eq!(client.body(7), (b"hello".to_vec(), true));
    assert_eq!(client.stream_ends(), [CloseReason::Finished; 4]);
    // Only the first block announces that no table is used.
    let first_bytes: Vec<u8> = [1, 3]
        .map(|id| client.of(HEADERS, id).next().unwrap().payload[0])
        .to_vec();
    assert_eq!(first_bytes, [0x20, 0x88]);
}

#[test]
fn a_head_request_has_no_body() {
    let mut client = Client::greeted();
    let head = frame(
        HEADERS,
        END_HEADERS | END_STREAM,
        1,
        &request_block("HEAD", "/download?500"),
    );
    client.send(&head);
    assert_eq!(client.body(1), (Vec::new(), true));
    let block = &client.of(HEADERS, 1).next().unwrap().payload;
    assert!(
        block.windows(3).any(|window| window == b"500"),
        "its length is told"
    );
    assert!(!block.windows(9).any(|window| window == b"websocket"));
}

#[test]
fn a_body_of_bytes_waits_for_windows() {
    let mut client = Client::greeted();
    client.send(&get(1, "/large?200000"));
    assert_eq!(client.body(1).0.len(), FIRST_WINDOW);
    client.send(&window_update(1, 100_000));
    assert_eq!(
        client.body(1).0.len(),
        FIRST_WINDOW,
        "the connection's window is closed"
    );
    client.send(&window_update(0, 10_000));
    assert_eq!(client.body(1).0.len(), FIRST_WINDOW + 10_000);
    client.send(&window_update(0, 1 << 20));
    assert_eq!(client.body(1), (vec![9; FIRST_WINDOW + 100_000], false));
    client.send(&window_update(1, 100_000));
    assert_eq!(client.body(1), (vec![9; 200_000], true));
}

#[test]
fn filler_is_to_the_byte_and_ends_its_stream() {
    for length in [1, 16_374, 16_375, 16_376, 32_750, 100_000, 1_000_000] {
        for filler_piece in [1, 7, 5_000, 16_384, u64::MAX] {
            if filler_piece < 1000 && length > 100_000 {
                continue;
            }
            let mut client = Client::greeted_with(&setting(4, 1 << 20));
            client.filler_piece = filler_piece;
            client.send(&window_update(0, 1 << 20));
            client.send(&get(1, &format!("/download?{length}")));
            let (body, is_end) = client.body(1);
            assert_eq!(
                (body.len(), is_end),
                (length, true),
                "{filler_piece} at a time"
            );
            assert_eq!(client.connection.sent_payload_bytes(), length as u64);
            assert_eq!(client.stream_ends(), [CloseReason::Finished]);
        }
    }
}

#[test]
fn filler_goes_out_in_whole_frames_where_it_can() {
    let mut client = Client::greeted_with(&setting(4, 1 << 20));
    client.send(&window_update(0, 1 << 20));
    client.send(&get(1, "/download?1000000"));
    let lengths: Vec<usize> = client
        .of(DATA, 1)
        .map(|frame| frame.payload.len())
        .collect();
    let (last, whole) = lengths.split_last().unwrap();
    assert_eq!((whole.len(), *last), (61, 1_000_000 - 61 * 16_375));
    assert!(whole.iter().all(|length| *length == 16_375));
}

#[test]
fn a_tiny_window_is_used_to_the_byte() {
    let mut client = Client::greeted_with(&setting(4, 1));
    client.send(&get(1, "/download?5"));
    assert_eq!(client.body(1), (vec![7; 1], false));
    client.send(&window_update(1, 3));
    client.send(&window_update(1, 1));
    assert_eq!(client.body(1), (vec![7; 5], true));
}

#[test]
fn a_smaller_initial_window_can_make_a_window_negative() {
    let mut client = Client::greeted();
    client.send(&get(1, "/download?200000"));
    assert_eq!(client.body(1).0.len(), FIRST_WINDOW);
    client.send(&frame(SETTINGS, 0, 0, &setting(4, 0)));
    client.send(&[window_update(0, 1 << 20), window_update(1, 65_535)].concat());
    assert_eq!(client.body(1).0.len(), FIRST_WINDOW);
    client.send(&window_update(1, 5));
    assert_eq!(client.body(1).0.len(), FIRST_WINDOW + 5);
}

#[test]
fn streams_share_the_line_in_turn() {
    let mut client = Client::greeted_with(&setting(4, 1 << 30));
    client.send(&window_update(0, 1 << 24));
    client.is_blocked = true;
    client.send(
        &[
            get(1, "/download?4000000"),
            get(3, "/download?4000000"),
            get(5, "/get"),
        ]
        .concat(),
    );
    client.is_blocked = false;
    client.pump();
    let order: Vec<u32> = client
        .frames
        .iter()
        .filter(|f| f.kind == DATA)
        .map(|f| f.stream)
        .collect();
    assert_eq!(order[0], 5, "what is small goes before filler");
    let (mut longest, mut run) = (0, 0);
    let both = order
        .iter()
        .rposition(|id| *id == 1)
        .unwrap()
        .min(order.iter().rposition(|id| *id == 3).unwrap());
    for pair in order[1..both].windows(2) {
        run = if pair[0] == pair[1] { run + 1 } else { 0 };
        longest = longest.max(run + 1);
    }
    assert!(longest <= 4, "{longest} frames in a turn");
}

#[test]
fn answers_go_between_frames_of_filler() {
    let mut client = Client::greeted_with(&setting(4, 1 << 30));
    client.send(&window_update(0, 1 << 30));
    client.filler_piece = 1_000;
    // Endless: driven by hand.
    client
        .connection
        .handle_input(client.now, &get(1, "/download"));
    let mut scratch = Vec::new();
    let (id, event) = client
        .connection
        .poll_stream_event(&mut scratch)
        .expect("a request");
    assert!(matches!(event, Event::Request(_)));
    let filler = protocol::connection::ResponseBody::Filler { length: None };
    let head = protocol::http1::ResponseHead::new(200);
    let now = client.now;
    client
        .connection
        .stream_mut(id)
        .unwrap()
        .respond(now, head, filler)
        .unwrap();
    let mut buffer = Vec::new();
    assert!(client.connection.poll_transmit(now, &mut buffer));
    client
        .connection
        .handle_transmitted(now, buffer.len() as u64);
    assert!(client.connection.poll_filler().unwrap().remaining > 16_384);
    client.connection.handle_filler_sent(now, 1_000);
    client
        .connection
        .handle_input(now, &frame(PING, 0, 0, b"12345678"));
    buffer.clear();
    assert!(
        !client.connection.poll_transmit(now, &mut buffer),
        "a frame is under way"
    );
    assert_eq!(client.connection.poll_filler().unwrap().remaining, 15_384);
    client.connection.handle_filler_sent(now, 15_384);
    assert_eq!(client.connection.poll_filler(), None);
    assert!(client.connection.poll_transmit(now, &mut buffer));
    assert_eq!(buffer, frame(PING, ACK, 0, b"12345678"));
    client
        .connection
        .handle_transmitted(now, buffer.len() as u64);
    // The application stops it: the stream ends with an empty frame.
    client.connection.stream_mut(id).unwrap().stop_filler(now);
    buffer.clear();
    assert!(client.connection.poll_transmit(now, &mut buffer));
    assert_eq!(buffer, frame(DATA, END_STREAM, 1, &[]));
    assert_eq!(
        client
            .connection
            .stream_mut(id)
            .unwrap()
            .sent_payload_bytes(),
        16_375
    );
}

#[test]
fn an_upload_is_counted_with_its_padding_left_out() {
    let mut client = Client::greeted();
    let padded = [&[3_u8][..], &[b'x'; 100], &[0; 3]].concat();
    client.send(
        &[
            post(1, "/upload"),
            frame(DATA, 0, 1, &[b'x'; 16_384]),
            frame(DATA, PADDED, 1, &padded),
            frame(DATA, END_STREAM, 1, &[]),
        ]
        .concat(),
    );
    let complete = client.events.iter().find_map(|(_, event, _)| match event {
        Event::BodyComplete { bytes, .. } => Some(*bytes),
        _ => None,
    });
    assert_eq!(complete, Some(16_484));
    assert_eq!(client.status(1), Some(200));
    assert_eq!(client.connection.received_payload_bytes(), 16_484);
}

#[test]
fn windows_are_given_back_long_before_they_are_used_up() {
    let mut client = Client::greeted();
    client.send(&post(1, "/upload"));
    let piece = frame(DATA, 0, 1, &vec![0; 16_384]);
    let quarter = (1_usize << 28).div_ceil(16_384);
    for _ in 0..quarter {
        client.send(&piece);
    }
    let updates: Vec<u32> = client
        .frames
        .iter()
        .filter(|f| f.kind == WINDOW)
        .map(|f| f.stream)
        .collect();
    assert_eq!(updates, [0, 1]);
}

#[test]
fn a_collected_body_reaches_the_application_and_trailers_do_not() {
    let mut client = Client::greeted();
    client.send(
        &[
            post(1, "/collect"),
            frame(DATA, 0, 1, b"abc"),
            frame(DATA, 0, 1, b"def"),
            frame(
                HEADERS,
                END_HEADERS | END_STREAM,
                1,
                &block(&[("checksum", "1")]),
            ),
        ]
        .concat(),
    );
    assert_eq!(client.body(1), (b"abcdef".to_vec(), true));
}

#[test]
fn a_body_that_is_too_large_is_answered_and_the_rest_ignored() {
    let mut client = Client::greeted();
    client.send(&[post(1, "/collect"), frame(DATA, 0, 1, &[0; 1001])].concat());
    assert_eq!(client.status(1), Some(413));
    assert_eq!(
        client.reset_code(1),
        Some(0),
        "the rest of the body is of no use"
    );
    client.send(&[frame(DATA, END_STREAM, 1, &[0; 500]), get(3, "/get")].concat());
    assert_eq!(client.status(3), Some(200));
    assert_eq!(client.go_away_code(), None);
}

#[test]
fn a_client_that_waits_for_100_gets_it() {
    let mut client = Client::greeted();
    let fields = [
        (":method", "POST"),
        (":scheme", "https"),
        (":authority", "a"),
        (":path", "/upload"),
        ("expect", "100-continue"),
    ];
    client.send(&frame(HEADERS, END_HEADERS, 1, &block(&fields)));
    assert_eq!(client.status(1), Some(100));
    client.send(&frame(DATA, END_STREAM, 1, b"x"));
    assert_eq!(client.status(1), Some(200));
}

#[test]
fn a_block_may_come_in_pieces_and_priorities_are_ignored() {
    let mut client = Client::greeted();
    let block = request_block("GET", "/get");
    let prioritized = [&[0, 0, 0, 0, 16][..], &block[..5]].concat();
    client.send(
        &[
            frame(2, 0, 9, &[0; 5]),
            frame(HEADERS, END_STREAM | 0x20, 1, &prioritized),
            frame(9, 0, 1, &block[5..9]),
            frame(9, END_HEADERS, 1, &block[9..]),
            frame(0xbe, 0xff, 7, b"unknown"),
        ]
        .concat(),
    );
    assert_eq!(client.status(1), Some(200));
}

#[test]
fn a_cancelled_download_stops_and_the_connection_goes_on() {
    let mut client = Client::greeted();
    client.send(&get(1, "/download"));
    let before = client.body(1).0.len();
    client.send(&frame(RESET, 0, 1, &[0, 0, 0, 8]));
    client.send(&[window_update(1, 1000), window_update(0, 100_000)].concat());
    assert_eq!(client.body(1).0.len(), before);
    assert_eq!(
        client.stream_ends(),
        [CloseReason::PeerClosed { code: None }]
    );
    client.send(&get(3, "/get"));
    assert_eq!(client.status(3), Some(200));
}

#[test]
fn a_stream_that_is_cut_finishes_the_frame_it_began() {
    let mut client = Client::greeted();
    client.filler_piece = 1_000;
    client
        .connection
        .handle_input(client.now, &get(1, "/download?50000"));
    client.is_blocked = true;
    client.pump();
    let now = client.now;
    let mut buffer = Vec::new();
    assert!(client.connection.poll_transmit(now, &mut buffer));
    client
        .connection
        .handle_transmitted(now, buffer.len() as u64);
    assert!(client.connection.poll_filler().is_some());
    client.connection.handle_filler_sent(now, 10_000);
    client.connection.abort_stream(now, client.events[0].0);
    let filler = client.connection.poll_filler().expect("the frame's rest");
    assert_eq!(filler.remaining, 6_384);
    client.connection.handle_filler_sent(now, 6_384);
    buffer.clear();
    assert!(client.connection.poll_transmit(now, &mut buffer));
    assert_eq!(buffer, frame(RESET, 0, 1, &[0, 0, 0, 8]));
    client
        .connection
        .handle_transmitted(now, buffer.len() as u64);
    client.pump();
    assert_eq!(client.connection.poll_filler(), None);
    assert_eq!(client.stream_ends(), [CloseReason::Finished]);
}

#[test]
fn a_connection_that_is_closed_serves_what_it_has_and_nothing_new() {
    let mut client = Client::greeted();
    client.send(&get(1, "/download?100000"));
    client.connection.close(client.now, 1001, "going away");
    client.send(&get(3, "/get"));
    assert_eq!(client.go_away_code(), Some(0));
    assert_eq!(client.status(3), None);
    client.send(&[window_update(1, 100_000), window_update(0, 100_000)].concat());
    assert_eq!(client.body(1), (vec![7; 100_000], true));
    assert!(client.connection.wants_shutdown());
    client.connection.handle_eof(client.now);
    client.pump();
    assert_eq!(client.closed, Some(CloseReason::Finished));
}

#[test]
fn a_peer_that_leaves_between_requests_has_closed_and_one_in_the_middle_has_vanished() {
    let mut client = Client::greeted();
    client.send(&get(1, "/get"));
    client.connection.handle_eof(client.now);
    client.pump();
    assert_eq!(client.closed, Some(CloseReason::PeerClosed { code: None }));
    let mut client = Client::greeted();
    client.send(&get(1, "/download"));
    client.connection.handle_eof(client.now);
    client.pump();
    assert_eq!(client.closed, Some(CloseReason::PeerVanished));
    assert_eq!(client.stream_ends(), [CloseReason::PeerVanished]);
}
