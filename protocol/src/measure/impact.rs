//! What a user went through and why, in a sentence for people.
//!
//! Owns the words, and the search for who filled the queue. The words rest on the same figures as the score, never on others.

use super::goodput::Counts;
use super::phases::Window;
use crate::message::household::{HouseholdSamples, ModelReport, UserSamples};
use crate::message::profile::ExperienceModel;
use crate::message::samples::Direction;

/// Windows of this width are compared: those in which the line was unstable with the others.
const WINDOW_US: u64 = 1_000_000;
/// A user whose traffic was higher by less than this, in Mbit/s, when the line was unstable, did not fill it.
const NOTABLE_MBPS: f64 = 0.5;
/// A score from here on needs no reason: the grade A of the overall scale.
const GOOD_SCORE: f64 = 85.0;

/// Who filled the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Culprit<'a> {
    name: &'a str,
    model: ExperienceModel,
}

impl<'a> Culprit<'a> {
    /// The one among the other users whose traffic was most above its own mean while the line was unstable; where it was
    /// unstable nearly always, or nobody's traffic stands out, the one with most traffic. `None` when it was stable.
    pub(super) fn of(
        household: &'a HouseholdSamples,
        traffic: Window,
        victim: usize,
        unstable: &[Option<bool>],
    ) -> Option<Self> {
        let bad = unstable
            .iter()
            .filter(|window| **window == Some(true))
            .count();
        if bad == 0 {
            return None;
        }
        let always = bad * 5 >= unstable.len() * 4;
        let others: Vec<(f64, f64, &UserSamples)> = household
            .users
            .iter()
            .enumerate()
            .filter(|(index, _)| *index != victim)
            .map(|(_, user)| {
                let [down, up] = [Direction::Down, Direction::Up].map(|direction| {
                    let counts = Counts {
                        samples: &user.goodput,
                        flows: &[],
                        direction,
                        since_us: user.started_us,
                    };
                    counts.bins_mbps(traffic, WINDOW_US)
                });
                let both: Vec<f64> = down.iter().zip(&up).map(|(down, up)| down + up).collect();
                let mean = both.iter().sum::<f64>() / both.len().max(1) as f64;
                let during: f64 = both
                    .iter()
                    .zip(unstable)
                    .filter(|(_, window)| **window == Some(true))
                    .map(|(mbps, _)| mbps)
                    .sum::<f64>()
                    / bad as f64;
                (mean, during - mean, user)
            })
            .collect();
        let most = |of: fn(&(f64, f64, &'a UserSamples)) -> f64| {
            others
                .iter()
                .max_by(|a, b| of(a).total_cmp(&of(b)))
                .filter(|other| of(other) >= NOTABLE_MBPS)
        };
        let standing_out = if always { None } else { most(|other| other.1) };
        let (_, _, culprit) = standing_out.or_else(|| most(|other| other.0))?;
        Some(Self {
            name: &culprit.name,
            model: culprit.model,
        })
    }

    fn clause(self) -> String {
        let Self { name, model } = self;
        match model {
            ExperienceModel::Streaming => format!(" while {name}'s bursts filled the queue"),
            ExperienceModel::Bulk => format!(" while {name}'s transfer filled the line"),
            ExperienceModel::Gaming | ExperienceModel::Call => {
                format!(" while {name}'s traffic was on the line")
            }
        }
    }
}

/// The sentence. `late_ratio` and `model` are those that the score was made of.
pub(super) fn impact(
    name: &str,
    score: Option<f64>,
    increase_ms: Option<f64>,
    late_ratio: Option<f64>,
    model: &ModelReport,
    culprit: Option<Culprit<'_>>,
) -> String {
    let Some(score) = score else {
        return format!("Too little of {name}'s traffic came through to say how it was.");
    };
    let is_good = score >= GOOD_SCORE;
    let what = match model {
        ModelReport::Gaming {
            p95_increase_ms, ..
        } => game(name, is_good, p95_increase_ms.or(increase_ms), late_ratio),
        ModelReport::Call {
            mos,
            mouth_to_ear_ms,
            frozen_s,
            ..
        } => a_call(name, is_good, *mos, *mouth_to_ear_ms, *frozen_s),
        ModelReport::Streaming {
            startup_s,
            stalls,
            stalled_s,
            ..
        } => stream(name, is_good, *startup_s, *stalls, *stalled_s),
        ModelReport::Bulk {
            achieved_ratio,
            available_mbps,
            ..
        } => {
            let percent = achieved_ratio.unwrap_or(0.0) * 100.0;
            let only = if is_good { "" } else { "only " };
            let of_what = match available_mbps {
                Some(_) => "what the line had to give",
                None => "what it asked for",
            };
            format!("{name} got {only}{percent:.0} % of {of_what}")
        }
    };
    let why = culprit
        .filter(|_| !is_good)
        .map_or_else(String::new, Culprit::clause);
    format!("{what}{why}.")
}

fn game(name: &str, is_good: bool, increase_ms: Option<f64>, late_ratio: Option<f64>) -> String {
    let increase_ms = increase_ms.unwrap_or(0.0).max(0.0);
    let late_percent = late_ratio.unwrap_or(0.0) * 100.0;
    if is_good {
        return format!(
            "{name}'s game ran smoothly, with at most {increase_ms:.0} ms of extra delay"
        );
    }
    if late_percent >= 1.0 {
        return format!(
            "{name}'s game lagged: one move in twenty took {increase_ms:.0} ms longer or more, and {late_percent:.0} % of \
             the updates came too late to be of use"
        );
    }
    format!("{name}'s game lagged: one move in twenty took {increase_ms:.0} ms longer or more")
}

fn a_call(
    name: &str,
    is_good: bool,
    mos: Option<f64>,
    mouth_to_ear_ms: Option<f64>,
    frozen_s: f64,
) -> String {
    let mos = mos.unwrap_or(1.0);
    if frozen_s >= 0.2 {
        return format!("{name}'s call froze for {frozen_s:.1} s (speech quality {mos:.1} of 4.5)");
    }
    if is_good {
        return format!("{name}'s call was clear (speech quality {mos:.1} of 4.5)");
    }
    let delay_ms = mouth_to_ear_ms.unwrap_or(0.0);
    format!(
        "{name}'s call was hard to hold: words took {delay_ms:.0} ms to arrive or went missing (speech quality {mos:.1} of \
         4.5)"
    )
}

fn stream(
    name: &str,
    is_good: bool,
    startup_s: Option<f64>,
    stalls: u32,
    stalled_s: f64,
) -> String {
    let Some(startup_s) = startup_s else {
        return format!("{name}'s film never started");
    };
    if stalls == 0 && is_good {
        return format!("{name}'s film started after {startup_s:.1} s and never stopped");
    }
    if stalls == 0 {
        return format!("{name}'s film took {startup_s:.1} s to start");
    }
    let times = if stalls == 1 {
        "once".to_owned()
    } else {
        format!("{stalls} times")
    };
    format!("{name}'s film stopped {times}, for {stalled_s:.1} s in all")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::household::DemandMode;
    use crate::message::samples::GoodputSample;

    const TRAFFIC: Window = Window {
        start_us: 0,
        end_us: 10_000_000,
    };

    /// A user with this rate in each second, Mbit/s.
    fn user(name: &str, model: ExperienceModel, mbps: [u64; 10]) -> UserSamples {
        let goodput = (1..).zip(mbps).map(|(second, mbps)| GoodputSample {
            at_us: second * 1_000_000,
            direction: Direction::Down,
            bytes: mbps * 125_000,
        });
        UserSamples {
            user_id: name.to_lowercase(),
            name: name.into(),
            model,
            started_us: 0,
            demand_down_mbps: 1.0,
            demand_up_mbps: 0.0,
            probes: Vec::new(),
            goodput: goodput.collect(),
            messages: Vec::new(),
            segments: Vec::new(),
            segment_media_ms: None,
            up: None,
        }
    }

    fn culprit(bad_seconds: usize) -> Option<&'static str> {
        let household = HouseholdSamples {
            demand: DemandMode::Standard,
            phases: Vec::new(),
            capacity_down_mbps: None,
            capacity_up_mbps: None,
            users: vec![
                user("Alex", ExperienceModel::Gaming, [1; 10]),
                user(
                    "Jake",
                    ExperienceModel::Streaming,
                    [25, 0, 0, 0, 0, 25, 0, 0, 0, 0],
                ),
                user("Computer", ExperienceModel::Bulk, [40; 10]),
            ],
        };
        let unstable: Vec<Option<bool>> = (0..10)
            .map(|second| {
                Some(
                    bad_seconds == 2 && second % 5 == 0 || second < bad_seconds && bad_seconds != 2,
                )
            })
            .collect();
        Culprit::of(&household, TRAFFIC, 0, &unstable).map(|culprit| match culprit.model {
            ExperienceModel::Streaming => "Jake",
            ExperienceModel::Bulk => "Computer",
            ExperienceModel::Gaming | ExperienceModel::Call => "Alex",
        })
    }

    #[test]
    fn a_burst_that_comes_with_the_queue_is_its_reason() {
        assert_eq!(culprit(0), None);
        assert_eq!(culprit(2), Some("Jake"));
    }

    #[test]
    fn a_queue_that_comes_with_nobodys_burst_is_who_has_most_traffic() {
        assert_eq!(
            culprit(5),
            Some("Computer"),
            "as many bursts in the good seconds as in the bad ones"
        );
        assert_eq!(culprit(10), Some("Computer"));
    }
}
