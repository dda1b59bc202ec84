//! One line for each test, for a spreadsheet or a monitor (RFC 4180). A field that has no value is empty.

use client::single::Outcome;
use protocol::message::report::{ConfidenceLevel, PhaseReport};

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

/// A line for the test, below one with the names where `has_names`.
pub(crate) fn text(outcome: &Outcome, has_names: bool) -> String {
    let mut text = String::new();
    if has_names {
        text += &line(&names());
    }
    text + &line(&fields(outcome))
}

fn names() -> Vec<String> {
    let mut names: Vec<String> = [
        "started_at",
        "duration_s",
        "grade",
        "confidence",
        "partial",
        "idle_ms",
        "idle_p95_ms",
        "idle_jitter_ms",
    ]
    .map(str::to_owned)
    .to_vec();
    for phase in ["download", "upload", "bidirectional"] {
        names.extend(PHASE_COLUMNS.map(|column| format!("{phase}_{column}")));
    }
    names
}

fn fields(outcome: &Outcome) -> Vec<String> {
    let report = &outcome.report;
    let number = |value: Option<f64>| value.map(|value| format!("{value:.3}")).unwrap_or_default();
    let grade = |grade: Option<_>| grade.map(words::grade).unwrap_or_default().to_owned();
    let confidence = match report.confidence.level {
        ConfidenceLevel::High => "high",
        ConfidenceLevel::Reduced => "reduced",
    };
    let mut fields = vec![
        report.started_at.clone(),
        number(Some(report.duration_s)),
        grade(report.total_grade),
        confidence.to_owned(),
        outcome
            .partial
            .as_ref()
            .map(words::partial)
            .unwrap_or_default(),
        number(report.idle_latency_ms),
        number(report.idle_p95_ms),
        number(report.idle_jitter_ms),
    ];
    let phases = &report.phases;
    for phase in [&phases.download, &phases.upload, &phases.bidirectional] {
        let of = |value: fn(&PhaseReport) -> Option<f64>| number(phase.as_ref().and_then(value));
        fields.push(grade(phase.as_ref().and_then(|phase| phase.grade)));
        fields.push(of(|phase| phase.latency_increase_ms));
        fields.push(of(|phase| phase.working_latency_ms));
        fields.push(of(|phase| phase.p95_ms));
        fields.push(of(|phase| phase.p99_ms));
        fields.push(of(|phase| phase.jitter_ms));
        fields.push(of(|phase| phase.loss_ratio));
        fields.push(of(|phase| phase.responsiveness_rpm));
        fields.push(of(|phase| phase.goodput_down_mbps));
        fields.push(of(|phase| phase.goodput_up_mbps));
    }
    fields
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
    use crate::show::sample::outcome;

    #[test]
    fn every_line_has_a_field_for_each_name() {
        let text = text(&outcome(), true);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 2);
        assert_eq!(names().len(), fields(&outcome()).len());
        assert!(lines[0].starts_with("started_at,duration_s,grade,confidence"));
        let expected = "2026-11-24T10:00:00.000Z,40.000,C,reduced,,10.000,";
        assert!(lines[1].starts_with(expected), "{}", lines[1]);
    }

    #[test]
    fn a_field_with_a_comma_or_a_quote_is_quoted() {
        assert_eq!(quote("a"), "a");
        assert_eq!(quote("a,b"), "\"a,b\"");
        assert_eq!(quote("a \"b\""), "\"a \"\"b\"\"\"");
    }
}
