//! A profile as the configuration file writes it, and its way into a [`Profile`].
//!
//! ```toml
//! [[profile]]
//! user_id = "maria"
//! name = "Maria"
//! activity = "Cloud gaming"
//! model = "gaming"
//!
//! [[profile.flow]]
//! direction = "down"
//! rate_mbps = 20
//! pattern = "frames"
//! frames_per_second = 60
//! keyframe_ratio = 1
//!
//! [[profile.flow]]
//! direction = "up"
//! rate_mbps = 0.5
//! pattern = "constant"
//! messages_per_second = 125
//! ```

use std::fmt::Display;
use std::ops::RangeInclusive;

use serde::{Deserialize, Serialize};

use super::fault::ProfileFault;
use super::flow::rate_range_bps;
use super::{FlowProfile, Profile};
use crate::limits::{
    PROFILE_BURST_BYTES_MAX, PROFILE_CADENCE_MAX, PROFILE_FLOWS_MAX, PROFILE_PERIOD_MS_MAX,
    PROFILE_TEXT_BYTES_MAX, TRAFFIC_MESSAGE_BYTES_MAX,
};
use crate::message::profile::{ExperienceModel, Pattern, TRAFFIC_HEADER_BYTES};
use crate::message::samples::Direction;

/// Longest `user_id`, bytes.
const USER_ID_BYTES_MAX: usize = 32;
const MESSAGE_BYTES_DEFAULT: u32 = 16_384;
const BURST_BYTES_DEFAULT: u32 = 65_536;
const KEYFRAME_RATIO_DEFAULT: u32 = 4;

/// A `[[profile]]` table.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProfileDefinition {
    /// The user's name in addresses: lower-case letters, digits and dashes.
    pub user_id: String,
    /// The user's name for people.
    pub name: String,
    /// What they do, in a word or two.
    pub activity: String,
    /// What that is like, in a sentence.
    #[serde(default)]
    pub description: String,
    /// The port of its own process; the next free one when not given.
    #[serde(default)]
    pub port: Option<u16>,
    /// How the user's experience is judged: `gaming`, `call`, `streaming` or `bulk`.
    pub model: ExperienceModel,
    /// The flows, `[[profile.flow]]`.
    #[serde(rename = "flow")]
    pub flows: Vec<FlowDefinition>,
}

/// A `[[profile.flow]]` table. Which keys belong to it depends on the pattern; one that doesn't is an error.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FlowDefinition {
    /// `down` or `up`.
    pub direction: Direction,
    /// Megabits a second while sending.
    pub rate_mbps: f64,
    /// How it is cut up.
    pub pattern: PatternName,
    /// `constant`: messages a second.
    #[serde(default)]
    pub messages_per_second: Option<u32>,
    /// `frames`: frames a second.
    #[serde(default)]
    pub frames_per_second: Option<u32>,
    /// `frames`: a key frame every so many frames; one a second when not given.
    #[serde(default)]
    pub keyframe_interval: Option<u32>,
    /// `frames`: how many times as large a key frame is as another; 4 when not given.
    #[serde(default)]
    pub keyframe_ratio: Option<u32>,
    /// `on_off`: time that a segment is sent in, ms.
    #[serde(default)]
    pub on_ms: Option<u32>,
    /// `on_off`: pause after it, ms.
    #[serde(default)]
    pub off_ms: Option<u32>,
    /// `on_off` and `continuous`: size of a message; 16 384 when not given.
    #[serde(default)]
    pub message_bytes: Option<u32>,
    /// `continuous`: the most that may leave at once after a pause; 65 536 when not given.
    #[serde(default)]
    pub burst_bytes: Option<u32>,
}

/// The name of a pattern.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PatternName {
    /// See [`Pattern::Constant`].
    Constant,
    /// See [`Pattern::Frames`].
    Frames,
    /// See [`Pattern::OnOff`].
    OnOff,
    /// See [`Pattern::Continuous`].
    Continuous,
}

