//! The downlink half of a user's session: what arrives, kept as the report wants it. Pure; no socket, no clock.
//!
//! A session that broke and was opened again counts its messages anew; here they go on where the old one's ended, with a gap
//! as long as the break, so that the report sees one session and what it missed.

use protocol::limits::{HTTP_COLLECTED_BODY_BYTES_MAX, REPORT_MESSAGES_MAX, REPORT_SEGMENTS_MAX};
use protocol::message::household::{MessageSample, SegmentSample};
use protocol::message::profile::{
    ExperienceModel, FLAG_SEGMENT_END, ProfileDescription, TrafficHeader,
};
use protocol::message::samples::Direction;

use crate::load::goodput_bins::GoodputBins;

/// Messages of all users together that are worth their room, however much there is.
const ALL_MESSAGES_MAX: f64 = 32_000.0;
/// What a report may take up, but for its head, segments and counts.
const SAMPLES_BYTES_MAX: f64 = HTTP_COLLECTED_BODY_BYTES_MAX as f64 - 192.0 * 1024.0;
/// A message in a report.
const MESSAGE_BYTES: f64 = 80.0;
/// A second's probes in a report, of the line or of a user.
const PROBES_BYTES_PER_S: f64 = 20.0 * 125.0;
/// A second's goodput in a report, of a user.
const GOODPUT_BYTES_PER_S: f64 = 800.0;
/// Flows send a little more than their mean at times.
const MARGIN: f64 = 1.1;

/// What a user received.
#[derive(Debug)]
pub(super) struct Downlink {
    model: ExperienceModel,
    flows: Vec<FlowSeen>,
    pub(super) bins: GoodputBins,
    pub(super) messages: Vec<MessageSample>,
    pub(super) segments: Vec<SegmentSample>,
}

#[derive(Debug)]
struct FlowSeen {
    is_recorded: bool,
    messages_per_second: f64,
    offset: u32,
    last: Option<(u32, u64)>,
    open: Option<(u64, u64)>,
}

impl Downlink {
    /// `recorded` are the flows whose messages the report is to have one by one.
    pub(super) fn new(profile: &ProfileDescription, recorded: &[usize]) -> Self {
        let flows = profile.flows.iter().enumerate();
        Self {
            model: profile.model,
            flows: flows
                .map(|(number, flow)| FlowSeen {
                    is_recorded: recorded.contains(&number),
                    messages_per_second: flow.messages_per_second,
                    offset: 0,
                    last: None,
                    open: None,
                })
                .collect(),
            bins: GoodputBins::default(),
            messages: Vec::new(),
            segments: Vec::new(),
        }
    }

    /// Takes a message of so many bytes whose last one arrived at `received_us`.
    pub(super) fn handle(&mut self, header: TrafficHeader, bytes: u64, received_us: u64) {
        self.bins
            .add(Direction::Down, received_us, received_us + 1, bytes);
        let Some(flow) = self.flows.get_mut(usize::from(header.flow)) else {
            return;
        };
        let sequence = flow.offset.wrapping_add(header.sequence);
        flow.last = Some((sequence, received_us));
        if flow.is_recorded && self.messages.len() < REPORT_MESSAGES_MAX {
            self.messages.push(MessageSample {
                flow: header.flow,
                sequence,
                send_us: header.send_us,
                received_us,
            });
        }
        if self.model == ExperienceModel::Streaming {
            let (first_us, before_bytes) = flow.open.take().unwrap_or((received_us, 0));
            let bytes = before_bytes + bytes;
            if header.flags & FLAG_SEGMENT_END == 0 {
                flow.open = Some((first_us, bytes));
            } else if self.segments.len() < REPORT_SEGMENTS_MAX {
                self.segments.push(SegmentSample {
                    first_us,
                    complete_us: received_us,
                    bytes,
                });
            }
        }
    }

    /// The node begins to count anew at `now_us`; a segment that was on its way is gone.
    pub(super) fn handle_reopened(&mut self, now_us: u64) {
        for flow in &mut self.flows {
            flow.open = None;
            if let Some((last, received_us)) = flow.last {
                let gone_s = now_us.saturating_sub(received_us) as f64 / 1e6;
                let missed = (gone_s * flow.messages_per_second).round() as u32;
                flow.offset = last.wrapping_add(1).wrapping_add(missed);
            }
        }
    }
}

/// For each profile, the flows whose messages are recorded one by one over `traffic_s` of a test of `test_s`: those whose whole
/// traffic fits the report, the slowest first, since they are the most telling for their size. Leaving out whole flows keeps
/// the others complete; cutting the record off in its middle would read as a picture that froze.
pub(super) fn recorded_flows(
    profiles: &[ProfileDescription],
    test_s: f64,
    traffic_s: f64,
) -> Vec<Vec<usize>> {
    let mut left = messages_that_fit(profiles, test_s);
    profiles
        .iter()
        .map(|profile| {
            if !matches!(
                profile.model,
                ExperienceModel::Gaming | ExperienceModel::Call
            ) {
                return Vec::new();
            }
            let mut of_user = left.min(REPORT_MESSAGES_MAX as f64);
            let downs = profile.flows.iter().enumerate();
            let mut candidates: Vec<(usize, f64)> = downs
                .filter(|(_, flow)| flow.direction == Direction::Down)
                .map(|(number, flow)| (number, flow.messages_per_second * traffic_s * MARGIN))
                .collect();
            candidates.sort_by(|one, other| one.1.total_cmp(&other.1));
            let mut recorded = Vec::new();
            for (number, count) in candidates {
                if count > of_user {
                    break;
                }
                of_user -= count;
                left -= count;
                recorded.push(number);
            }
            recorded
        })
        .collect()
}

