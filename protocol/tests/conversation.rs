//! Our client and our server talk to each other over streams that are cut at random, in virtual time.

mod pump;

use proptest::collection::vec;
use proptest::prelude::*;

use protocol::connection::{
    BinarySink, BodySink, CloseReason, Connection, Event, MessageKind, RequestBody, ResponseBody,
    WebSocketOptions,
};
use protocol::http1::{Method, RequestHead, ResponseHead};
use protocol::limits::FILLER_FRAME_PAYLOAD_BYTES;
use protocol::time::Instant;
use pump::{Peer, converse};

fn peers() -> [Peer; 2] {
    [
        Peer::new(Connection::client(Instant::ORIGIN)),
        Peer::new(Connection::server(Instant::ORIGIN)),
    ]
}

fn cutter(cuts: Vec<usize>) -> impl FnMut() -> usize {
    let mut at = 0;
    move || {
        at += 1;
        cuts[at % cuts.len()]
    }
}

/// The piece lengths to cut the streams by, used over and over; one is large, so that a case stays short.
fn cuts() -> impl Strategy<Value = Vec<usize>> {
    let small = prop_oneof![1..20_usize, 1..2000_usize, 1000..100_000_usize];
    (vec(small, 1..20), 20_000..100_000_usize).prop_map(|(mut cuts, large)| {
        cuts.push(large);
        cuts
    })
}

fn options(binary: BinarySink) -> WebSocketOptions {
    WebSocketOptions {
        binary,
        extra_fields: vec![("X-Extra".into(), "1".into())],
    }
}

