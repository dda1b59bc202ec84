//! One line for each test, for a spreadsheet or a monitor (RFC 4180). A field that has no value is empty.

use client::outcome::Outcome;
use protocol::message::household::{
    DemandMode, HouseholdReport, HouseholdSamples, UserReport, UserSamples,
};
use protocol::message::report::{ConfidenceLevel, Grade, GradedPhases, PhaseReport};

use super::words;

/// The names of a phase's columns, each behind the phase's own name.
const PHASE_COLUMNS: [&str; 10] = [
    "grade",
    "increase_ms",
    "working_ms",
    "p95_ms",
    "p99_ms",
    "jitter_ms",
    "loss_ratio",
    "rpm",
    "down_mbps",
    "up_mbps",
];
/// The names of a user's columns, each behind the user's id.
const USER_COLUMNS: [&str; 9] = [
    "score",
    "grade",
    "increase_ms",
    "jitter_ms",
    "late_ratio",
    "down_mbps",
    "up_mbps",
    "demand_down_mbps",
    "demand_up_mbps",
];

/// A line for the test, below one with the names unless these are `names` already, which they are then.
pub(crate) fn text(outcome: &Outcome, names: &mut String) -> String {
    let (columns, fields): (Vec<String>, Vec<String>) = columns(outcome).into_iter().unzip();
    let mut text = String::new();
    let columns = line(&columns);
    if *names != columns {
        text += &columns;
        *names = columns;
    }
    text + &line(&fields)
}

/// Every column's name and its field.
fn columns(outcome: &Outcome) -> Vec<(String, String)> {
    let report = &outcome.report;
    let confidence = match report.confidence.level {
        ConfidenceLevel::High => "high",
        ConfidenceLevel::Reduced => "reduced",
    };
    let partial = outcome.partial.as_ref().map(words::partial);
    let mut columns = vec![
        column("started_at", report.started_at.clone()),
        column("duration_s", number(Some(report.duration_s))),
        column("grade", grade(report.total_grade)),
        column("confidence", confidence.to_owned()),
        column("partial", partial.unwrap_or_default()),
        column("idle_ms", number(report.idle_latency_ms)),
        column("idle_p95_ms", number(report.idle_p95_ms)),
        column("idle_jitter_ms", number(report.idle_jitter_ms)),
    ];
    match (&outcome.samples.household, &report.household) {
        (Some(samples), Some(report)) => columns.extend(household_columns(samples, report)),
        _ => columns.extend(phase_columns(&report.phases)),
    }
    columns
}

fn phase_columns(phases: &GradedPhases) -> Vec<(String, String)> {
    let named = [
        ("download", &phases.download),
        ("upload", &phases.upload),
        ("bidirectional", &phases.bidirectional),
    ];
    let mut columns = Vec::new();
    for (name, phase) in named {
        let of = |value: fn(&PhaseReport) -> Option<f64>| number(phase.as_ref().and_then(value));
        let fields = [
            grade(phase.as_ref().and_then(|phase| phase.grade)),
            of(|phase| phase.latency_increase_ms),
            of(|phase| phase.working_latency_ms),
            of(|phase| phase.p95_ms),
            of(|phase| phase.p99_ms),
            of(|phase| phase.jitter_ms),
            of(|phase| phase.loss_ratio),
            of(|phase| phase.responsiveness_rpm),
            of(|phase| phase.goodput_down_mbps),
            of(|phase| phase.goodput_up_mbps),
        ];
        columns.extend(behind(name, PHASE_COLUMNS, fields));
    }
    columns
}

fn household_columns(
    samples: &HouseholdSamples,
    report: &HouseholdReport,
) -> Vec<(String, String)> {
    let mode = match report.mode {
        DemandMode::Standard => "standard",
        DemandMode::Adaptive => "adaptive",
    };
    let mut columns = vec![
        column("mode", mode.to_owned()),
        column("score", number(report.overall_score)),
        column("fairness", number(report.fairness)),
        column("stability", number(report.stability)),
        column("capacity_down_mbps", number(report.capacity_down_mbps)),
        column("capacity_up_mbps", number(report.capacity_up_mbps)),
    ];
    // A part of a report may lack the users, whose columns are there all the same.
    for UserSamples { user_id, .. } in &samples.users {
        let user = report.users.iter().find(|user| user.user_id == *user_id);
        let of = |value: fn(&UserReport) -> Option<f64>| number(user.and_then(value));
        let fields = [
            of(|user| user.score),
            grade(user.and_then(|user| user.grade)),
            of(|user| user.latency_increase_ms),
            of(|user| user.jitter_ms),
            of(|user| user.late_ratio),
            of(|user| user.down_mbps),
            of(|user| user.up_mbps),
            of(|user| Some(user.demand_down_mbps)),
            of(|user| Some(user.demand_up_mbps)),
        ];
        columns.extend(behind(user_id, USER_COLUMNS, fields));
    }
    columns
}

fn behind<const N: usize>(
    name: &str,
    columns: [&str; N],
    fields: [String; N],
) -> impl Iterator<Item = (String, String)> {
    let names = columns.map(|column| format!("{name}_{column}"));
    names.into_iter().zip(fields)
}

fn column(name: &str, field: String) -> (String, String) {
    (name.to_owned(), field)
}

fn number(value: Option<f64>) -> String {
    value.map(|value| format!("{value:.3}")).unwrap_or_default()
}

fn grade(grade: Option<Grade>) -> String {
    grade.map(words::grade).unwrap_or_default().to_owned()
}

fn line(fields: &[String]) -> String {
    let quoted: Vec<String> = fields.iter().map(|field| quote(field)).collect();
    quoted.join(",") + "\r\n"
}

fn quote(field: &str) -> String {
    if field.contains(['"', ',', '\r', '\n']) {
        format!("\"{}\"", field.replace('"', "\"\""))
    } else {
        field.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::show::sample::{household_outcome, outcome};

    #[test]
    fn lines_of_the_same_columns_share_one_line_of_names() {
        let mut names = String::new();
        let first = text(&outcome(), &mut names);
        let lines: Vec<&str> = first.lines().collect();
        assert_eq!(lines.len(), 2);
        assert!(lines[0].starts_with("started_at,duration_s,grade,confidence"));
        let expected = "2026-11-24T10:00:00.000Z,40.000,C,reduced,,10.000,";
        assert!(lines[1].starts_with(expected), "{}", lines[1]);
        assert_eq!(text(&outcome(), &mut names).lines().count(), 1);
        assert_eq!(text(&household_outcome(), &mut names).lines().count(), 2);
    }

    #[test]
    fn every_user_has_columns_even_without_a_report() {
        let mut outcome = household_outcome();
        let names = |outcome: &Outcome| -> Vec<String> {
            let columns = columns(outcome).into_iter();
            columns.map(|(name, _)| name).collect()
        };
        let whole = names(&outcome);
        assert!(whole.contains(&"alex_score".to_owned()), "{whole:?}");
        assert!(whole.contains(&"computer_demand_up_mbps".to_owned()));
        if let Some(household) = &mut outcome.report.household {
            household.users.clear();
        }
        assert_eq!(names(&outcome), whole);
    }

    #[test]
    fn a_field_with_a_comma_or_a_quote_is_quoted() {
        assert_eq!(quote("a"), "a");
        assert_eq!(quote("a,b"), "\"a,b\"");
        assert_eq!(quote("a \"b\""), "\"a \"\"b\"\"\"");
    }
}
