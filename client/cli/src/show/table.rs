//! The result for people: the grade, a table that gives up columns until it fits, and what speaks against it.

use client::outcome::Outcome;
use protocol::message::report::{ConfidenceLevel, PhaseReport, Report};
use protocol::message::test::Phase;

use super::{household_table, style, words};

/// Where no terminal says how wide it is.
const DEFAULT_WIDTH: usize = 80;
/// Wider lines of text are hard to read.
const TEXT_WIDTH_MAX: usize = 100;

/// The terminal's width, in columns.
pub(crate) fn width() -> usize {
    terminal_size::terminal_size().map_or(DEFAULT_WIDTH, |(width, _)| usize::from(width.0))
}

/// The result on lines of at most `width` columns.
pub(crate) fn text(outcome: &Outcome, width: usize) -> String {
    let report = &outcome.report;
    let text_width = width.min(TEXT_WIDTH_MAX);
    let mut text = String::new();
    if let Some(partial) = &outcome.partial {
        let sentence = format!("Partial result: {}.", words::partial(partial));
        text += &paragraph(&sentence, text_width, style::warning);
    }
    if report.confidence.level == ConfidenceLevel::Reduced {
        text += &paragraph("Reduced confidence:", text_width, style::warning);
        for reason in &report.confidence.reasons {
            text += &item(&reason.message, text_width);
        }
    }
    for warning in &outcome.warnings {
        text += &item(warning, text_width);
    }
    if let Some(sponsor) = &outcome.sponsor {
        text += &paragraph(&words::host(sponsor), text_width, style::dim);
    }
    if let Some(household) = &report.household {
        return text + &household_table::text(outcome, household, width, text_width);
    }
    text += &verdict(report, text_width);
    text += "\n";
    text += &grid(&rows(report), width);
    text += &paragraph(UNITS, text_width, style::dim);
    text
}

fn verdict(report: &Report, width: usize) -> String {
    let Some(grade) = report.total_grade else {
        return paragraph(
            "No grade: no phase under load ran long enough.",
            width,
            style::emphasis,
        );
    };
    let name = words::grade(grade);
    let sentence = format!("Grade {name}: {}", worst_in_words(report));
    let whole = paragraph(&sentence, width, str::to_owned);
    let plain = format!("Grade {name}");
    whole.replacen(&plain, &style::graded(grade, &plain), 1)
}

/// Which phase decides, and by how much.
fn worst_in_words(report: &Report) -> String {
    let phases = &report.phases;
    let named = [
        ("a download adds", &phases.download),
        ("an upload adds", &phases.upload),
        (
            "a download and an upload at once add",
            &phases.bidirectional,
        ),
    ];
    let worst = named
        .iter()
        .filter_map(|(name, phase)| Some((*name, phase.as_ref()?.latency_increase_ms?)))
        .max_by(|left, right| left.1.total_cmp(&right.1));
    match (worst, report.idle_latency_ms) {
        (Some((name, increase_ms)), Some(idle_ms)) => format!(
            "{name} {} ms to the {} ms of the idle line.",
            words::ms(increase_ms.max(0.0)),
            words::ms(idle_ms)
        ),
        _ => "of what was measured.".to_owned(),
    }
}

/// The columns, the most telling first: the last ones go where the terminal is narrow.
const COLUMNS: [&str; 10] = [
    "", "ms", "added", "grade", "down", "up", "p95", "jitter", "loss %", "RPM",
];
/// The units that the names have no room for.
const UNITS: &str = "ms, added, p95, jitter: milliseconds. down, up: Mbit/s.";

fn rows(report: &Report) -> Vec<Vec<String>> {
    let mut rows = vec![COLUMNS.map(str::to_owned).to_vec()];
    let ms = |value: Option<f64>| value.map(words::ms).unwrap_or_default();
    let mut idle = vec![String::new(); COLUMNS.len()];
    idle[0] = words::phase(Phase::Baseline).to_owned();
    idle[1] = ms(report.idle_latency_ms);
    idle[6] = ms(report.idle_p95_ms);
    idle[7] = ms(report.idle_jitter_ms);
    rows.push(idle);
    let phases = &report.phases;
    for (name, phase) in [
        (Phase::Download, &phases.download),
        (Phase::Upload, &phases.upload),
        (Phase::Bidirectional, &phases.bidirectional),
    ] {
        if let Some(phase) = phase {
            rows.push(row(words::phase(name), phase));
        }
    }
    rows
}

