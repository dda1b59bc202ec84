//! `bench/ACCURACY.md`: the readings as a table, each judged against the truth of its own repetition.

use std::fmt::Write;

use super::matrix::{Bloated, Case};
use super::reading::{PHASES, Phase, Reading, Witness};
use super::verdict;

/// What a table says altogether.
#[derive(Debug, Default)]
pub(crate) struct Table {
    /// Markdown.
    pub(crate) text: String,
    /// Figures that were judged.
    pub(crate) judged: usize,
    /// Those that were wrong, in words.
    pub(crate) wrong: Vec<String>,
}

/// Judges all `readings`.
#[must_use]
pub(crate) fn write(cases: &[Case], readings: &[Reading]) -> Table {
    let mut table = Table::default();
    table.text.push_str(
        "| line | phase | truth, ms | page, ms | client, ms | grades: truth, page, client | \
         ascribed to the deep queue: page, client | right: page, client |\n|---|---|---|---|---|---|---|---|\n",
    );
    for case in cases {
        for (index, phase) in PHASES.into_iter().enumerate() {
            row(&mut table, case, phase, index, readings);
        }
    }
    table.text.push_str("\n| line | confidence of the page | confidence of the client | page and client agree |\n|---|---|---|---|\n");
    for case in cases {
        confidence(&mut table, case, readings);
    }
    table
}

fn of<'a>(
    readings: &'a [Reading],
    case: &Case,
    witness: Witness,
) -> impl Iterator<Item = &'a Reading> + use<'a> {
    let name = case.name;
    readings
        .iter()
        .filter(move |reading| reading.line == name && reading.witness == witness)
}

fn row(table: &mut Table, case: &Case, phase: Phase, index: usize, readings: &[Reading]) {
    let truths: Vec<&Reading> = of(readings, case, Witness::Truth).collect();
    let increases = |witness| {
        of(readings, case, witness)
            .map(|reading| reading.phases[index].increase_ms)
            .collect::<Vec<f64>>()
    };
    let truth_ms = increases(Witness::Truth);
    if truth_ms.is_empty() {
        return;
    }
    let mut grades = vec![verdict::grade(median(&truth_ms).unwrap_or_default()).to_owned()];
    let (mut ascribed, mut right) = (Vec::new(), Vec::new());
    for witness in [Witness::Page, Witness::Client] {
        let (mut seen_grades, mut shares, mut good, mut judged) =
            (Vec::<&str>::new(), Vec::new(), 0, 0);
        for reading in of(readings, case, witness) {
            let Some(truth) = truths
                .iter()
                .find(|truth| truth.repetition == reading.repetition)
            else {
                continue;
            };
            let (seen, true_ms) = (&reading.phases[index], truth.phases[index].increase_ms);
            let seen_grade = seen.grade.as_deref().unwrap_or("none");
            if !seen_grades.contains(&seen_grade) {
                seen_grades.push(seen_grade);
            }
            let share =
                relevant(case, phase).and_then(|bloated| verdict::attribution(seen, bloated));
            shares.extend(share);
            let is_right = verdict::agrees(seen.increase_ms, true_ms)
                && verdict::is_grade_of(seen_grade, true_ms)
                && share.is_none_or(verdict::is_attributed);
            judged += 1;
            good += usize::from(is_right);
            if !is_right {
                let share = share.map_or_else(String::new, |share| {
                    format!(", {:.0} % ascribed", share * 100.0)
                });
                table.wrong.push(format!(
                    "{} {} {witness:?} {}: {:.1} ms, truth {true_ms:.1} ms, {seen_grade}{share}",
                    case.name,
                    phase.name(),
                    reading.repetition,
                    seen.increase_ms
                ));
            }
        }
        table.judged += judged;
        grades.push(seen_grades.join("/"));
        ascribed.push(
            median(&shares).map_or_else(String::new, |share| format!("{:.0} %", share * 100.0)),
        );
        right.push(format!("{good} of {judged}"));
    }
    let _ = writeln!(
        table.text,
        "| {} | {} | {} | {} | {} | {} | {} | {} |",
        if index == 0 { case.what } else { "" },
        phase.name(),
        spread(&truth_ms),
        spread(&increases(Witness::Page)),
        spread(&increases(Witness::Client)),
        grades.join(", "),
        ascribed.join(", ").trim_matches(|c| c == ',' || c == ' '),
        right.join(", ")
    );
}

/// The direction to which this phase's increase has to be ascribed; the other phase loads only the shallow queue.
fn relevant(case: &Case, phase: Phase) -> Option<Bloated> {
    case.bloated.filter(|bloated| {
        phase == Phase::Bidirectional || (phase == Phase::Download) == (*bloated == Bloated::Down)
    })
}

fn confidence(table: &mut Table, case: &Case, readings: &[Reading]) {
    if of(readings, case, Witness::Truth).next().is_none() {
        return;
    }
    let words = |witness| {
        let mut said: Vec<String> = Vec::new();
        for reading in of(readings, case, witness) {
            said.push(if reading.doubts.is_empty() {
                "high".into()
            } else {
                reading.doubts.join(" + ")
            });
        }
        let mut counted: Vec<String> = Vec::new();
        for word in &said {
            let text = format!(
                "{word} ×{}",
                said.iter().filter(|other| *other == word).count()
            );
            if !counted.contains(&text) {
                counted.push(text);
            }
        }
        counted.join("; ")
    };
    let (mut pairs, mut agreeing) = (0, 0);
    for page in of(readings, case, Witness::Page) {
        let client =
            of(readings, case, Witness::Client).find(|client| client.repetition == page.repetition);
        for (page, client) in client
            .iter()
            .flat_map(|client| page.phases.iter().zip(&client.phases))
        {
            pairs += 1;
            agreeing += usize::from(verdict::agrees(page.increase_ms, client.increase_ms));
        }
    }
    let _ = writeln!(
        table.text,
        "| {} | {} | {} | {agreeing} of {pairs} |",
        case.what,
        words(Witness::Page),
        words(Witness::Client)
    );
}

/// The median, and all values when there are several.
fn spread(values_ms: &[f64]) -> String {
    let Some(middle) = median(values_ms) else {
        return "not run".into();
    };
    match values_ms.len() {
        1 => format!("{middle:.1}"),
        _ => {
            let (low, high) = values_ms
                .iter()
                .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), &value| {
                    (low.min(value), high.max(value))
                });
            format!("{middle:.1} ({low:.1} to {high:.1})")
        }
    }
}

fn median(values: &[f64]) -> Option<f64> {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    Some(f64::midpoint(
        *sorted.get(sorted.len() / 2)?,
        *sorted.get(sorted.len().checked_sub(1)? / 2)?,
    ))
}
