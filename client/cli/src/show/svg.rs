//! A picture of the run: latency and goodput over time, the phases behind them. Drawn by hand, as SVG that needs nothing
//! else: readable on light and on dark ground, and by a screen reader through its title and description.

use std::fmt::Write as _;

use client::load::goodput_bins::BIN_US;
use client::sample_log::round_trip_ms;
use client::single::Outcome;
use protocol::measure::phases::is_graded;
use protocol::message::report::PhaseReport;
use protocol::message::samples::Direction;
use protocol::message::test::{Phase, PhaseSpan};

use super::words;

const WIDTH: f64 = 960.0;
const HEIGHT: f64 = 560.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 940.0;

const STYLE: &str = "\
text{font:13px system-ui,sans-serif;fill:#333}.title{font-size:18px;font-weight:600}.ground{fill:#fff}\
.graded{fill:#e3ebf6}.warm{fill:#f3f5f8}.grid{stroke:#bbb;stroke-width:.5}.latency{fill:none;stroke:#7b3fa0;stroke-width:1.5}\
.down{fill:none;stroke:#0b6bcb;stroke-width:1.5}.up{fill:none;stroke:#c2570c;stroke-width:1.5;stroke-dasharray:5 2}\
.lost{stroke:#c00;stroke-width:1.5}.end{text-anchor:end}.middle{text-anchor:middle}\
@media(prefers-color-scheme:dark){text{fill:#ddd}.ground{fill:#16181d}.graded{fill:#26303f}.warm{fill:#1d222a}\
.grid{stroke:#555}.latency{stroke:#c79ae6}.down{stroke:#69b1ff}.up{stroke:#ffa25c}.lost{stroke:#ff6b6b}}";

/// The part of the picture that one quantity has.
#[derive(Clone, Copy)]
struct Panel {
    top: f64,
    bottom: f64,
    /// What the top edge stands for.
    max: f64,
}

impl Panel {
    /// The top edge is the first round number from `max` on.
    fn new(top: f64, bottom: f64, max: f64) -> Self {
        Self {
            top,
            bottom,
            max: round_up(max),
        }
    }

    fn y(self, value: f64) -> f64 {
        let share = (value / self.max).clamp(0.0, 1.0);
        self.bottom - share * (self.bottom - self.top)
    }
}

/// The picture of a single-user test.
pub(crate) fn text(outcome: &Outcome) -> String {
    let samples = &outcome.samples;
    let end_us = samples.phases.last().map_or(1, |span| span.end_us).max(1);
    let x = |at_us: u64| LEFT + at_us as f64 / end_us as f64 * (RIGHT - LEFT);
    let latencies = samples.probes.iter().filter_map(round_trip_ms);
    let latency = Panel::new(90.0, 290.0, latencies.fold(1.0, f64::max));
    let series = |direction| goodput_mbps(outcome, direction);
    let (down, up) = (series(Direction::Down), series(Direction::Up));
    let fastest = down
        .iter()
        .chain(&up)
        .map(|&(_, mbps)| mbps)
        .fold(1.0, f64::max);
    let goodput = Panel::new(340.0, 500.0, fastest);

    let mut picture = head(outcome);
    for span in &samples.phases {
        for panel in [latency, goodput] {
            shade(&mut picture, *span, panel, x);
        }
        name_phase(&mut picture, outcome, *span, x);
    }
    grid(&mut picture, latency, "ms");
    grid(&mut picture, goodput, "Mbit/s");
    time_axis(&mut picture, end_us, x);

    line(
        &mut picture,
        "latency",
        samples.probes.iter().map(|probe| {
            let round_trip = round_trip_ms(probe)?;
            Some((x(probe.sent_us.min(end_us)), latency.y(round_trip)))
        }),
    );
    for probe in samples
        .probes
        .iter()
        .filter(|probe| probe.received_us.is_none())
    {
        let at = x(probe.sent_us.min(end_us));
        let _ = writeln!(
            picture,
            r#"<line class="lost" x1="{at:.1}" y1="{:.1}" x2="{at:.1}" y2="{:.1}"/>"#,
            latency.top,
            latency.top + 8.0
        );
    }
    for (class, series) in [("down", &down), ("up", &up)] {
        let points = series
            .iter()
            .map(|&(at_us, mbps)| Some((x(at_us), goodput.y(mbps))));
        line(&mut picture, class, points);
    }
    legend(&mut picture);
    picture += "</svg>\n";
    picture
}

