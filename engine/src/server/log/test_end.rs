//! The one line that the log has of each test, at its end.
//!
//! No address unless the operator asked for it; see [`crate::server::config::LogAddresses`].

use protocol::message::report::{ConfidenceLevel, PhaseReport, Report};
use protocol::message::test::Mode;
use protocol::time::Instant;

use crate::server::scoreboard::{TestFacts, TestOutcome, grade_name};

/// What the line says of a test. Absent figures are left out; they are of the report, but for the bytes, which the node
/// counted.
#[derive(Clone, Debug, Default, PartialEq)]
struct Line {
    grade: Option<&'static str>,
    confidence: Option<&'static str>,
    /// Codes of what reduced it, joined by commas.
    confidence_reasons: Option<String>,
    duration_s: f64,
    idle_latency_ms: Option<f64>,
    download_increase_ms: Option<f64>,
    upload_increase_ms: Option<f64>,
    bidirectional_increase_ms: Option<f64>,
    goodput_down_mbps: Option<f64>,
    goodput_up_mbps: Option<f64>,
    overall_score: Option<f64>,
    worst_user_increase_ms: Option<f64>,
}

/// Logs the line of a test that ended at `now`, with its report where it has one.
pub fn write(now: Instant, facts: &TestFacts, outcome: TestOutcome, report: Option<&Report>) {
    let line = report.map_or_else(|| Line::without_report(now, facts), Line::of);
    tracing::info!(
        test_id = %facts.id,
        mode = mode_name(facts.mode),
        outcome = outcome.name(),
        client = facts.client_name,
        address = facts.address.map(tracing::field::display),
        grade = line.grade,
        confidence = line.confidence,
        confidence_reasons = line.confidence_reasons,
        duration_s = line.duration_s,
        idle_latency_ms = line.idle_latency_ms,
        download_increase_ms = line.download_increase_ms,
        upload_increase_ms = line.upload_increase_ms,
        bidirectional_increase_ms = line.bidirectional_increase_ms,
        goodput_down_mbps = line.goodput_down_mbps,
        goodput_up_mbps = line.goodput_up_mbps,
        overall_score = line.overall_score,
        worst_user_increase_ms = line.worst_user_increase_ms,
        sent_bytes = facts.sent_bytes,
        received_bytes = facts.received_bytes,
        "test ended"
    );
}

impl Line {
    fn without_report(now: Instant, facts: &TestFacts) -> Self {
        Self {
            duration_s: rounded(now.saturating_since(facts.created_at).as_secs_f64()),
            ..Self::default()
        }
    }

    fn of(report: &Report) -> Self {
        let increase = |phase: &Option<PhaseReport>| {
            let increase = phase.as_ref().and_then(|phase| phase.latency_increase_ms);
            increase.map(rounded)
        };
        let phases = &report.phases;
        let goodput_down = phases
            .download
            .as_ref()
            .and_then(|phase| phase.goodput_down_mbps);
        let goodput_up = phases
            .upload
            .as_ref()
            .and_then(|phase| phase.goodput_up_mbps);
        let household = report.household.as_ref();
        let worst_increase = household.and_then(|household| {
            let increases = household
                .users
                .iter()
                .filter_map(|user| user.latency_increase_ms);
            increases.max_by(f64::total_cmp)
        });
        let reasons: Vec<String> = report
            .confidence
            .reasons
            .iter()
            .filter_map(|reason| serde_json::to_value(reason.code).ok())
            .filter_map(|code| code.as_str().map(str::to_owned))
            .collect();
        Self {
            grade: Some(grade_name(report.total_grade)),
            confidence: Some(match report.confidence.level {
                ConfidenceLevel::High => "high",
                ConfidenceLevel::Reduced => "reduced",
            }),
            confidence_reasons: (!reasons.is_empty()).then(|| reasons.join(",")),
            duration_s: rounded(report.duration_s),
            idle_latency_ms: report.idle_latency_ms.map(rounded),
            download_increase_ms: increase(&phases.download),
            upload_increase_ms: increase(&phases.upload),
            bidirectional_increase_ms: increase(&phases.bidirectional),
            goodput_down_mbps: goodput_down.map(rounded),
            goodput_up_mbps: goodput_up.map(rounded),
            overall_score: household
                .and_then(|household| household.overall_score)
                .map(rounded),
            worst_user_increase_ms: worst_increase.map(rounded),
        }
    }
}

const fn mode_name(mode: Mode) -> &'static str {
    match mode {
        Mode::Single => "single",
        Mode::Household => "household",
    }
}

/// To thousandths: what a reader of a log can use.
fn rounded(value: f64) -> f64 {
    (value * 1_000.0).round() / 1_000.0
}
