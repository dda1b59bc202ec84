//! The run while it runs, on standard error: one line that is drawn over and over, and one that stays for each phase that is
//! over. Nothing at all where standard error is no terminal.

use client::line::Step;
use client::single::Progress;
use indicatif::ProgressBar;
use protocol::measure::phases::load;
use protocol::message::samples::Direction;
use protocol::message::test::{Phase, PhaseSpan};

use super::{bar, words};

/// Rates shown are means of this long, µs.
const RATE_WINDOW_US: u64 = 1_000_000;

/// See the module.
pub(crate) struct Live {
    bar: Option<ProgressBar>,
    shown_phase: Option<PhaseSpan>,
}

impl Live {
    /// Shows nothing where it is not wanted, or nobody would see it.
    pub(crate) fn new(is_quiet: bool) -> Self {
        let bar = bar::target(is_quiet)
            .map(|target| ProgressBar::with_draw_target(Some(0), target).with_style(bar::style()));
        Self {
            bar,
            shown_phase: None,
        }
    }

    /// Draws the moment.
    pub(crate) fn show(&mut self, progress: &Progress<'_>) {
        let Some(bar) = self.bar.clone() else {
            return;
        };
        let phase = progress.phase().map_or("", |span| words::phase(span.phase));
        let end_us = progress.phases.last().map_or(0, |span| span.end_us);
        bar::advance(&bar, progress.step, phase, progress.elapsed_us, end_us);
        if progress.step == Step::Running {
            self.note_phase(progress);
            bar.set_message(figures(progress));
        }
    }

    /// Takes the line away.
    pub(crate) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    /// A phase that is over leaves a line behind.
    fn note_phase(&mut self, progress: &Progress<'_>) {
        let now = progress.phase();
        let is_same = |left: PhaseSpan, right: PhaseSpan| left.phase == right.phase;
        match (self.shown_phase, now) {
            (Some(before), Some(now)) if is_same(before, now) => {}
            (before, _) => {
                if let (Some(before), Some(bar)) = (before, &self.bar)
                    && let Some(line) = summary(progress, before)
                {
                    bar.println(line);
                }
            }
        }
        // A phase's start may move while its flows are awaited.
        self.shown_phase = now;
    }
}

/// Latency and rates of the last second.
fn figures(progress: &Progress<'_>) -> String {
    let now_us = progress.elapsed_us;
    let latency = words::latency(progress.log.now_ms(now_us));
    let loaded = progress.phase().map(|span| load(span.phase));
    let rate = |direction, sign| {
        loaded.filter(|loaded| loaded.includes(direction)).map(|_| {
            let bins = &progress.load.bins;
            let to_us = bins.counted_until_us(direction, now_us);
            let mbps = bins.mean_mbps(direction, to_us.saturating_sub(RATE_WINDOW_US), to_us);
            format!("{sign}{}", words::mbps(mbps))
        })
    };
    let rates: Vec<String> = [rate(Direction::Down, '↓'), rate(Direction::Up, '↑')]
        .into_iter()
        .flatten()
        .collect();
    if rates.is_empty() {
        latency
    } else {
        format!("{latency} {} Mbit/s", rates.join(" "))
    }
}

/// What a phase was like; `None` for a warm-up.
fn summary(progress: &Progress<'_>, span: PhaseSpan) -> Option<String> {
    let loaded = match span.phase {
        Phase::DownloadWarmup | Phase::UploadWarmup => return None,
        Phase::Baseline | Phase::Download | Phase::Upload | Phase::Bidirectional => {
            load(span.phase)
        }
    };
    let median_ms = progress.log.median_ms(span.start_us, span.end_us)?;
    let mut line = format!(
        "{:12} {:>4} ms",
        words::phase(span.phase),
        words::ms(median_ms)
    );
    for (direction, sign) in [(Direction::Down, '↓'), (Direction::Up, '↑')] {
        if loaded.includes(direction) {
            let mbps = progress
                .load
                .bins
                .mean_mbps(direction, span.start_us, span.end_us);
            line += &format!("  {sign}{}", words::mbps(mbps));
        }
    }
    if loaded.down || loaded.up {
        line += " Mbit/s";
    }
    Some(line)
}
