//! Each pattern's releases against a table, and what no pattern may ever do.
//!
//! The table is committed beside the page's types: the page paces the uplink halves with code of its own, and its tests
//! read the same table.

use std::path::{Path, PathBuf};
use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::message::profile::{FLAG_SEGMENT_END, Pattern};
use crate::message::samples::Direction;
use crate::profile::{FlowProfile, catalogue};
use crate::time::Instant;

/// Every release of a flow until `until`, asked exactly at each deadline: time in ns, size, flags.
fn releases(flow: &FlowProfile, until: Duration) -> Vec<(u64, u32, u8)> {
    let mut pacer = FlowPacer::new(Instant::ORIGIN, flow);
    let mut released = Vec::new();
    loop {
        let now = pacer.next_deadline();
        if now >= Instant::ORIGIN + until {
            return released;
        }
        // A deadline may only begin a segment; the message itself is then due later.
        while let Some(release) = pacer.poll_release(now) {
            released.push((now.as_nanos(), release.bytes, release.flags));
        }
        assert!(
            pacer.next_deadline() > now,
            "a deadline that does not advance"
        );
    }
}

fn bytes_within(releases: &[(u64, u32, u8)], from: Duration, to: Duration) -> u64 {
    let range = from.as_nanos()..to.as_nanos();
    releases
        .iter()
        .filter(|(at, ..)| range.contains(&u128::from(*at)))
        .map(|&(_, bytes, _)| u64::from(bytes))
        .sum()
}

fn golden() -> String {
    let mut table = String::from("[\n");
    let flows = catalogue();
    for (index, flow) in flows.iter().flat_map(|profile| &profile.flows).enumerate() {
        // Enough to see two key frames or two segments of the slow ones, and not more than a page of each.
        let rows: Vec<Value> = releases(flow, Duration::from_secs(6))
            .into_iter()
            .filter(|&(at, _, flags)| at < 150_000_000 || flags != 0)
            .map(|(at, bytes, flags)| json!([at, bytes, flags]))
            .collect();
        let row = json!({ "flow": flow.describe(), "ns_bytes_flags": rows });
        if index > 0 {
            table.push_str(",\n");
        }
        table.push_str(&row.to_string());
    }
    table.push_str("\n]\n");
    table
}

fn golden_file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../client/web/src/protocol/pacing.golden.json")
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "compares with a file, and rewrites it when asked to"
)]
fn committed_golden_table_is_what_the_patterns_release() {
    let generated = golden();
    if std::env::var_os("UPDATE_TYPES").is_some() {
        std::fs::write(golden_file(), &generated).expect("write the table");
    }
    let committed = std::fs::read(golden_file()).unwrap_or_default();
    assert!(
        committed == generated.as_bytes(),
        "client/web/src/protocol/pacing.golden.json is stale; run `UPDATE_TYPES=1 cargo test -p protocol golden`"
    );
}

fn flow(rate_bps: u64, pattern: Pattern) -> FlowProfile {
    FlowProfile {
        direction: Direction::Down,
        rate_bps,
        pattern,
    }
}

#[test]
fn constant_messages_come_at_one_distance_with_the_exact_rate() {
    let game = flow(
        1_500_000,
        Pattern::Constant {
            messages_per_second: 64,
        },
    );
    let table = releases(&game, Duration::from_secs(1));
    assert_eq!(table.len(), 64);
    // 2 929.6875 bytes each: the running total is rounded, not the size.
    assert_eq!(
        table[..5],
        [
            (0, 2_929, 0),
            (15_625_000, 2_930, 0),
            (31_250_000, 2_930, 0),
            (46_875_000, 2_929, 0),
            (62_500_000, 2_930, 0)
        ]
    );
    assert_eq!(
        bytes_within(&table, Duration::ZERO, Duration::from_secs(1)),
        187_500
    );
}

#[test]
fn frames_come_with_a_larger_key_frame_each_group() {
    // 3 frames a group, the first of weight 2: 800 kbit/s are 100 000 bytes in 4 weights of 10 groups.
    let video = flow(
        800_000,
        Pattern::Frames {
            frames_per_second: 30,
            keyframe_interval: 3,
            keyframe_ratio: 2,
        },
    );
    let table = releases(&video, Duration::from_millis(150));
    assert_eq!(
        table,
        [
            (0, 5_000, 2),
            (33_333_333, 2_500, 0),
            (66_666_666, 2_500, 0),
            (100_000_000, 5_000, 2),
            (133_333_333, 2_500, 0)
        ]
    );
}