/// How many messages a report has room for beside everything else that a test of `test_s` brings.
fn messages_that_fit(profiles: &[ProfileDescription], test_s: f64) -> f64 {
    let probing = profiles.iter().filter(|profile| has_probes(profile.model));
    let probes = (probing.count() + 1) as f64 * PROBES_BYTES_PER_S;
    let goodput = profiles.len() as f64 * GOODPUT_BYTES_PER_S;
    let room = SAMPLES_BYTES_MAX - (probes + goodput) * test_s;
    (room / MESSAGE_BYTES).clamp(0.0, ALL_MESSAGES_MAX)
}

/// Whether a user's session has probes of its own: in a bulk transfer a probe would measure the transfer's own queue.
pub(super) const fn has_probes(model: ExperienceModel) -> bool {
    match model {
        ExperienceModel::Gaming | ExperienceModel::Call | ExperienceModel::Streaming => true,
        ExperienceModel::Bulk => false,
    }
}

#[cfg(test)]
mod tests {
    use protocol::message::samples::ProbeSample;
    use protocol::profile::catalogue;

    use super::*;

    fn profiles() -> Vec<ProfileDescription> {
        catalogue()
            .iter()
            .map(|profile| profile.describe(1))
            .collect()
    }

    fn header(flow: u8, sequence: u32, flags: u8) -> TrafficHeader {
        TrafficHeader {
            flow,
            flags,
            sequence,
            send_us: 7,
        }
    }

    #[test]
    fn games_and_calls_are_recorded_and_transfers_are_not() {
        let profiles = profiles();
        let recorded = recorded_flows(&profiles, 45.0, 30.0);
        for (profile, flows) in profiles.iter().zip(&recorded) {
            let is_judged_by_messages = matches!(
                profile.model,
                ExperienceModel::Gaming | ExperienceModel::Call
            );
            assert_eq!(
                !flows.is_empty(),
                is_judged_by_messages,
                "{}",
                profile.user_id
            );
        }
        assert!(
            recorded_flows(&profiles, 1e6, 1e6)
                .iter()
                .all(Vec::is_empty)
        );
    }

    #[test]
    fn the_report_of_a_long_test_fits() {
        let long = MessageSample {
            flow: 7,
            sequence: 99_999,
            send_us: 9_999_999_999_999,
            received_us: 329_999_999,
        };
        let message_bytes = serde_json::to_string(&long).expect("JSON").len();
        assert!(message_bytes as f64 <= MESSAGE_BYTES, "{message_bytes}");
        let probe = ProbeSample {
            sequence: 9_999,
            sent_us: 329_999_999,
            received_us: Some(329_999_999),
            node_receive_us: Some(9_999_999_999_999),
            node_send_us: Some(9_999_999_999_999),
        };
        let probe_bytes = serde_json::to_string(&probe).expect("JSON").len();
        let profiles = profiles();
        let mut shares = Vec::new();
        for test_s in [45.0, 120.0, 240.0, 300.0] {
            let recorded = recorded_flows(&profiles, test_s, test_s);
            let flows = profiles.iter().zip(&recorded).flat_map(|(profile, flows)| {
                flows
                    .iter()
                    .map(|&number| profile.flows[number].messages_per_second)
            });
            let messages_per_s: f64 = flows.sum();
            let of_user = [4.0 * 20.0 * (probe_bytes + 1) as f64, 4.0 * 800.0];
            let bytes_per_s = messages_per_s * (message_bytes + 1) as f64 + of_user[0] + of_user[1];
            let bytes = bytes_per_s * test_s;
            let most = HTTP_COLLECTED_BODY_BYTES_MAX as f64;
            assert!(bytes < most, "{bytes} bytes in {test_s} s");
            shares.push(messages_per_s);
        }
        // What a short test records in full, a long one leaves out in part.
        assert!(shares[0] > shares[3], "{shares:?}");
    }

    #[test]
    fn a_reopened_session_goes_on_behind_a_gap() {
        let profiles = profiles();
        let game = profiles
            .iter()
            .find(|profile| profile.model == ExperienceModel::Gaming);
        let game = game.expect("in the catalogue");
        let flow = game
            .flows
            .iter()
            .position(|flow| flow.direction == Direction::Down)
            .expect("a flow");
        let number = u8::try_from(flow).expect("few flows");
        let mut downlink = Downlink::new(game, &[flow]);
        downlink.handle(header(number, 4, 0), 100, 1_000_000);
        downlink.handle_reopened(2_000_000);
        downlink.handle(header(number, 0, 0), 100, 2_100_000);
        let missed = game.flows[flow].messages_per_second.round() as u32;
        let sequences: Vec<u32> = downlink
            .messages
            .iter()
            .map(|message| message.sequence)
            .collect();
        assert_eq!(sequences, [4, 5 + missed]);
    }

    #[test]
    fn a_segment_ends_with_its_flag() {
        let profiles = profiles();
        let film = profiles
            .iter()
            .find(|profile| profile.model == ExperienceModel::Streaming);
        let mut downlink = Downlink::new(film.expect("in the catalogue"), &[]);
        downlink.handle(header(0, 0, 0), 10, 5);
        downlink.handle(header(0, 1, FLAG_SEGMENT_END), 20, 9);
        let segment = SegmentSample {
            first_us: 5,
            complete_us: 9,
            bytes: 30,
        };
        assert_eq!(downlink.segments, [segment]);
        assert!(downlink.messages.is_empty());
    }
}
