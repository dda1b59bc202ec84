//! `bench/ACCURACY.md`: every run's figures against the truth of its line. Renders; measures nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::process::Command;
use std::time::Duration;

use anyhow::Result;

use super::matrix::Case;
use super::record::{Instrument, PhaseFigures, Record};
use super::verdict::{
    Seen, agree, cause, grade, is_attributed, is_grade_right, own_queue_ms, up_shares, why_apart,
};
use crate::process::output;
use crate::workspace;

/// The suite's own four runs at once keep the load average below this, on two cores.
const BUSY_LOAD_AVERAGE: f64 = 8.0;

/// Writes the table of these runs: the published one once every line has been measured, until then one in the build folder.
///
/// # Errors
/// When the file can't be written.
pub(crate) fn write(cases: &[Case], records: &[Record]) -> Result<()> {
    let text = render(cases, records, &provenance(records)?)?;
    let is_whole = cases.iter().all(|case| {
        case.instruments().into_iter().all(|instrument| {
            records
                .iter()
                .any(|record| record.case == case.spec.name && record.instrument == instrument)
        })
    });
    let path = if is_whole {
        workspace::root().join("bench/ACCURACY.md")
    } else {
        workspace::target().join("accuracy/ACCURACY.md")
    };
    std::fs::write(&path, text)?;
    println!("{}", path.display());
    Ok(())
}

/// The middle of some figures and their extremes.
#[derive(Clone, Copy, Debug)]
struct Spread {
    median: f64,
    low: f64,
    high: f64,
    count: usize,
}

impl Spread {
    fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let (low, high) = (*values.first()?, *values.last()?);
        let count = values.len();
        Some(Self {
            median: f64::midpoint(values[(count - 1) / 2], values[count / 2]),
            low,
            high,
            count,
        })
    }

    /// Where the truth itself varies by more than is allowed to others: by how much.
    fn doubt(self) -> String {
        if agree(self.low, self.median) && agree(self.high, self.median) {
            return String::new();
        }
        format!(
            "; the truth's own repetitions are {:.1}–{:.1}",
            self.low, self.high
        )
    }

    fn text(self) -> String {
        if self.count > 1 {
            format!("{:.1} ({:.1}–{:.1})", self.median, self.low, self.high)
        } else {
            format!("{:.1}", self.median)
        }
    }
}

fn provenance(records: &[Record]) -> Result<String> {
    let mut commits: BTreeMap<&str, usize> = BTreeMap::new();
    for record in records {
        *commits.entry(&record.commit).or_default() += 1;
    }
    let commits: Vec<String> = commits
        .into_iter()
        .map(|(commit, count)| match commit {
            "" => format!("{count} of a commit not noted"),
            commit => format!("{count} of commit {commit}"),
        })
        .collect();
    let ask = |program: &str, words: &[&str]| {
        output(Command::new(program).args(words), Duration::from_secs(20))
            .map(|text| text.lines().next().unwrap_or("").trim().to_owned())
    };
    Ok(format!(
        "Written {} by `cargo xtask accuracy` of these runs: {}; Linux {}; {}; {}.",
        ask("date", &["--utc", "+%Y-%m-%d %H:%M UTC"])?,
        commits.join(", "),
        ask("uname", &["-r"])?,
        ask("chromium", &["--version"])?,
        ask("iperf3", &["--version"])?,
    ))
}