fn row(name: &str, phase: &PhaseReport) -> Vec<String> {
    let ms = |value: Option<f64>| value.map(words::ms).unwrap_or_default();
    let mbps = |value: Option<f64>| value.map(words::mbps).unwrap_or_default();
    let increase = phase.latency_increase_ms.map(words::signed_ms);
    vec![
        name.to_owned(),
        ms(phase.working_latency_ms),
        increase.unwrap_or_default(),
        phase.grade.map(words::grade).unwrap_or_default().to_owned(),
        mbps(phase.goodput_down_mbps),
        mbps(phase.goodput_up_mbps),
        ms(phase.p95_ms),
        ms(phase.jitter_ms),
        phase
            .loss_ratio
            .map(|ratio| format!("{:.1}", ratio * 100.0))
            .unwrap_or_default(),
        phase
            .responsiveness_rpm
            .map(|rpm| format!("{rpm:.0}"))
            .unwrap_or_default(),
    ]
}

/// Columns as wide as their widest cell, two apart, the first to the left and the others to the right; as many as fit. The
/// first row is the names.
pub(super) fn grid(rows: &[Vec<String>], width: usize) -> String {
    let columns = rows.first().map_or(0, Vec::len);
    let widths: Vec<usize> = (0..columns)
        .map(|column| {
            rows.iter()
                .map(|row| row[column].chars().count())
                .max()
                .unwrap_or(0)
        })
        .collect();
    let mut used = 0;
    let shown = widths
        .iter()
        .take_while(|&&column| {
            used += column + 2;
            used <= width + 2
        })
        .count()
        .max(2.min(columns));
    let mut text = String::new();
    for (number, row) in rows.iter().enumerate() {
        let cells: Vec<String> = row
            .iter()
            .zip(&widths)
            .take(shown)
            .enumerate()
            .map(|(column, (cell, &width))| match column {
                0 => format!("{cell:width$}"),
                _ => format!("{cell:>width$}"),
            })
            .collect();
        let line = cells.join("  ");
        text += &if number == 0 {
            style::dim(line.trim_end())
        } else {
            line.trim_end().to_owned()
        };
        text += "\n";
    }
    text
}

/// A sentence broken at its spaces; each line gets the style.
pub(super) fn paragraph(sentence: &str, width: usize, style: impl Fn(&str) -> String) -> String {
    let mut text = String::new();
    for line in wrapped(sentence, width) {
        text += &style(&line);
        text += "\n";
    }
    text
}

pub(super) fn item(sentence: &str, width: usize) -> String {
    let mut text = String::new();
    for (number, line) in wrapped(sentence, width.saturating_sub(2))
        .iter()
        .enumerate()
    {
        text += if number == 0 { "- " } else { "  " };
        text += line;
        text += "\n";
    }
    text
}

fn wrapped(sentence: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in sentence.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::show::sample::outcome;

    fn plain(width: usize) -> String {
        anstream::adapter::strip_str(&text(&outcome(), width)).to_string()
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        for width in [40, 60, 80, 120] {
            let text = plain(width);
            let widest = text.lines().map(|line| line.chars().count()).max();
            assert!(widest <= Some(width), "{width}: {text}");
        }
    }

    #[test]
    fn a_narrow_terminal_loses_columns_but_neither_grade_nor_increase() {
        let (narrow, wide) = (plain(40), plain(120));
        for text in [&narrow, &wide] {
            assert!(text.contains("Grade C"), "{text}");
            assert!(text.contains("+120"), "{text}");
        }
        assert!(wide.contains("RPM") && !narrow.contains("RPM"));
    }

    #[test]
    fn a_partial_result_says_so_first() {
        let mut outcome = outcome();
        outcome.partial = Some(client::outcome::Partial::Interrupted);
        let text = anstream::adapter::strip_str(&text(&outcome, 80)).to_string();
        assert!(text.starts_with("Partial result: interrupted"), "{text}");
    }
}