#[test]
fn a_segment_is_sent_in_its_time_and_then_nothing() {
    let film = flow(
        8_000_000,
        Pattern::OnOff {
            on_ms: 1_000,
            off_ms: 4_000,
            message_bytes: 300_000 / 8,
        },
    );
    let table = releases(&film, Duration::from_secs(10));
    // A megabyte in messages of 37 500 bytes: 26 of them, and one of 25 000.
    assert_eq!(table.len(), 54);
    assert_eq!(table[0], (37_500_000, 37_500, 0));
    assert_eq!(table[26], (1_000_000_000, 25_000, FLAG_SEGMENT_END));
    assert_eq!(table[27], (5_037_500_000, 37_500, 0));
    assert_eq!(table[53], (6_000_000_000, 25_000, FLAG_SEGMENT_END));
}

#[test]
fn a_continuous_flow_is_the_bucket() {
    let update = flow(
        8_000_000,
        Pattern::Continuous {
            message_bytes: 10_000,
            burst_bytes: 20_000,
        },
    );
    let table = releases(&update, Duration::from_millis(35));
    assert_eq!(
        table,
        [
            (10_000_000, 10_000, 0),
            (20_000_000, 10_000, 0),
            (30_000_000, 10_000, 0)
        ]
    );
}

#[test]
fn every_flow_of_the_catalogue_keeps_its_rate_within_one_percent() {
    for profile in catalogue() {
        for flow in &profile.flows {
            let table = releases(flow, Duration::from_secs(31));
            let bytes = bytes_within(
                &table,
                Duration::from_millis(1),
                Duration::from_millis(30_001),
            );
            let exact = flow.mean_rate_bps() as f64 / 8.0 * 30.0;
            assert!(
                (bytes as f64 - exact).abs() < exact * 0.01,
                "{}: {bytes} bytes instead of {exact}",
                profile.user_id
            );
            if let Pattern::OnOff { .. } = flow.pattern {
                continue;
            }
            for second in 0..30 {
                let from = Duration::from_millis(second * 1_000 + 300);
                let bytes = bytes_within(&table, from, from + Duration::from_secs(1)) as f64;
                let exact = flow.rate_bps as f64 / 8.0;
                assert!(
                    (bytes - exact).abs() < exact * 0.01 + f64::from(flow.describe().message_bytes)
                );
            }
        }
    }
}

/// The most that a flow may release at one time.
fn burst_bytes(flow: &FlowProfile) -> u64 {
    match flow.pattern {
        // What is due within 50 ms, and the one due now; a key frame at most among each group.
        Pattern::Constant { .. } | Pattern::Frames { .. } => {
            let largest = match flow.pattern {
                Pattern::Frames { keyframe_ratio, .. } => u64::from(keyframe_ratio),
                _ => 1,
            } * u64::from(flow.describe().message_bytes + 1);
            let messages = (flow.describe().messages_per_second * 0.05).ceil() as u64 + 1;
            messages * largest
        }
        Pattern::OnOff { message_bytes, .. } => {
            (flow.rate_bps / 8 * 5 / 1_000).max(2 * u64::from(message_bytes) + 16)
        }
        Pattern::Continuous {
            message_bytes,
            burst_bytes,
        } => (flow.rate_bps / 8 * 5 / 1_000)
            .max(2 * u64::from(message_bytes) + 16)
            .max(u64::from(burst_bytes)),
    }
}

#[test]
fn a_stall_never_causes_more_than_a_burst() {
    for profile in catalogue() {
        for flow in &profile.flows {
            for stall_ms in [1, 20, 300, 2_000, 17_000] {
                let mut pacer = FlowPacer::new(Instant::ORIGIN, flow);
                let before = Instant::from_micros(2_000_000);
                while pacer.next_deadline() <= before {
                    let now = pacer.next_deadline();
                    while pacer.poll_release(now).is_some() {}
                }
                let after = before + Duration::from_millis(stall_ms);
                let mut bytes = 0;
                while let Some(release) = pacer.poll_release(after) {
                    bytes += u64::from(release.bytes);
                }
                assert!(
                    bytes <= burst_bytes(flow),
                    "{} after {stall_ms} ms: {bytes} of {} bytes",
                    profile.user_id,
                    burst_bytes(flow)
                );
            }
        }
    }
}