fn render(cases: &[Case], records: &[Record], provenance: &str) -> Result<String> {
    let mut text = String::from("# Accuracy\n\n");
    let mut misses = Vec::new();
    writeln!(text, "{provenance}\n")?;
    let busy = records
        .iter()
        .filter(|record| {
            record
                .load_average
                .is_none_or(|load| load > BUSY_LOAD_AVERAGE)
        })
        .count();
    if busy > 0 {
        writeln!(
            text,
            "**{busy} of these {} runs were made while other programs kept the machine busy** (a load average over \
             {BUSY_LOAD_AVERAGE}, or not noted), which delays the browser, the client, iperf3 and the node. They say less \
             about the product than about the machine; make them again on an idle one.\n",
            records.len()
        )?;
    }
    text.push_str(
        "Truth is ICMP ping, 20 a second, under four cubic iperf3 flows each way on an emulated line \
         ([linklab](../tools/linklab)), on the timeline of the test but for warm-ups that last 20 idle round trips more, so \
         that its four flows fill a long path; page and client are the product. Latency increases in ms; with several \
         repetitions the median and, in brackets, the extremes. An increase is right within 5 ms or 10 % of the truth's \
         median, a grade where it is the truth's (its neighbour counts within 3 ms or 3 % of a boundary); **bold** is what is \
         not. \"own queue\" is how long packets waited in the emulator's two queues in the same runs (all of them, where an \
         increase leaves out the slowest 5 %; under FQ-CoDel those of the load, not the probes): where a figure is its own \
         queue's and not the truth's, it was measured right and loaded otherwise. \"up\" is the share of the increase that \
         is upstream: as the instrument said, and as the emulator knows it of the same run. A cell `–` was not \
         measured.\n\n",
    );
    text.push_str("| line | phase | truth | page | client | own queue: page; client | grades: truth, page, client | up: page (true) | up: client (true) |\n");
    text.push_str("|---|---|---|---|---|---|---|---|---|\n");
    let (lines, strained): (Vec<&Case>, Vec<&Case>) =
        cases.iter().partition(|case| case.strain.is_none());
    for case in &lines {
        let name = case.spec.name.as_str();
        let of = |instrument: Instrument| -> Vec<&Record> {
            records
                .iter()
                .filter(|record| {
                    record.case == case.measured_as(instrument) && record.instrument == instrument
                })
                .collect()
        };
        let (truth, page, client) = (
            of(Instrument::Truth),
            of(Instrument::Page),
            of(Instrument::Client),
        );
        for phase in 0..3 {
            let figures = |runs: &[&Record]| -> Vec<PhaseFigures> {
                runs.iter().map(|run| *run.phases()[phase].1).collect()
            };
            let increases = |runs: &[&Record]| {
                Spread::of(
                    figures(runs)
                        .iter()
                        .map(|figures| figures.increase_ms)
                        .collect(),
                )
            };
            let own_queue =
                |runs: &[PhaseFigures]| Spread::of(runs.iter().filter_map(own_queue_ms).collect());
            let phase_name = ["download", "upload", "both"][phase];
            let Some(true_spread) = increases(&truth) else {
                if phase == 0 {
                    misses.push(format!("{name}: not measured, there is no truth"));
                }
                continue;
            };
            let mut cells = Vec::new();
            let mut queues = Vec::new();
            let mut grades = vec![grade(true_spread.median).to_owned()];
            let mut shares = Vec::new();
            for (who, runs) in [("page", &page), ("client", &client)] {
                let Some(spread) = increases(runs) else {
                    if phase == 0 {
                        misses.push(format!("{name}, {who}: not measured"));
                    }
                    cells.push("–".to_owned());
                    queues.push("–".to_owned());
                    grades.push("–".to_owned());
                    shares.push("–".to_owned());
                    continue;
                };
                let runs = figures(runs);
                let wrong: Vec<&PhaseFigures> = runs
                    .iter()
                    .filter(|run| !agree(run.increase_ms, true_spread.median))
                    .collect();
                cells.push(marked(&spread.text(), wrong.is_empty()));
                queues.push(own_queue(&runs).map_or("–".to_owned(), Spread::text));
                if !wrong.is_empty() {
                    let causes: Vec<String> = wrong.into_iter().map(cause).collect();
                    misses.push(format!(
                        "{name}, {phase_name}, {who}: increase in {} of {}; {}{}",
                        causes.len(),
                        runs.len(),
                        causes.join("; "),
                        true_spread.doubt(),
                    ));
                }
                let is_grade = runs
                    .iter()
                    .all(|run| is_grade_right(run.increase_ms, true_spread.median));
                grades.push(marked(grade(spread.median), is_grade));
                let said: Vec<String> = runs
                    .iter()
                    .filter_map(|run| {
                        let (true_share, said_share) = up_shares(run)?;
                        let share =
                            format!("{:.0} % ({:.0} %)", said_share * 100.0, true_share * 100.0);
                        Some(marked(&share, is_attributed(run) != Some(false)))
                    })
                    .collect();
                let is_attributed = runs.iter().all(|run| is_attributed(run) != Some(false));
                shares.push(if said.is_empty() {
                    "small".into()
                } else {
                    said.join(", ")
                });
                for (is_right, what) in [(is_grade, "grade"), (is_attributed, "direction")] {
                    if !is_right {
                        misses.push(format!("{name}, {phase_name}, {who}: {what}"));
                    }
                }
            }
            if let (Some(page_spread), Some(client_spread)) = (increases(&page), increases(&client))
                && !agree(page_spread.median, client_spread.median)
            {
                let seen = |increase: Spread, runs: &[&Record]| Seen {
                    increase_ms: increase.median,
                    own_ms: own_queue(&figures(runs)).map(|own| own.median),
                };
                misses.push(format!(
                    "{name}, {phase_name}: page and client apart{}",
                    why_apart(seen(page_spread, &page), seen(client_spread, &client)),
                ));
            }
            writeln!(
                text,
                "| {name} | {phase_name} | {} | {} | {} | {} | {} |",
                true_spread.text(),
                cells.join(" | "),
                queues.join("; "),
                grades.join(", "),
                shares.join(" | "),
            )?;
        }
    }
    writeln!(text, "\n## Lines, confidence and load\n")?;
    text.push_str("| line | what | idle ms: truth, page, client | runs | confidence: page | confidence: client | both directions once settled (truth) | load average |\n|---|---|---|---|---|---|---|---|\n");
    for case in &lines {
        let name = case.spec.name.as_str();
        let of = |instrument: Instrument| {
            records.iter().filter(move |record| {
                record.case == case.measured_as(instrument) && record.instrument == instrument
            })
        };
        let all = [Instrument::Truth, Instrument::Page, Instrument::Client];
        let counts = all.map(|instrument| of(instrument).count().to_string());
        if of(Instrument::Truth).next().is_none() {
            continue;
        }
        let idle = all.map(|instrument| {
            Spread::of(of(instrument).map(|run| run.idle_ms).collect())
                .map_or("–".to_owned(), |spread| format!("{:.1}", spread.median))
        });
        let confidence = [Instrument::Page, Instrument::Client].map(|instrument| {
            let runs = of(instrument).count();
            let reduced = of(instrument).filter(|run| !run.reasons.is_empty()).count();
            let reasons: BTreeSet<&str> = of(instrument)
                .flat_map(|run| run.reasons.iter().map(String::as_str))
                .collect();
            match (runs, reduced) {
                (0, _) => "–".to_owned(),
                (_, 0) => "high".to_owned(),
                _ => format!(
                    "reduced in {reduced} of {runs}: {}",
                    reasons.into_iter().collect::<Vec<_>>().join("; ")
                ),
            }
        });
        let settled = Spread::of(
            of(Instrument::Truth)
                .filter_map(|run| Some(run.settled?.increase_ms))
                .collect(),
        );
        let load = Spread::of(
            records
                .iter()
                .filter(|record| record.case == name)
                .filter_map(|record| record.load_average)
                .collect(),
        );
        writeln!(
            text,
            "| {name} | {} | {} | {} | {} | {} | {} | {} |",
            case.purpose,
            idle.join(", "),
            counts.join(", "),
            confidence[0],
            confidence[1],
            settled.map_or("–".to_owned(), Spread::text),
            load.map_or("not noted".to_owned(), Spread::text),
        )?;
    }
    misses.extend(render_strained(&mut text, &strained, records)?);
    writeln!(text, "\n## What misses\n")?;
    if misses.is_empty() {
        text.push_str("Nothing of what was measured.\n");
    }
    for miss in &misses {
        writeln!(text, "- {miss}")?;
    }
    Ok(text)
}

