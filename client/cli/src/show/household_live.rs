//! The household while it is on the line, on standard error: the timeline's bar, and below it a line for each user with what
//! they do, what they get and how long their packets take. Nothing at all where standard error is no terminal.

use client::household::{HouseholdProgress, UserNow};
use client::line::Step;
use indicatif::{MultiProgress, ProgressBar};
use protocol::message::profile::{HouseholdPhase, HouseholdSpan};
use protocol::message::samples::Direction;

use super::{bar, table, words};

/// The capacity shown is that of the end of its phase, µs.
const CAPACITY_WINDOW_US: u64 = 2_000_000;

/// See the module.
pub(crate) struct HouseholdLive {
    shown: Option<Shown>,
}

struct Shown {
    all: MultiProgress,
    bar: ProgressBar,
    users: Vec<ProgressBar>,
    phase: Option<HouseholdSpan>,
}

impl HouseholdLive {
    /// Shows nothing where it is not wanted, or nobody would see it.
    pub(crate) fn new(is_quiet: bool) -> Self {
        let shown = bar::target(is_quiet).map(|target| {
            let all = MultiProgress::with_draw_target(target);
            let bar = all.add(ProgressBar::new(0).with_style(bar::style()));
            Shown {
                all,
                bar,
                users: Vec::new(),
                phase: None,
            }
        });
        Self { shown }
    }

    /// Draws the moment.
    pub(crate) fn show(&mut self, progress: &HouseholdProgress<'_>) {
        if let Some(shown) = &mut self.shown {
            shown.show(progress);
        }
    }

    /// Takes the lines away.
    pub(crate) fn finish(&self) {
        let Some(shown) = &self.shown else {
            return;
        };
        for user in &shown.users {
            user.finish_and_clear();
        }
        shown.bar.finish_and_clear();
    }
}

impl Shown {
    fn show(&mut self, progress: &HouseholdProgress<'_>) {
        let phase = progress.phase();
        let word = phase.map_or("", |span| words::household_phase(span.phase));
        let end_us = progress.phases.last().map_or(0, |span| span.end_us);
        bar::advance(&self.bar, progress.step, word, progress.elapsed_us, end_us);
        if progress.step != Step::Running {
            return;
        }
        self.note_phase(progress, phase);
        let line_ms = progress.log.now_ms(progress.elapsed_us);
        self.bar.set_message(words::latency(line_ms));
        while self.users.len() < progress.users.len() {
            let line = ProgressBar::new(0).with_style(bar::styled("{wide_msg}"));
            self.users.push(self.all.add(line));
        }
        let width = table::width();
        for (line, user) in self.users.iter().zip(&progress.users) {
            line.set_message(user_line(user, line_ms, width));
        }
    }

    /// A phase that is over leaves a line behind.
    fn note_phase(&mut self, progress: &HouseholdProgress<'_>, now: Option<HouseholdSpan>) {
        let before = std::mem::replace(&mut self.phase, now);
        let Some(before) = before.filter(|before| now.is_none_or(|now| now.phase != before.phase))
        else {
            return;
        };
        if let Some(line) = summary(progress, before) {
            // What can't be drawn is not missed: the result has it.
            let _ = self.all.println(line);
        }
    }
}

/// What a phase was like; nothing of the traffic, which the result is about.
fn summary(progress: &HouseholdProgress<'_>, span: HouseholdSpan) -> Option<String> {
    let word = words::household_phase(span.phase);
    let (direction, sign) = match span.phase {
        HouseholdPhase::Baseline => {
            let median_ms = progress.log.median_ms(span.start_us, span.end_us);
            return Some(format!("{word:12} {}", words::latency(median_ms)));
        }
        HouseholdPhase::CapacityDown => (Direction::Down, '↓'),
        HouseholdPhase::CapacityUp => (Direction::Up, '↑'),
        HouseholdPhase::Traffic => return None,
    };
    let from_us = span.end_us.saturating_sub(CAPACITY_WINDOW_US);
    let bins = &progress.load.bins;
    let mbps = bins.mean_mbps(direction, from_us.max(span.start_us), span.end_us);
    Some(format!("{word:12} {sign}{} Mbit/s", words::mbps(mbps)))
}

/// One user; what they do goes where the terminal is narrow.
fn user_line(user: &UserNow, line_ms: Option<f64>, width: usize) -> String {
    let rate = |mbps: Option<f64>| mbps.map_or_else(|| "-".to_owned(), words::mbps);
    let rates = format!("↓{:<5} ↑{:<5}", rate(user.down_mbps), rate(user.up_mbps));
    let latency_ms = if user.has_own_probes {
        user.latency_ms
    } else {
        // A transfer has no probes of its own: what it does to the line is what there is to tell.
        line_ms.filter(|_| user.down_mbps.is_some())
    };
    let latency = words::latency(latency_ms);
    if width >= bar::WIDE_MIN {
        format!(
            "  {:10} {:22} {rates} Mbit/s {latency}",
            user.name, user.activity
        )
    } else {
        format!("{:9}{rates} {latency}", user.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_narrow_line_has_the_figures_all_the_same() {
        let user = UserNow {
            name: "Computer".to_owned(),
            activity: "System updates".to_owned(),
            down_mbps: Some(253.2),
            up_mbps: Some(2.0),
            latency_ms: None,
            has_own_probes: false,
        };
        let (narrow, wide) = (
            user_line(&user, Some(12.3), 40),
            user_line(&user, Some(12.3), 80),
        );
        for line in [&narrow, &wide] {
            assert!(line.contains("↓253") && line.contains("12 ms"), "{line}");
        }
        assert!(narrow.chars().count() <= 40, "{narrow}");
        assert!(wide.contains("System updates"), "{wide}");
        let idle = UserNow::default();
        assert!(user_line(&idle, Some(12.3), 80).contains("- ms"));
    }
}
