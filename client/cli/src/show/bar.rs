//! The bar of a running test, on standard error: where on its timeline it is. Nothing at all where standard error is no
//! terminal, or progress is not wanted.

use std::io::IsTerminal as _;

use client::line::Step;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::table;

/// Below this there is no room for a bar beside the figures.
pub(super) const WIDE_MIN: usize = 72;
/// How often it is drawn at most, a second.
const DRAWS_PER_SECOND: u8 = 10;

/// Where progress is drawn; `None` where nobody would see it.
pub(super) fn target(is_quiet: bool) -> Option<ProgressDrawTarget> {
    let is_shown = !is_quiet && std::io::stderr().is_terminal();
    is_shown.then(|| ProgressDrawTarget::stderr_with_hz(DRAWS_PER_SECOND))
}

/// The bar with room for a word before it and figures behind it.
pub(super) fn style() -> ProgressStyle {
    styled(if table::width() >= WIDE_MIN {
        "{prefix:12} {wide_bar} {msg}"
    } else {
        "{prefix} {percent}% {wide_msg}"
    })
}

/// A template of our own always parses; the default one shows as much.
pub(super) fn styled(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

/// Moves the bar to `elapsed_us` of `end_us`; `phase` is the word for what runs.
pub(super) fn advance(bar: &ProgressBar, step: Step, phase: &str, elapsed_us: u64, end_us: u64) {
    let prefix = match step {
        Step::Admitting => "asking",
        Step::Connecting => "connecting",
        Step::Running => phase,
        Step::Settling => "last answers",
        Step::Reporting => "computing",
    };
    bar.set_length(end_us / 1_000);
    bar.set_position(elapsed_us.min(end_us) / 1_000);
    bar.set_prefix(prefix.to_owned());
}