/// What the product says where something else than the line is slow. Returns what misses.
fn render_strained(text: &mut String, cases: &[&Case], records: &[Record]) -> Result<Vec<String>> {
    let mut misses = Vec::new();
    writeln!(text, "\n## Where something else than the line is slow\n")?;
    text.push_str(
        "The confidence has to be reduced, with a reason that names what it was. **Bold** is what was not.\n\n\
         | what | who | reasons that are right | said | increases ms: download, upload, both |\n|---|---|---|---|---|\n",
    );
    for case in cases {
        let (name, Some(strained)) = (&case.spec.name, case.strain) else {
            continue;
        };
        for &instrument in strained.instruments {
            let runs: Vec<&Record> = records
                .iter()
                .filter(|record| record.case == *name && record.instrument == instrument)
                .collect();
            let who = instrument.name();
            if runs.is_empty() {
                misses.push(format!("{name}, {who}: not measured"));
                continue;
            }
            let is_said = |run: &&Record| {
                run.reasons.iter().any(|reason| {
                    strained
                        .reasons
                        .iter()
                        .any(|right| reason.starts_with(right))
                })
            };
            let is_right = runs.iter().all(is_said);
            let said: BTreeSet<String> = runs.iter().map(|run| run.reasons.join("; ")).collect();
            let said: Vec<String> = said
                .into_iter()
                .map(|said| {
                    if said.is_empty() {
                        "high".to_owned()
                    } else {
                        said
                    }
                })
                .collect();
            let increases = (0..3)
                .filter_map(|phase| {
                    Spread::of(
                        runs.iter()
                            .map(|run| run.phases()[phase].1.increase_ms)
                            .collect(),
                    )
                })
                .map(Spread::text);
            writeln!(
                text,
                "| {name}: {} | {who} | {} | {} | {} |",
                case.purpose,
                strained.reasons.join(" or "),
                marked(&said.join(" / "), is_right),
                increases.collect::<Vec<_>>().join(", "),
            )?;
            if !is_right {
                misses.push(format!("{name}, {who}: the reason"));
            }
        }
    }
    Ok(misses)
}

