//! A picture of the run: latency and rates over time, the phases behind them. Drawn by hand, as SVG that needs nothing else:
//! readable on light and on dark ground, and by a screen reader through its title and description.

mod canvas;
mod household;
mod single;

use client::outcome::Outcome;

/// The picture of a test.
pub(crate) fn text(outcome: &Outcome) -> String {
    match &outcome.samples.household {
        Some(samples) => household::text(outcome, samples),
        None => single::text(outcome),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::show::sample::{household_outcome, outcome};

    #[test]
    fn every_probe_is_a_point_and_every_lost_one_a_mark() {
        let mut outcome = outcome();
        let marks = |text: &str| text.matches(r#"<line class="lost" x1="#).count();
        let whole = text(&outcome);
        let path = whole
            .lines()
            .find(|line| line.starts_with(r#"<path class="latency""#));
        let path = path.expect("a line");
        assert_eq!(path.matches('L').count() + path.matches('M').count(), 800);
        outcome.samples.probes[100].received_us = None;
        // The legend has one, too.
        assert_eq!(marks(&text(&outcome)), marks(&whole) + 1);
    }

    #[test]
    fn every_user_has_a_line_for_each_thing_that_was_seen() {
        let picture = text(&household_outcome());
        let lines = |class: &str| {
            let path = format!(r#"<path class="{class}""#);
            picture.matches(&path).count()
        };
        assert_eq!(lines("latency"), 1);
        // Round trips, down and up; a transfer has no probes.
        assert_eq!((lines("user0"), lines("user1")), (3, 2));
        assert!(picture.contains(">Computer</text>"), "{picture}");
    }

    #[test]
    fn text_from_elsewhere_is_escaped() {
        let mut outcome = outcome();
        outcome.report.node.name = "<b>&".to_owned();
        let single = text(&outcome);
        assert!(single.contains("node &lt;b&gt;&amp;") && !single.contains("<b>"));
        let mut outcome = household_outcome();
        if let Some(household) = &mut outcome.samples.household {
            household.users[0].name = "<b>&".to_owned();
        }
        let household = text(&outcome);
        assert!(household.contains(">&lt;b&gt;&amp;</text>") && !household.contains("<b>"));
    }

    #[test]
    fn nothing_measured_is_an_empty_picture() {
        let mut single = outcome();
        single.samples.probes.clear();
        single.samples.goodput.clear();
        single.samples.phases.clear();
        let mut household = household_outcome();
        household.samples.probes.clear();
        if let Some(samples) = &mut household.samples.household {
            samples.users.clear();
            samples.phases.clear();
        }
        for outcome in [single, household] {
            let text = text(&outcome);
            assert!(text.ends_with("</svg>\n") && !text.contains("NaN"));
        }
    }
}