fn head(outcome: &Outcome) -> String {
    let report = &outcome.report;
    let grade = report.total_grade.map_or("none", words::grade);
    let mut title = format!("Grade {grade}, {}", report.started_at);
    if !report.node.name.is_empty() {
        title += &format!(", node {}", report.node.name);
    }
    if let Some(partial) = &outcome.partial {
        title += &format!(" (partial: {})", words::partial(partial));
    }
    let title = escape(&title);
    format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-labelledby="title description">
<title id="title">{title}</title>
<desc id="description">Round trip of each probe in milliseconds, and goodput each way in Mbit/s, over the seconds of the test.</desc>
<style>{STYLE}</style>
<rect class="ground" width="{WIDTH}" height="{HEIGHT}"/>
<text class="title" x="{LEFT}" y="32">{title}</text>
"#
    )
}

fn shade(picture: &mut String, span: PhaseSpan, panel: Panel, x: impl Fn(u64) -> f64) {
    let class = if is_graded(span.phase) {
        "graded"
    } else {
        "warm"
    };
    // The idle line is what everything is compared with: left as the ground is.
    if span.phase == Phase::Baseline {
        return;
    }
    let _ = writeln!(
        picture,
        r#"<rect class="{class}" x="{:.1}" y="{:.1}" width="{:.1}" height="{:.1}"/>"#,
        x(span.start_us),
        panel.top,
        x(span.end_us) - x(span.start_us),
        panel.bottom - panel.top
    );
}

/// Above a graded phase stands what it is and what it added.
fn name_phase(picture: &mut String, outcome: &Outcome, span: PhaseSpan, x: impl Fn(u64) -> f64) {
    let phases = &outcome.report.phases;
    let figures = match span.phase {
        Phase::Download => phases.download.as_ref(),
        Phase::Upload => phases.upload.as_ref(),
        Phase::Bidirectional => phases.bidirectional.as_ref(),
        Phase::Baseline => None,
        Phase::DownloadWarmup | Phase::UploadWarmup => return,
    };
    let second = match span.phase {
        Phase::Baseline => outcome
            .report
            .idle_latency_ms
            .map(|idle_ms| format!("{} ms", words::ms(idle_ms))),
        Phase::DownloadWarmup
        | Phase::Download
        | Phase::UploadWarmup
        | Phase::Upload
        | Phase::Bidirectional => figures.and_then(added),
    };
    let middle = f64::midpoint(x(span.start_us), x(span.end_us));
    for (line, y) in [
        (Some(words::phase(span.phase).to_owned()), 62),
        (second, 80),
    ] {
        if let Some(line) = line {
            let _ = writeln!(
                picture,
                r#"<text class="middle" x="{middle:.1}" y="{y}">{line}</text>"#
            );
        }
    }
}

fn added(figures: &PhaseReport) -> Option<String> {
    let increase_ms = figures.latency_increase_ms?;
    let grade = figures.grade.map_or("", words::grade);
    let sign = if increase_ms >= 0.05 { "+" } else { "" };
    Some(format!("{sign}{} ms, {grade}", words::ms(increase_ms)))
}

fn grid(picture: &mut String, panel: Panel, unit: &str) {
    for step in 0..=4 {
        let value = panel.max * f64::from(step) / 4.0;
        let y = panel.y(value);
        let _ = writeln!(
            picture,
            r#"<line class="grid" x1="{LEFT}" y1="{y:.1}" x2="{RIGHT}" y2="{y:.1}"/><text class="end" x="{:.1}" y="{:.1}">{value}</text>"#,
            LEFT - 8.0,
            y + 4.0
        );
    }
    let middle = f64::midpoint(panel.top, panel.bottom);
    let _ = writeln!(
        picture,
        r#"<text class="middle" transform="translate(16 {middle}) rotate(-90)">{unit}</text>"#
    );
}

