//! A household's result for people: how everybody got along, what each went through and why, and their figures.

use client::outcome::Outcome;
use protocol::message::household::{HouseholdReport, UserReport};
use protocol::message::report::{Grade, Report};

use super::table::{grid, item, paragraph};
use super::{style, words};

/// What is said after the warnings, on lines of at most `width` columns, sentences of at most `text_width`.
pub(super) fn text(
    outcome: &Outcome,
    household: &HouseholdReport,
    width: usize,
    text_width: usize,
) -> String {
    let mut text = verdict(household, text_width);
    for user in &household.users {
        text += &item(&user.impact, text_width);
    }
    text += "\n";
    if !household.users.is_empty() {
        text += &grid(&rows(outcome, household), width);
        text += &paragraph(UNITS, text_width, style::dim);
    }
    text += &paragraph(
        &figures(&outcome.report, household),
        text_width,
        str::to_owned,
    );
    text
}

fn verdict(household: &HouseholdReport, width: usize) -> String {
    let Some(grade) = household.overall_grade else {
        let sentence = "No grade: there was not enough to judge anybody by.";
        return paragraph(sentence, width, style::emphasis);
    };
    let plain = format!("Grade {}", words::grade(grade));
    let score = household.overall_score.unwrap_or_default();
    let sentence = format!("{plain}, {score:.1} of 100: {}", in_words(grade));
    let whole = paragraph(&sentence, width, str::to_owned);
    whole.replacen(&plain, &style::graded(grade, &plain), 1)
}

/// What a grade means for the people in the house, as the page has it.
const fn in_words(grade: Grade) -> &'static str {
    match grade {
        Grade::APlus => "this line carries everybody at once, and nobody notices the others.",
        Grade::A => {
            "everybody gets along on this line; only the most sensitive notice when the others are busy."
        }
        Grade::B => {
            "most of the time everybody gets along, but now and then one of them waits for another."
        }
        Grade::C => {
            "the people in this house get in each other's way: what one does, the others notice."
        }
        Grade::D => "while one of them is busy, the others have a hard time.",
        Grade::F => {
            "this line can't carry everybody at once: calls break up and games lag as soon as it is busy."
        }
    }
}

/// The columns, the most telling first: the last ones go where the terminal is narrow.
const COLUMNS: [&str; 10] = [
    "", "score", "added", "grade", "down", "up", "late %", "jitter", "wants↓", "wants↑",
];
/// The units that the names have no room for.
const UNITS: &str =
    "score: of 100. added, jitter: milliseconds. down, up, wants: Mbit/s. late: or lost.";

fn rows(outcome: &Outcome, household: &HouseholdReport) -> Vec<Vec<String>> {
    let mut rows = vec![COLUMNS.map(str::to_owned).to_vec()];
    rows.extend(
        household
            .users
            .iter()
            .map(|user| row(name_of(outcome, user), user)),
    );
    rows
}

/// For people; the report has the name for addresses.
fn name_of<'a>(outcome: &'a Outcome, user: &'a UserReport) -> &'a str {
    let household = outcome.samples.household.as_ref();
    let mut samples = household.into_iter().flat_map(|household| &household.users);
    samples
        .find(|samples| samples.user_id == user.user_id)
        .map_or(&user.user_id, |samples| &samples.name)
}

fn row(name: &str, user: &UserReport) -> Vec<String> {
    let mbps = |value: Option<f64>| value.map(words::mbps).unwrap_or_default();
    let percent = |ratio: f64| format!("{:.1}", ratio * 100.0);
    vec![
        name.to_owned(),
        user.score.map(whole).unwrap_or_default(),
        user.latency_increase_ms
            .map(words::signed_ms)
            .unwrap_or_default(),
        user.grade.map(words::grade).unwrap_or_default().to_owned(),
        mbps(user.down_mbps),
        mbps(user.up_mbps),
        user.late_ratio.map(percent).unwrap_or_default(),
        user.jitter_ms.map(words::ms).unwrap_or_default(),
        words::mbps(user.demand_down_mbps),
        words::mbps(user.demand_up_mbps),
    ]
}

/// What there is to say of the household as a whole, and of its line.
fn figures(report: &Report, household: &HouseholdReport) -> String {
    let mut parts = Vec::new();
    if let Some(fairness) = household.fairness {
        parts.push(format!("Fairness {} of 100.", whole(fairness)));
    }
    if let Some(stability) = household.stability {
        parts.push(format!("Stability {} of 100.", whole(stability)));
    }
    if let Some(idle_ms) = report.idle_latency_ms {
        parts.push(format!("Idle latency {} ms.", words::ms(idle_ms)));
    }
    if let (Some(down), Some(up)) = (household.capacity_down_mbps, household.capacity_up_mbps) {
        parts.push(format!(
            "The line carries {} Mbit/s down and {} up.",
            words::mbps(down),
            words::mbps(up)
        ));
    }
    parts.join(" ")
}

fn whole(value: f64) -> String {
    format!("{value:.0}")
}

#[cfg(test)]
mod tests {
    use crate::show::sample::household_outcome;
    use crate::show::table;

    fn plain(width: usize) -> String {
        let text = table::text(&household_outcome(), width);
        anstream::adapter::strip_str(&text).to_string()
    }

    #[test]
    fn everybody_has_a_sentence_and_a_row() {
        let text = plain(100);
        assert!(text.contains("Grade "), "{text}");
        for name in ["Alex", "Computer"] {
            assert!(text.contains(&format!("\n{name} ")), "{text}");
        }
        assert!(text.contains("- "), "{text}");
        assert!(
            text.contains("Fairness ") && text.contains("Stability "),
            "{text}"
        );
        // Broken at a space, wherever that is.
        let words: Vec<&str> = text.split_whitespace().collect();
        let carries = "The line carries 100 Mbit/s down and 20.0 up.";
        assert!(words.join(" ").contains(carries), "{text}");
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        for width in [40, 60, 80, 120] {
            let text = plain(width);
            let widest = text.lines().map(|line| line.chars().count()).max();
            assert!(widest <= Some(width), "{width}: {text}");
            assert!(text.contains("score") && text.contains("added"), "{text}");
        }
    }
}
