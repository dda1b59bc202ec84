//! The picture of a single-user test: round trips above, goodput both ways below, the phases behind them.

use client::outcome::Outcome;
use client::sample_log::round_trip_ms;
use protocol::measure::phases::is_graded;
use protocol::message::report::PhaseReport;
use protocol::message::samples::Direction;
use protocol::message::test::{Phase, PhaseSpan};

use super::canvas::{Canvas, Panel, largest, rates_mbps};
use crate::show::words;

const HEIGHT: f64 = 560.0;
const DESCRIPTION: &str = "Round trip of each probe in milliseconds, and goodput each way in Mbit/s, over the seconds of the test.";
const LEGEND: [(&str, &str); 4] = [
    ("latency", "round trip"),
    ("lost", "lost probe"),
    ("down", "download"),
    ("up", "upload"),
];

pub(super) fn text(outcome: &Outcome) -> String {
    let samples = &outcome.samples;
    let end_us = samples.phases.last().map_or(1, |span| span.end_us);
    let mut canvas = Canvas::new(outcome, end_us, HEIGHT, "", DESCRIPTION);
    let highest_ms = largest(samples.probes.iter().filter_map(round_trip_ms));
    let latency = Panel::new(90.0, 290.0, highest_ms);
    let down = rates_mbps(&samples.goodput, Direction::Down, 0);
    let up = rates_mbps(&samples.goodput, Direction::Up, 0);
    let fastest_mbps = largest(down.iter().chain(&up).map(|&(_, mbps)| mbps));
    let goodput = Panel::new(340.0, 500.0, fastest_mbps);

    for &span in &samples.phases {
        // The idle line is what everything is compared with: left as the ground is.
        if span.phase != Phase::Baseline {
            let class = if is_graded(span.phase) {
                "graded"
            } else {
                "warm"
            };
            for panel in [latency, goodput] {
                canvas.shade(class, span.start_us, span.end_us, panel);
            }
        }
        name_phase(&mut canvas, outcome, span);
    }
    canvas.grid(latency, "ms");
    canvas.grid(goodput, "Mbit/s");
    canvas.time_axis(goodput);
    canvas.round_trips("latency", latency, &samples.probes);
    canvas.lost_probes(latency, &samples.probes);
    for (class, series) in [("down", down), ("up", up)] {
        let points = series.into_iter().map(|(at_us, mbps)| (at_us, Some(mbps)));
        canvas.line(class, goodput, points);
    }
    let legend = LEGEND.map(|(class, name)| (class.to_owned(), name.to_owned()));
    canvas.legend(goodput, &legend);
    canvas.finish()
}

/// Above a graded phase stands what it is and what it added.
fn name_phase(canvas: &mut Canvas, outcome: &Outcome, span: PhaseSpan) {
    let phases = &outcome.report.phases;
    let figures = match span.phase {
        Phase::Baseline => outcome
            .report
            .idle_latency_ms
            .map(|idle_ms| format!("{} ms", words::ms(idle_ms))),
        Phase::Download => phases.download.as_ref().and_then(added),
        Phase::Upload => phases.upload.as_ref().and_then(added),
        Phase::Bidirectional => phases.bidirectional.as_ref().and_then(added),
        Phase::DownloadWarmup | Phase::UploadWarmup => return,
    };
    let name = Some(words::phase(span.phase).to_owned());
    canvas.label(span.start_us, span.end_us, [name, figures]);
}

fn added(figures: &PhaseReport) -> Option<String> {
    let increase_ms = figures.latency_increase_ms?;
    let grade = figures.grade.map_or("", words::grade);
    Some(format!("{} ms, {grade}", words::signed_ms(increase_ms)))
}
