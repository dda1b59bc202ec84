//! However a stream is cut, the same things happen; and random bytes do no harm.

use proptest::collection::vec;
use proptest::prelude::*;

use protocol::connection::{Event, Receive};

use crate::client::{
    Client, DATA, END_HEADERS, END_STREAM, Frame, HEADERS, PADDED, PREFACE, SETTINGS, frame, get,
    post, request_block, setting, window_update,
};

#[derive(Clone, Debug)]
enum Sent {
    Get,
    Download(u32),
    Upload { pieces: Vec<u16>, is_padded: bool },
    InPieces(usize),
    Window(u32),
    Ping,
    Unknown(Vec<u8>),
}

fn sent() -> impl Strategy<Value = Sent> {
    prop_oneof![
        Just(Sent::Get),
        (1..40_000_u32).prop_map(Sent::Download),
        (vec(0..16_000_u16, 0..4), any::<bool>())
            .prop_map(|(pieces, is_padded)| Sent::Upload { pieces, is_padded }),
        (0..30_usize).prop_map(Sent::InPieces),
        (1..10_000_u32).prop_map(Sent::Window),
        Just(Sent::Ping),
        vec(any::<u8>(), 0..50).prop_map(Sent::Unknown),
    ]
}

fn bytes_of(all: &[Sent]) -> Vec<u8> {
    // Windows that hold all of it: who gets a scarce one may depend on the pieces.
    let settings = frame(SETTINGS, 0, 0, &setting(4, 100_000));
    let mut bytes = [PREFACE, &settings, &window_update(0, 1 << 20)].concat();
    for (number, sent) in all.iter().enumerate() {
        let id = 2 * number as u32 + 1;
        match sent {
            Sent::Get => bytes.extend(get(id, "/get")),
            Sent::Download(length) => bytes.extend(get(id, &format!("/download?{length}"))),
            Sent::Upload { pieces, is_padded } => {
                bytes.extend(post(id, "/upload"));
                for length in pieces {
                    let body = vec![0_u8; usize::from(*length)];
                    if *is_padded {
                        let padded = [&[5_u8][..], &body, &[0; 5]].concat();
                        bytes.extend(frame(DATA, PADDED, id, &padded));
                    } else {
                        bytes.extend(frame(DATA, 0, id, &body));
                    }
                }
                bytes.extend(frame(DATA, END_STREAM, id, b""));
            }
            Sent::InPieces(at) => {
                let block = request_block("GET", "/get");
                let (first, second) = block.split_at((*at).min(block.len()));
                bytes.extend(frame(HEADERS, END_STREAM, id, first));
                bytes.extend(frame(9, END_HEADERS, id, second));
            }
            Sent::Window(increment) => bytes.extend(window_update(0, *increment)),
            Sent::Ping => bytes.extend(frame(6, 0, 0, b"pingpong")),
            Sent::Unknown(payload) => bytes.extend(frame(0xbe, 0, id, payload)),
        }
    }
    bytes
}

/// What became of a connection.
#[derive(Debug, PartialEq)]
struct Outcome {
    /// Of each stream: its status, the length of its body, and whether it ended.
    streams: Vec<(u32, Option<u16>, usize, bool)>,
    /// Those of one stream in their order, stream by stream.
    events: Vec<Event>,
    go_away_code: Option<u32>,
}

/// What a peer and the application see, whatever the pieces were.
fn outcome(bytes: &[u8], cuts: &[usize]) -> Outcome {
    let mut client = Client::silent();
    let mut cuts = cuts.iter().cycle();
    let mut rest = bytes;
    while !rest.is_empty() {
        let count = cuts.next().copied().unwrap_or(1).min(rest.len());
        client.send(&rest[..count]);
        rest = &rest[count..];
    }
    let mut ids: Vec<u32> = client
        .frames
        .iter()
        .map(|frame: &Frame| frame.stream)
        .collect();
    ids.sort_unstable();
    ids.dedup();
    let streams = ids
        .into_iter()
        .map(|id| {
            let (body, is_end) = client.body(id);
            (id, client.status(id), body.len(), is_end)
        })
        .collect();
    let mut events: Vec<(String, Event)> = client
        .events
        .iter()
        .map(|(id, event, _)| (format!("{id:?}"), event.clone()))
        .collect();
    events.sort_by(|a, b| a.0.cmp(&b.0));
    Outcome {
        streams,
        events: events.into_iter().map(|(_, event)| event).collect(),
        go_away_code: client.go_away_code(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn pieces_do_not_matter(
        all in vec(sent(), 0..12),
        cuts in vec(prop_oneof![1..4_usize, 1..100_usize, 1..20_000_usize], 1..20),
    ) {
        let bytes = bytes_of(&all);
        let whole = outcome(&bytes, &[usize::MAX]);
        prop_assert_eq!(whole.go_away_code, None);
        prop_assert_eq!(outcome(&bytes, &cuts), whole);
    }

    #[test]
    fn random_frames_do_no_harm(
        frames in vec((0..12_u8, any::<u8>(), 0..8_u32, vec(any::<u8>(), 0..40)), 0..40),
        cut in 1..200_usize,
    ) {
        let mut bytes = [PREFACE, &frame(SETTINGS, 0, 0, &[])].concat();
        for (kind, flags, stream, payload) in frames {
            bytes.extend(frame(kind, flags, stream, &payload));
        }
        let mut client = Client::silent();
        for piece in bytes.chunks(cut) {
            client.send(piece);
            prop_assert!(client.connection.queued_transmit_bytes() < 200_000);
        }
        client.connection.handle_eof(client.now);
        client.pump();
        prop_assert!(client.closed.is_some() && client.connection.wants_close());
        prop_assert_eq!(client.connection.receive(), Receive::Paused);
        prop_assert_eq!(client.connection.poll_timeout(), None);
    }
}
