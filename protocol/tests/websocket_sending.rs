//! What a WebSocket sends of its own accord and how it ends: the bound on what waits, filler with messages between its
//! frames, the closing handshake and its deadlines.

mod pump;

use std::time::Duration;

use protocol::connection::{BinarySink, CloseReason, Event, FillerLayout, SendError};
use protocol::limits::{
    FILLER_FRAME_PAYLOAD_BYTES, INACTIVITY_TIMEOUT, TRANSMIT_BUFFER_BYTES_MAX,
    WEBSOCKET_CLOSE_TIMEOUT, WRITE_STALL_TIMEOUT,
};
use protocol::websocket::FILLER_STRIDE_BYTES;
use pump::websocket::{
    CLOSE, FIN, NOW, PING, PONG, TEXT, bare, client, closing, frame, message, server,
};

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