#[test]
fn what_a_stall_made_pointless_is_counted() {
    let game = catalogue()[0].flows[0];
    let mut pacer = FlowPacer::new(Instant::ORIGIN, &game);
    assert!(
        pacer
            .poll_release(Instant::from_micros(1_000_000))
            .is_some()
    );
    // Due by then: 0 to 64. Message 64 is due now, 61 to 63 within the last 50 ms.
    assert_eq!(pacer.skipped(), 61);
    let film = catalogue()[2].flows[0];
    let mut pacer = FlowPacer::new(Instant::ORIGIN, &film);
    let mut now = Instant::ORIGIN;
    // The line is blocked for 27 s in the middle of the first segment.
    while pacer.skipped() == 0 {
        now = pacer.next_deadline().max(now);
        if now > Instant::from_micros(500_000) {
            now = now.max(Instant::from_micros(27_000_000));
        }
        while pacer.poll_release(now).is_some() {}
    }
    assert_eq!(pacer.skipped(), 3, "segments 1 to 3; 4 is kept, 5 is due");
}

#[test]
fn a_changed_rate_holds_from_the_next_message_on() {
    let update = catalogue()[3].flows[0];
    let mut pacer = FlowPacer::new(Instant::ORIGIN, &update);
    let mut bytes = [0_u64; 2];
    while pacer.next_deadline() < Instant::from_micros(2_000_000) {
        let now = pacer.next_deadline();
        if now >= Instant::from_micros(1_000_000) && bytes[1] == 0 {
            pacer.set_rate(now, 300_000_000);
        }
        while let Some(release) = pacer.poll_release(now) {
            bytes[usize::from(now >= Instant::from_micros(1_000_000))] += u64::from(release.bytes);
        }
    }
    assert!(
        (bytes[0] as f64 - 6_250_000.0).abs() < 62_500.0,
        "{bytes:?}"
    );
    assert!(
        (bytes[1] as f64 - 37_500_000.0).abs() < 375_000.0,
        "{bytes:?}"
    );
}

prop_compose! {
    fn any_flow()(
        pattern in prop_oneof![
            (1..=1_000_u32).prop_map(|messages_per_second| Pattern::Constant { messages_per_second }),
            (1..=240_u32, 1..=300_u32, 1..=20_u32).prop_map(|(frames_per_second, keyframe_interval, keyframe_ratio)| {
                Pattern::Frames { frames_per_second, keyframe_interval, keyframe_ratio }
            }),
            (10..=3_000_u32, 0..=3_000_u32, 64..=65_000_u32).prop_map(|(on_ms, off_ms, message_bytes)| {
                Pattern::OnOff { on_ms, off_ms, message_bytes }
            }),
            (64..=65_000_u32, 0..=200_000_u32).prop_map(|(message_bytes, extra)| {
                Pattern::Continuous { message_bytes, burst_bytes: message_bytes + extra }
            }),
        ],
        rate_bps in 1_000..1_000_000_000_u64,
    ) -> FlowProfile {
        let flow = flow(rate_bps, pattern);
        FlowProfile { rate_bps: flow.clamp_rate_bps(rate_bps), ..flow }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn messages_fit_and_the_rate_is_never_exceeded_however_late_it_is_asked(
        flow in any_flow(),
        pauses_us in proptest::collection::vec(0..400_000_u64, 1..100),
    ) {
        let mut pacer = FlowPacer::new(Instant::ORIGIN, &flow);
        let mut now = Instant::ORIGIN;
        let mut bytes = 0_u64;
        for pause_us in pauses_us {
            now = now + Duration::from_micros(pause_us);
            let mut at_once = 0;
            while let Some(release) = pacer.poll_release(now) {
                prop_assert!((16..=65_536).contains(&release.bytes), "{release:?}");
                at_once += u64::from(release.bytes);
            }
            prop_assert!(at_once <= burst_bytes(&flow), "{at_once} of {}", burst_bytes(&flow));
            bytes += at_once;
            prop_assert!(pacer.next_deadline() > now);
        }
        // Never above the rate while sending, plus a group's unevenness or a burst.
        let elapsed_s = (now - Instant::ORIGIN).as_secs_f64();
        let group_s = match flow.pattern {
            Pattern::Frames { frames_per_second, keyframe_interval, .. } => {
                f64::from(keyframe_interval) / f64::from(frames_per_second)
            }
            _ => 0.0,
        };
        let allowed = flow.rate_bps as f64 / 8.0 * (elapsed_s + group_s) + burst_bytes(&flow) as f64;
        prop_assert!(bytes as f64 <= allowed, "{bytes} of {allowed} bytes in {elapsed_s} s");
    }
}
