//! The hot paths, each as a piece of work that can be done so many times: what `instructions` counts and criterion times.
//!
//! A round's cost is the difference of two runs of different lengths, so what is set up once does not count.

use std::hint::black_box;
use std::time::Duration;

use engine::runtime::timer_wheel::TimerWheel;
use protocol::connection::{BinarySink, Connection, Event, ResponseBody, WebSocketOptions};
use protocol::http1::ResponseHead;
use protocol::measure::statistics::Sorted;
use protocol::message::probe::Probe;
use protocol::message::samples::Direction;
use protocol::pacing::{FlowPacer, TokenBucket};
use protocol::profile::catalogue;
use protocol::time::Instant;

/// A piece of work.
#[derive(Clone, Copy, Debug)]
pub(crate) struct HotPath {
    /// Its name.
    pub(crate) name: &'static str,
    /// Does it so many times.
    pub(crate) run: fn(u64),
}

/// All of them.
pub(crate) const HOT_PATHS: &[HotPath] = &[
    HotPath {
        name: "http1-request",
        run: http1_request,
    },
    HotPath {
        name: "websocket-upload-frame",
        run: websocket_upload_frame,
    },
    HotPath {
        name: "websocket-echo",
        run: websocket_echo,
    },
    HotPath {
        name: "bucket-take",
        run: bucket_take,
    },
    HotPath {
        name: "pacer-release",
        run: pacer_release,
    },
    HotPath {
        name: "wheel-schedule-expire",
        run: wheel,
    },
    HotPath {
        name: "percentiles-of-1000",
        run: percentiles,
    },
];

const REQUEST: &[u8] = b"GET /download?bytes=1000000 HTTP/1.1\r\nHost: node.example:8000\r\n\
    User-Agent: Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0\r\n\
    Accept: */*\r\nAccept-Encoding: gzip, deflate, br\r\nConnection: keep-alive\r\n\r\n";
const UPGRADE: &[u8] = b"GET /ws/ping HTTP/1.1\r\nHost: node.example\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
const FRAME_BYTES: u64 = 64 * 1024;

fn at(round: u64) -> Instant {
    Instant::ORIGIN + Duration::from_micros(round + 1)
}

/// A request with a browser's fields is parsed and answered without a body.
fn http1_request(times: u64) {
    let mut connection = Connection::server(at(0));
    let (mut scratch, mut out) = (Vec::new(), Vec::new());
    for round in 0..times {
        let now = at(round);
        connection.handle_input(now, black_box(REQUEST));
        while let Some(event) = connection.poll_event(&mut scratch) {
            if let Event::Request(request) = event {
                black_box(request.query_value("bytes"));
                // The request is pending: this is the state that the call needs.
                let _ = connection.respond(now, ResponseHead::new(200), ResponseBody::Empty);
            }
        }
        write_all(&mut connection, now, &mut out);
    }
}

/// The header of a masked frame of 64 KiB is parsed and its payload reported as thrown away.
fn websocket_upload_frame(times: u64) {
    let mut connection = websocket(BinarySink::Discard);
    let mut header = vec![0x82, 0xff];
    header.extend_from_slice(&FRAME_BYTES.to_be_bytes());
    header.extend_from_slice(&[1, 2, 3, 4]);
    for round in 0..times {
        let now = at(round);
        black_box(connection.receive());
        connection.handle_input(now, black_box(&header));
        black_box(connection.receive());
        connection.handle_discarded(now, FRAME_BYTES);
    }
}

/// A masked probe is parsed, delivered, and sent back.
fn websocket_echo(times: u64) {
    let mut connection = websocket(BinarySink::Deliver);
    let probe = Probe {
        sequence: 1,
        client_send_us: 2,
    };
    let mut frame = vec![0x82, 0x80 | probe.to_bytes().len() as u8, 0, 0, 0, 0];
    frame.extend_from_slice(&probe.to_bytes());
    let (mut scratch, mut out) = (Vec::new(), Vec::new());
    for round in 0..times {
        let now = at(round);
        connection.handle_input(now, black_box(&frame));
        while let Some(event) = connection.poll_event(&mut scratch) {
            if let Event::Message(_) = event {
                black_box(Probe::parse(&scratch));
                // There is room: everything was written in the round before.
                let _ = connection.send_binary(now, &scratch);
            }
        }
        write_all(&mut connection, now, &mut out);
    }
}

fn bucket_take(times: u64) {
    let mut bucket = TokenBucket::new(at(0), 25_000_000, 64 * 1024);
    for round in 0..times {
        black_box(bucket.take(at(round * 10), black_box(30)));
    }
}

/// Every user's flows to the user are asked for what is due, a millisecond after the last time.
fn pacer_release(times: u64) {
    let profiles = catalogue();
    let flows = profiles.iter().flat_map(|profile| &profile.flows);
    let down = flows.filter(|flow| flow.direction == Direction::Down);
    let mut pacers: Vec<FlowPacer> = down.map(|flow| FlowPacer::new(at(0), flow)).collect();
    for round in 0..times {
        for pacer in &mut pacers {
            while let Some(release) = pacer.poll_release(at(round * 1_000)) {
                black_box(release);
            }
            black_box(pacer.next_deadline());
        }
    }
}

/// A thousand drivers, of which one is due in each round and scheduled again.
fn wheel(times: u64) {
    const DRIVERS: u64 = 1_000;
    const ROUND_US: u64 = 100;
    let mut wheel = TimerWheel::new(at(0));
    for key in 0..DRIVERS {
        wheel.schedule(key as u32, at(key * ROUND_US));
    }
    let mut expired = Vec::with_capacity(DRIVERS as usize);
    for round in 0..times {
        wheel.expire(at(round * ROUND_US), &mut expired);
        for key in expired.drain(..) {
            wheel.schedule(key, at((round + DRIVERS) * ROUND_US));
        }
        black_box(wheel.next_expiry());
    }
}

fn percentiles(times: u64) {
    let samples: Vec<f64> = (0..1_000_u32)
        .map(|n| f64::from(n * 7_919 % 1_009))
        .collect();
    for _ in 0..times {
        if let Some(sorted) = Sorted::new(black_box(samples.clone())) {
            black_box((
                sorted.median(),
                sorted.percentile(99.0),
                sorted.trimmed_mean(),
            ));
        }
    }
}

fn websocket(binary: BinarySink) -> Connection {
    let mut connection = Connection::server(at(0));
    let (mut scratch, mut out) = (Vec::new(), Vec::new());
    connection.handle_input(at(0), UPGRADE);
    while let Some(event) = connection.poll_event(&mut scratch) {
        if let Event::Request(_) = event {
            let options = WebSocketOptions {
                binary,
                extra_fields: Vec::new(),
            };
            // The request is pending: this is the state that the call needs.
            let _ = connection.accept_websocket(at(0), options);
        }
    }
    write_all(&mut connection, at(0), &mut out);
    connection
}

fn write_all(connection: &mut Connection, now: Instant, out: &mut Vec<u8>) {
    out.clear();
    while connection.poll_transmit(now, out) {}
    connection.handle_transmitted(now, out.len() as u64);
    black_box(&out);
}