impl ProfileDefinition {
    /// Checks every key.
    ///
    /// # Errors
    ///
    /// The first key that is wrong, with its value and what is allowed.
    pub fn validate(self) -> Result<Profile, ProfileFault> {
        let fault = |key, value: Option<String>, allowed: &str| ProfileFault {
            user_id: self.user_id.clone(),
            flow: None,
            key,
            value,
            allowed: allowed.to_owned(),
        };
        let is_user_id = (1..=USER_ID_BYTES_MAX).contains(&self.user_id.len())
            && self
                .user_id
                .bytes()
                .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'));
        if !is_user_id {
            return Err(fault(
                "user_id",
                Some(format!("{:?}", self.user_id)),
                "must be 1 to 32 lower-case letters, digits and dashes",
            ));
        }
        for (key, text, can_be_empty) in [
            ("name", &self.name, false),
            ("activity", &self.activity, false),
            ("description", &self.description, true),
        ] {
            let is_good = (can_be_empty || !text.trim().is_empty())
                && text.len() <= PROFILE_TEXT_BYTES_MAX
                && !text.chars().any(char::is_control);
            if !is_good {
                return Err(fault(
                    key,
                    Some(format!("{text:?}")),
                    &format!(
                        "must be a text of at most {PROFILE_TEXT_BYTES_MAX} bytes without control characters"
                    ),
                ));
            }
        }
        if self.port == Some(0) {
            return Err(fault("port", Some("0".into()), "must be from 1 to 65535"));
        }
        if !(1..=PROFILE_FLOWS_MAX).contains(&self.flows.len()) {
            return Err(fault(
                "flow",
                Some(format!("{} tables", self.flows.len())),
                &format!("must be 1 to {PROFILE_FLOWS_MAX} tables"),
            ));
        }
        let flows = self
            .flows
            .iter()
            .enumerate()
            .map(|(index, flow)| {
                let keys = FlowKeys {
                    user_id: &self.user_id,
                    number: index + 1,
                    flow,
                };
                keys.validate()
            })
            .collect::<Result<_, _>>()?;
        Ok(Profile {
            user_id: self.user_id,
            name: self.name,
            activity: self.activity,
            description: self.description,
            port: self.port,
            model: self.model,
            flows,
        })
    }
}

/// A flow with what its faults need to name it.
struct FlowKeys<'a> {
    user_id: &'a str,
    number: usize,
    flow: &'a FlowDefinition,
}