/// A server of `/download/{bytes}`, `/upload`, and a WebSocket that echoes text and discards binary.
fn serve(connection: &mut Connection, event: Event, payload: &[u8], now: Instant) {
    match event {
        Event::Request(request) => {
            if request.websocket_upgrade().is_ok() {
                connection
                    .accept_websocket(now, options(BinarySink::Discard))
                    .unwrap();
            } else if request.path() == "/upload" {
                connection.receive_body(now, BodySink::Discard).unwrap();
            } else {
                let length = request
                    .path()
                    .strip_prefix("/download/")
                    .unwrap()
                    .parse()
                    .ok();
                let body = ResponseBody::Filler { length };
                connection
                    .respond(now, ResponseHead::new(200), body)
                    .unwrap();
            }
        }
        Event::BodyComplete { bytes, .. } => {
            let body = ResponseBody::Owned(bytes.to_string().into_bytes());
            connection
                .respond(now, ResponseHead::new(200), body)
                .unwrap();
        }
        Event::Message(MessageKind::Text) => {
            let text = std::str::from_utf8(payload).unwrap();
            connection.send_text(now, text).unwrap();
            if text == "fill" {
                connection.send_filler(now, Some(200_001)).unwrap();
            }
        }
        _ => {}
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn downloads_and_uploads_arrive_to_the_byte(
        lengths in vec(0..300_000_u64, 1..4),
        cuts in cuts(),
    ) {
        let mut peers = peers();
        let mut now = Instant::ORIGIN;
        let mut queue = lengths.clone();
        let ask = |client: &mut Connection, length: u64, now: Instant| {
            let (head, body) = if length.is_multiple_of(2) {
                let target = format!("/download/{length}");
                (RequestHead::new(Method::Get, target, "a"), RequestBody::Empty)
            } else {
                let head = RequestHead::new(Method::Post, "/upload", "a");
                (head, RequestBody::Filler { length })
            };
            let limit_bytes = usize::MAX;
            client.request(now, head, body, BodySink::Collect { limit_bytes }).unwrap();
        };
        ask(&mut peers[0].connection, queue.remove(0), now);
        let mut bodies = Vec::new();
        converse(&mut peers, &mut now, cutter(cuts), |side, connection, event, payload, now| {
            if side == 1 {
                serve(connection, event, &payload, now);
            } else if let Event::BodyComplete { bytes, .. } = event {
                assert_eq!(bytes, payload.len() as u64);
                bodies.push(payload);
                if !queue.is_empty() {
                    ask(connection, queue.remove(0), now);
                }
            }
        });
        prop_assert_eq!(bodies.len(), lengths.len());
        for (body, length) in bodies.iter().zip(&lengths) {
            if length.is_multiple_of(2) {
                prop_assert_eq!(body.len() as u64, *length);
            } else {
                prop_assert_eq!(body, &length.to_string().into_bytes());
            }
        }
        let (uploads, downloads): (Vec<u64>, Vec<u64>) = lengths.iter().partition(|&length| length % 2 == 1);
        prop_assert_eq!(peers[1].connection.received_payload_bytes(), uploads.iter().sum::<u64>());
        prop_assert_eq!(peers[1].connection.sent_payload_bytes(), downloads.iter().sum::<u64>());
        prop_assert_eq!(peers[0].connection.sent_payload_bytes(), uploads.iter().sum::<u64>());
    }

    #[test]
    fn a_websocket_lives_from_its_handshake_to_its_close(
        texts in vec("\\PC{0,200}", 0..10),
        upload in 0..300_000_u64,
        cuts in cuts(),
        client_closes in any::<bool>(),
    ) {
        let mut peers = peers();
        let mut now = Instant::ORIGIN;
        let binary = options(BinarySink::Deliver);
        peers[0].connection.request_websocket(now, "/ws", "a", [7; 16], binary).unwrap();
        let mut echoes = Vec::new();
        let mut received = 0;
        let mut fillers_sent = 0;
        let mut pongs = 0;
        let mut ends = Vec::new();
        converse(&mut peers, &mut now, cutter(cuts), |side, connection, event, payload, now| {
            if let Event::Closed(reason) = event {
                ends.push((side, reason));
                return;
            }
            if side == 1 {
                serve(connection, event, &payload, now);
                return;
            }
            match event {
                Event::Upgraded => {
                    for text in &texts {
                        connection.send_text(now, text).unwrap();
                    }
                    connection.send_filler(now, Some(upload)).unwrap();
                    connection.send_ping(now, b"there?").unwrap();
                    connection.send_text(now, "fill").unwrap();
                }
                Event::Message(MessageKind::Text) => echoes.push(String::from_utf8(payload).unwrap()),
                Event::Message(MessageKind::Binary) => received += payload.len(),
                Event::FillerSent => fillers_sent += 1,
                Event::Pong => {
                    assert_eq!(payload, b"there?");
                    pongs += 1;
                }
                other => panic!("{other:?}"),
            }
        });
        prop_assert_eq!(&echoes[..texts.len()], &texts[..]);
        prop_assert_eq!((echoes.len(), fillers_sent, pongs), (texts.len() + 1, 1, 1));
        prop_assert_eq!(received, 200_001);
        prop_assert_eq!(peers[0].connection.received_payload_bytes(), 200_001);
        prop_assert_eq!(peers[0].connection.sent_payload_bytes(), upload);
        prop_assert_eq!(peers[1].connection.received_payload_bytes(), upload);

        let closer = usize::from(!client_closes);
        peers[closer].connection.close(now, 3333, "done");
        converse(&mut peers, &mut now, || 7, |side, _, event, _, _| {
            if let Event::Closed(reason) = event {
                ends.push((side, reason));
            }
        });
        ends.sort_by_key(|(side, _)| *side != closer);
        let peer_closed = CloseReason::PeerClosed { code: Some(3333) };
        prop_assert_eq!(ends, [(closer, CloseReason::Local(3333)), (1 - closer, peer_closed)]);
    }

    #[test]
    fn closing_in_the_middle_of_endless_filler_leaves_whole_frames(
        before in 1..400_000_usize,
        cuts in cuts(),
    ) {
        let mut peers = peers();
        let mut now = Instant::ORIGIN;
        let binary = options(BinarySink::Discard);
        peers[0].connection.request_websocket(now, "/ws", "a", [9; 16], binary).unwrap();
        let mut is_closing = false;
        converse(&mut peers, &mut now, cutter(cuts), |side, connection, event, _, now| {
            if side == 0 && event == Event::Upgraded {
                connection.send_filler(now, None).unwrap();
                is_closing = true;
            } else if side == 1 && matches!(event, Event::Request(_)) {
                connection.accept_websocket(now, options(BinarySink::Discard)).unwrap();
                connection.send_filler(now, Some(before as u64)).unwrap();
            } else if side == 1 && event == Event::FillerSent {
                connection.close(now, 1001, "enough");
            }
        });
        prop_assert!(is_closing);
        prop_assert!(peers.iter().all(|peer| peer.connection.wants_close()));
        prop_assert_eq!(peers[0].connection.received_payload_bytes(), before as u64);
        let sent = peers[0].connection.sent_payload_bytes();
        prop_assert_eq!(sent % FILLER_FRAME_PAYLOAD_BYTES, 0);
        prop_assert_eq!(peers[1].connection.received_payload_bytes(), sent);
    }
}