fn marked(text: &str, is_right: bool) -> String {
    if is_right {
        text.to_owned()
    } else {
        format!("**{text}**")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::accuracy::matrix;

    fn run(instrument: Instrument, increase_ms: f64) -> Record {
        let phase = PhaseFigures {
            increase_ms,
            queue_down_ms: Some(180.0),
            queue_up_ms: Some(1.0),
            ..PhaseFigures::default()
        };
        Record {
            case: "tail-200".into(),
            instrument,
            repetition: 1,
            ended_unix_s: 0,
            commit: "1234567".into(),
            load_average: None,
            idle_ms: 0.2,
            download: phase,
            upload: phase,
            bidirectional: phase,
            settled: None,
            total_grade: "C".into(),
            reasons: Vec::new(),
        }
    }

    #[test]
    fn a_miss_is_bold_and_named_and_a_hit_is_neither() {
        let records = [
            run(Instrument::Truth, 180.0),
            run(Instrument::Page, 185.0),
            run(Instrument::Client, 130.0),
        ];
        let text = render(&matrix::all(), &records, "today").expect("a table");
        assert!(
            text.contains(
                "| tail-200 | download | 180.0 | 185.0 | **130.0** | 181.0; 181.0 | C, C, C |"
            ),
            "{text}"
        );
        assert!(
            text.contains(
                "- tail-200, upload, client: increase in 1 of 1; 130.0 ms seen, 181.0 in its own queue: measured wrong"
            ),
            "{text}"
        );
        assert!(!text.contains("page: increase"), "{text}");
    }
}