impl FlowKeys<'_> {
    fn validate(&self) -> Result<FlowProfile, ProfileFault> {
        let pattern = self.pattern()?;
        let (min_bps, max_bps) = rate_range_bps(pattern);
        let rate_mbps = self.flow.rate_mbps;
        let rate_bps = rate_mbps * 1e6;
        if !(rate_bps >= min_bps as f64 && rate_bps <= max_bps as f64) {
            return Err(self.fault(
                "rate_mbps",
                Some(rate_mbps.to_string()),
                format!(
                    "must be from {} to {} with this pattern, so that a message has {TRAFFIC_HEADER_BYTES} to \
                     {TRAFFIC_MESSAGE_BYTES_MAX} bytes",
                    min_bps as f64 / 1e6,
                    max_bps as f64 / 1e6
                ),
            ));
        }
        Ok(FlowProfile {
            direction: self.flow.direction,
            rate_bps: (rate_bps.round() as u64).clamp(min_bps, max_bps),
            pattern,
        })
    }

    fn pattern(&self) -> Result<Pattern, ProfileFault> {
        let flow = self.flow;
        let cadence = 1..=PROFILE_CADENCE_MAX;
        let message_bytes = 64..=TRAFFIC_MESSAGE_BYTES_MAX as u32 - TRAFFIC_HEADER_BYTES as u32;
        let own: &[&str];
        let pattern = match flow.pattern {
            PatternName::Constant => {
                own = &["messages_per_second"];
                Pattern::Constant {
                    messages_per_second: self.within(
                        "messages_per_second",
                        flow.messages_per_second,
                        None,
                        cadence,
                    )?,
                }
            }
            PatternName::Frames => {
                own = &["frames_per_second", "keyframe_interval", "keyframe_ratio"];
                let frames_per_second =
                    self.within("frames_per_second", flow.frames_per_second, None, cadence)?;
                Pattern::Frames {
                    frames_per_second,
                    keyframe_interval: self.within(
                        "keyframe_interval",
                        flow.keyframe_interval,
                        Some(frames_per_second),
                        1..=10_000,
                    )?,
                    keyframe_ratio: self.within(
                        "keyframe_ratio",
                        flow.keyframe_ratio,
                        Some(KEYFRAME_RATIO_DEFAULT),
                        1..=20,
                    )?,
                }
            }
            PatternName::OnOff => {
                own = &["on_ms", "off_ms", "message_bytes"];
                Pattern::OnOff {
                    on_ms: self.within("on_ms", flow.on_ms, None, 10..=PROFILE_PERIOD_MS_MAX)?,
                    off_ms: self.within("off_ms", flow.off_ms, None, 0..=PROFILE_PERIOD_MS_MAX)?,
                    message_bytes: self.within(
                        "message_bytes",
                        flow.message_bytes,
                        Some(MESSAGE_BYTES_DEFAULT),
                        message_bytes,
                    )?,
                }
            }
            PatternName::Continuous => {
                own = &["message_bytes", "burst_bytes"];
                let message_bytes = self.within(
                    "message_bytes",
                    flow.message_bytes,
                    Some(MESSAGE_BYTES_DEFAULT),
                    message_bytes,
                )?;
                Pattern::Continuous {
                    message_bytes,
                    burst_bytes: self.within(
                        "burst_bytes",
                        flow.burst_bytes,
                        Some(BURST_BYTES_DEFAULT.max(message_bytes)),
                        message_bytes..=PROFILE_BURST_BYTES_MAX,
                    )?,
                }
            }
        };
        self.no_foreign_keys(own)?;
        Ok(pattern)
    }

    fn within(
        &self,
        key: &'static str,
        value: Option<u32>,
        default: Option<u32>,
        range: RangeInclusive<u32>,
    ) -> Result<u32, ProfileFault> {
        value
            .or(default)
            .filter(|value| range.contains(value))
            .ok_or_else(|| {
                let allowed = format!("must be from {} to {}", range.start(), range.end());
                self.fault(key, value, allowed)
            })
    }

    fn no_foreign_keys(&self, own: &[&str]) -> Result<(), ProfileFault> {
        let flow = self.flow;
        let given = [
            ("messages_per_second", flow.messages_per_second),
            ("frames_per_second", flow.frames_per_second),
            ("keyframe_interval", flow.keyframe_interval),
            ("keyframe_ratio", flow.keyframe_ratio),
            ("on_ms", flow.on_ms),
            ("off_ms", flow.off_ms),
            ("message_bytes", flow.message_bytes),
            ("burst_bytes", flow.burst_bytes),
        ];
        match given
            .into_iter()
            .find(|(key, value)| value.is_some() && !own.contains(key))
        {
            Some((key, value)) => Err(self.fault(
                key,
                value,
                format!(
                    "does not belong to this pattern, whose keys are {}",
                    own.join(", ")
                ),
            )),
            None => Ok(()),
        }
    }

    fn fault(
        &self,
        key: &'static str,
        value: Option<impl Display>,
        allowed: String,
    ) -> ProfileFault {
        ProfileFault {
            user_id: self.user_id.to_owned(),
            flow: Some(self.number),
            key,
            value: value.map(|value| value.to_string()),
            allowed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct File {
        profile: Vec<ProfileDefinition>,
    }

    const MARIA: &str = r#"
        [[profile]]
        user_id = "maria"
        name = "Maria"
        activity = "Cloud gaming"
        model = "gaming"

        [[profile.flow]]
        direction = "down"
        rate_mbps = 20
        pattern = "frames"
        frames_per_second = 60
        keyframe_ratio = 1

        [[profile.flow]]
        direction = "up"
        rate_mbps = 0.5
        pattern = "constant"
        messages_per_second = 125
    "#;

    fn validate(text: &str) -> Result<Profile, ProfileFault> {
        let mut file: File = toml::from_str(text).expect("TOML");
        file.profile.remove(0).validate()
    }

    fn fault(from: &str, to: &str) -> String {
        let text = MARIA.replace(from, to);
        assert_ne!(text, MARIA);
        validate(&text).expect_err("spoilt").to_string()
    }

    #[test]
    fn one_table_makes_one_more_user() {
        let maria = validate(MARIA).expect("good");
        assert_eq!((maria.port, maria.model), (None, ExperienceModel::Gaming));
        assert_eq!(
            maria.flows[0],
            FlowProfile {
                direction: Direction::Down,
                rate_bps: 20_000_000,
                pattern: Pattern::Frames {
                    frames_per_second: 60,
                    keyframe_interval: 60,
                    keyframe_ratio: 1
                }
            }
        );
        assert_eq!(maria.rate_bps(Direction::Up), 500_000);
    }

    #[test]
    fn a_fault_names_the_key_the_value_and_what_is_allowed() {
        assert_eq!(
            fault("messages_per_second = 125", "messages_per_second = 0"),
            "profile \"maria\", flow 2: messages_per_second = 0: must be from 1 to 1000"
        );
        assert_eq!(
            fault("messages_per_second = 125", ""),
            "profile \"maria\", flow 2: messages_per_second is missing: must be from 1 to 1000"
        );
        assert_eq!(
            fault(
                "messages_per_second = 125",
                "messages_per_second = 125\non_ms = 5"
            ),
            "profile \"maria\", flow 2: on_ms = 5: does not belong to this pattern, whose keys are messages_per_second"
        );
        assert_eq!(
            fault("\"maria\"", "\"Maria!\""),
            "profile \"Maria!\": user_id = \"Maria!\": must be 1 to 32 lower-case letters, digits and dashes"
        );
        assert!(
            fault("rate_mbps = 0.5", "rate_mbps = 0.001")
                .contains("rate_mbps = 0.001: must be from 0.017001 to")
        );
        assert!(
            fault("rate_mbps = 20", "rate_mbps = nan").contains("rate_mbps = NaN: must be from")
        );
        assert!(fault("name = \"Maria\"", "name = \" \"").contains("name = \" \": must be a text"));
    }

    #[test]
    fn a_misspelt_key_is_no_profile() {
        let text = MARIA.replace("rate_mbps = 20", "rate_mpbs = 20");
        assert!(toml::from_str::<File>(&text).is_err());
    }
}
