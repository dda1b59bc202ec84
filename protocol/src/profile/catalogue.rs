//! The household of the product: four users and what each of them does.
//!
//! Rates and sizes are those of `measurement.md`, "Virtual household". A rate is the one *while sending*: Jake's 25 Mbit/s
//! for one second of five are the 5 Mbit/s that Netflix asks for HD.

use super::{FlowProfile, Profile};
use crate::message::profile::{ExperienceModel, Pattern};
use crate::message::samples::Direction;

/// The users, in the order of their cards.
#[must_use]
pub fn catalogue() -> Vec<Profile> {
    vec![alex(), sarah(), jake(), computer()]
}

fn alex() -> Profile {
    let constant = |direction, rate_bps| FlowProfile {
        direction,
        rate_bps,
        pattern: Pattern::Constant {
            messages_per_second: 64,
        },
    };
    Profile {
        user_id: "alex".into(),
        name: "Alex".into(),
        activity: "Counter-Strike 2".into(),
        description:
            "A fast game: 64 updates a second each way, and every late one is a missed shot.".into(),
        port: Some(8002),
        model: ExperienceModel::Gaming,
        flows: vec![
            constant(Direction::Down, 1_500_000),
            constant(Direction::Up, 750_000),
        ],
    }
}

fn sarah() -> Profile {
    // 160 bytes of voice every 20 ms, the rest is video with a key frame a second.
    const AUDIO_BPS: u64 = 64_000;
    const CALL_BPS: u64 = 2_500_000;
    let audio = |direction| FlowProfile {
        direction,
        rate_bps: AUDIO_BPS,
        pattern: Pattern::Constant {
            messages_per_second: 50,
        },
    };
    let video = |direction| FlowProfile {
        direction,
        rate_bps: CALL_BPS - AUDIO_BPS,
        pattern: Pattern::Frames {
            frames_per_second: 30,
            keyframe_interval: 30,
            keyframe_ratio: 4,
        },
    };
    Profile {
        user_id: "sarah".into(),
        name: "Sarah".into(),
        activity: "Teams HD call".into(),
        description:
            "A video call: pictures 30 times and voice 50 times a second, both ways at once.".into(),
        port: Some(8003),
        model: ExperienceModel::Call,
        flows: vec![
            video(Direction::Down),
            audio(Direction::Down),
            video(Direction::Up),
            audio(Direction::Up),
        ],
    }
}

fn jake() -> Profile {
    Profile {
        user_id: "jake".into(),
        name: "Jake".into(),
        activity: "Netflix HD".into(),
        description: "A film in HD: five seconds of it at a time, fetched in one, then a pause."
            .into(),
        port: Some(8001),
        model: ExperienceModel::Streaming,
        flows: vec![
            FlowProfile {
                direction: Direction::Down,
                rate_bps: 25_000_000,
                pattern: Pattern::OnOff {
                    on_ms: 1_000,
                    off_ms: 4_000,
                    message_bytes: 16_384,
                },
            },
            FlowProfile {
                direction: Direction::Up,
                rate_bps: 100_000,
                pattern: Pattern::Constant {
                    messages_per_second: 5,
                },
            },
        ],
    }
}

fn computer() -> Profile {
    let continuous = |direction, rate_bps, message_bytes| FlowProfile {
        direction,
        rate_bps,
        pattern: Pattern::Continuous {
            message_bytes,
            burst_bytes: 65_536,
        },
    };
    Profile {
        user_id: "computer".into(),
        name: "Computer".into(),
        activity: "System updates".into(),
        description:
            "A computer that fetches its updates: as fast as it may, for as long as it takes."
                .into(),
        port: Some(8004),
        model: ExperienceModel::Bulk,
        flows: vec![
            continuous(Direction::Down, 50_000_000, 16_384),
            continuous(Direction::Up, 2_000_000, 4_096),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::flow::rate_range_bps;

    #[test]
    fn the_catalogue_has_the_rates_of_the_design() {
        let rates: Vec<(String, u64, u64)> = catalogue()
            .iter()
            .map(|profile| {
                (
                    profile.user_id.clone(),
                    profile.rate_bps(Direction::Down),
                    profile.rate_bps(Direction::Up),
                )
            })
            .collect();
        assert_eq!(
            rates,
            [
                ("alex".to_owned(), 1_500_000, 750_000),
                ("sarah".to_owned(), 2_500_000, 2_500_000),
                ("jake".to_owned(), 25_000_000, 100_000),
                ("computer".to_owned(), 50_000_000, 2_000_000),
            ]
        );
        assert_eq!(jake().mean_rate_bps(Direction::Down), 5_000_000);
    }

    #[test]
    fn every_flow_of_the_catalogue_is_within_what_its_pattern_can_do() {
        for profile in catalogue() {
            for flow in &profile.flows {
                assert_eq!(
                    flow.clamp_rate_bps(flow.rate_bps),
                    flow.rate_bps,
                    "{flow:?}"
                );
                let (min, max) = rate_range_bps(flow.pattern);
                assert!(min < max, "{flow:?}");
            }
        }
    }

    #[test]
    fn a_changed_demand_keeps_the_shares_of_the_flows_and_leaves_the_other_direction() {
        let sarah = sarah();
        let rates = sarah.rates_for_demand(Direction::Up, 3_000_000);
        assert_eq!(rates, [2_436_000, 64_000, 2_923_200, 76_800]);
        let rates = computer().rates_for_demand(Direction::Down, u64::MAX);
        assert_eq!(rates, [crate::limits::PROFILE_RATE_BPS_MAX, 2_000_000]);
    }

    #[test]
    fn a_description_tells_size_and_cadence() {
        let description = alex().describe(9_002);
        assert_eq!(description.port, 9_002);
        assert_eq!(description.flows[0].message_bytes, 2_930);
        assert_eq!(description.flows[0].messages_per_second, 64.0);
        assert_eq!(description.down_mbps, 1.5);
    }
}