fn time_axis(picture: &mut String, end_us: u64, x: impl Fn(u64) -> f64) {
    let step_s = (round_up(end_us as f64 / 1e6 / 10.0) as u64).max(1);
    let mut second = 0;
    while second * 1_000_000 <= end_us {
        let at = x(second * 1_000_000);
        let _ = writeln!(
            picture,
            r#"<text class="middle" x="{at:.1}" y="518">{second}</text>"#
        );
        second += step_s;
    }
    let _ = writeln!(
        picture,
        r#"<text class="end" x="{RIGHT}" y="542">seconds</text>"#
    );
}

fn legend(picture: &mut String) {
    let entries = [
        ("latency", "round trip"),
        ("lost", "lost probe"),
        ("down", "download"),
        ("up", "upload"),
    ];
    for (number, (class, name)) in entries.into_iter().enumerate() {
        let at = LEFT + number as f64 * 140.0;
        let _ = writeln!(
            picture,
            r#"<line class="{class}" x1="{at}" y1="538" x2="{}" y2="538"/><text x="{}" y="542">{name}</text>"#,
            at + 24.0,
            at + 30.0
        );
    }
}

/// A line through the points; `None` breaks it.
fn line(picture: &mut String, class: &str, points: impl Iterator<Item = Option<(f64, f64)>>) {
    let mut path = String::new();
    let mut is_pen_down = false;
    for point in points {
        match point {
            Some((x, y)) => {
                let command = if is_pen_down { 'L' } else { 'M' };
                let _ = write!(path, "{command}{x:.1} {y:.1}");
                is_pen_down = true;
            }
            None => is_pen_down = false,
        }
    }
    if !path.is_empty() {
        let _ = writeln!(picture, r#"<path class="{class}" d="{path}"/>"#);
    }
}

/// The bins of a direction from the first to the last that carried something.
fn goodput_mbps(outcome: &Outcome, direction: Direction) -> Vec<(u64, f64)> {
    let of = outcome
        .samples
        .goodput
        .iter()
        .filter(|sample| sample.direction == direction);
    let bins: Vec<(u64, f64)> = of
        .map(|sample| {
            (
                sample.at_us - BIN_US / 2,
                sample.bytes as f64 * 8.0 / BIN_US as f64,
            )
        })
        .collect();
    let first = bins.iter().position(|&(_, mbps)| mbps > 0.0);
    let last = bins.iter().rposition(|&(_, mbps)| mbps > 0.0);
    match (first, last) {
        (Some(first), Some(last)) => bins[first..=last].to_vec(),
        _ => Vec::new(),
    }
}

/// The first of 1, 2, 4, 10 times a power of ten from `value` on: a quarter of it is a short number.
fn round_up(value: f64) -> f64 {
    let power = 10_f64.powf(value.max(1e-3).log10().floor());
    [1.0, 2.0, 4.0, 10.0]
        .into_iter()
        .map(|step| step * power)
        .find(|&round| round >= value * 0.999_999)
        .unwrap_or(10.0 * power)
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::show::sample::outcome;

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
    fn text_from_elsewhere_is_escaped() {
        let mut outcome = outcome();
        outcome.report.node.name = "<b>&".to_owned();
        let text = text(&outcome);
        assert!(text.contains("node &lt;b&gt;&amp;") && !text.contains("<b>"));
    }

    #[test]
    fn an_edge_is_a_round_number() {
        for (value, round) in [
            (1.0, 1.0),
            (1.1, 2.0),
            (130.0, 200.0),
            (401.0, 1_000.0),
            (0.03, 0.04),
        ] {
            assert!((round_up(value) - round).abs() < 1e-9, "{value}");
        }
    }

    #[test]
    fn nothing_measured_is_an_empty_picture() {
        let mut outcome = outcome();
        outcome.samples.probes.clear();
        outcome.samples.goodput.clear();
        outcome.samples.phases.clear();
        let text = text(&outcome);
        assert!(text.ends_with("</svg>\n") && !text.contains("NaN"));
    }
}
