//! What every picture of a run is drawn with: panels, axes, lines and a legend, as SVG that needs nothing else.

use std::fmt::Write as _;

use client::outcome::Outcome;
use client::sample_log::round_trip_ms;
use protocol::message::samples::{Direction, GoodputSample, ProbeSample};

use crate::show::words;

const WIDTH: f64 = 960.0;
const LEFT: f64 = 70.0;
const RIGHT: f64 = 940.0;
/// Where a lost probe is marked, from a panel's top edge.
const MARK: f64 = 8.0;

const STYLE: &str = "\
text{font:13px system-ui,sans-serif;fill:#333}.title{font-size:18px;font-weight:600}.ground{fill:#fff}\
.graded{fill:#e3ebf6}.warm{fill:#f3f5f8}.grid{stroke:#bbb;stroke-width:.5}.latency{fill:none;stroke:#7b3fa0;stroke-width:1.5}\
.down{fill:none;stroke:#0b6bcb;stroke-width:1.5}.up{fill:none;stroke:#c2570c;stroke-width:1.5;stroke-dasharray:5 2}\
.lost{stroke:#c00;stroke-width:1.5}.end{text-anchor:end}.middle{text-anchor:middle}\
@media(prefers-color-scheme:dark){text{fill:#ddd}.ground{fill:#16181d}.graded{fill:#26303f}.warm{fill:#1d222a}\
.grid{stroke:#555}.latency{stroke:#c79ae6}.down{stroke:#69b1ff}.up{stroke:#ffa25c}.lost{stroke:#ff6b6b}}";

/// The picture and its time axis.
pub(super) struct Canvas {
    pub(super) text: String,
    end_us: u64,
}

/// The part of the picture that one quantity has.
#[derive(Clone, Copy)]
pub(super) struct Panel {
    top: f64,
    bottom: f64,
    /// What the top edge stands for.
    max: f64,
}

impl Panel {
    /// The top edge is the first round number from `max` on.
    pub(super) fn new(top: f64, bottom: f64, max: f64) -> Self {
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

impl Canvas {
    /// Of a run that lasted so long, on `height`, with what it is at its head. `style` goes with the picture's own;
    /// `description` is for those who don't see it.
    pub(super) fn new(
        outcome: &Outcome,
        end_us: u64,
        height: f64,
        style: &str,
        description: &str,
    ) -> Self {
        let title = escape(&title(outcome));
        let text = format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-labelledby="title description">
<title id="title">{title}</title>
<desc id="description">{description}</desc>
<style>{STYLE}{style}</style>
<rect class="ground" width="{WIDTH}" height="{height}"/>
<text class="title" x="{LEFT}" y="32">{title}</text>
"#
        );
        Self {
            text,
            end_us: end_us.max(1),
        }
    }

    /// The whole picture.
    pub(super) fn finish(self) -> String {
        self.text + "</svg>\n"
    }

    /// Where a moment is; those after the end are at the end.
    pub(super) fn x(&self, at_us: u64) -> f64 {
        let share = at_us.min(self.end_us) as f64 / self.end_us as f64;
        LEFT + share * (RIGHT - LEFT)
    }

    /// The ground behind a stretch of time.
    pub(super) fn shade(&mut self, class: &str, from_us: u64, to_us: u64, panel: Panel) {
        let (from, to) = (self.x(from_us), self.x(to_us));
        let _ = writeln!(
            self.text,
            r#"<rect class="{class}" x="{from:.1}" y="{:.1}" width="{:.1}" height="{:.1}"/>"#,
            panel.top,
            to - from,
            panel.bottom - panel.top
        );
    }

    /// Words above a stretch of time, in up to two lines.
    pub(super) fn label(&mut self, from_us: u64, to_us: u64, lines: [Option<String>; 2]) {
        let middle = f64::midpoint(self.x(from_us), self.x(to_us));
        for (line, y) in lines.into_iter().zip([62, 80]) {
            if let Some(line) = line {
                let _ = writeln!(
                    self.text,
                    r#"<text class="middle" x="{middle:.1}" y="{y}">{}</text>"#,
                    escape(&line)
                );
            }
        }
    }

    /// The value axis of a panel.
    pub(super) fn grid(&mut self, panel: Panel, unit: &str) {
        for step in 0..=4 {
            let value = panel.max * f64::from(step) / 4.0;
            let y = panel.y(value);
            let _ = writeln!(
                self.text,
                r#"<line class="grid" x1="{LEFT}" y1="{y:.1}" x2="{RIGHT}" y2="{y:.1}"/><text class="end" x="{:.1}" y="{:.1}">{value}</text>"#,
                LEFT - 8.0,
                y + 4.0
            );
        }
        let middle = f64::midpoint(panel.top, panel.bottom);
        let _ = writeln!(
            self.text,
            r#"<text class="middle" transform="translate(16 {middle}) rotate(-90)">{unit}</text>"#
        );
    }

    /// The time axis below the last panel.
    pub(super) fn time_axis(&mut self, last: Panel) {
        let y = last.bottom + 18.0;
        let step_s = (round_up(self.end_us as f64 / 1e6 / 10.0) as u64).max(1);
        let mut second = 0;
        while second * 1_000_000 <= self.end_us {
            let at = self.x(second * 1_000_000);
            let _ = writeln!(
                self.text,
                r#"<text class="middle" x="{at:.1}" y="{y}">{second}</text>"#
            );
            second += step_s;
        }
        let _ = writeln!(
            self.text,
            r#"<text class="end" x="{RIGHT}" y="{}">seconds</text>"#,
            y + 24.0
        );
    }

    /// What the classes of lines stand for, below the time axis, in rows of five.
    pub(super) fn legend(&mut self, last: Panel, entries: &[(String, String)]) {
        for (number, (class, name)) in entries.iter().enumerate() {
            let x = LEFT + (number % 5) as f64 * 140.0;
            let y = last.bottom + 42.0 + (number / 5) as f64 * 20.0;
            let _ = writeln!(
                self.text,
                r#"<line class="{class}" x1="{x}" y1="{}" x2="{}" y2="{}"/><text x="{}" y="{y}">{}</text>"#,
                y - 4.0,
                x + 24.0,
                y - 4.0,
                x + 30.0,
                escape(name)
            );
        }
    }

    /// A line through the points; `None` breaks it.
    pub(super) fn line(
        &mut self,
        class: &str,
        panel: Panel,
        points: impl Iterator<Item = (u64, Option<f64>)>,
    ) {
        let mut path = String::new();
        let mut is_pen_down = false;
        for (at_us, value) in points {
            if let Some(value) = value {
                let command = if is_pen_down { 'L' } else { 'M' };
                let _ = write!(path, "{command}{:.1} {:.1}", self.x(at_us), panel.y(value));
            }
            is_pen_down = value.is_some();
        }
        if !path.is_empty() {
            let _ = writeln!(self.text, r#"<path class="{class}" d="{path}"/>"#);
        }
    }

    /// The round trip of every probe that was answered.
    pub(super) fn round_trips(&mut self, class: &str, panel: Panel, probes: &[ProbeSample]) {
        let points = probes
            .iter()
            .map(|probe| (probe.sent_us, round_trip_ms(probe)));
        self.line(class, panel, points);
    }

    /// A mark for every probe that was not.
    pub(super) fn lost_probes(&mut self, panel: Panel, probes: &[ProbeSample]) {
        for probe in probes.iter().filter(|probe| probe.received_us.is_none()) {
            let at = self.x(probe.sent_us);
            let _ = writeln!(
                self.text,
                r#"<line class="lost" x1="{at:.1}" y1="{:.1}" x2="{at:.1}" y2="{:.1}"/>"#,
                panel.top,
                panel.top + MARK
            );
        }
    }
}

/// The rates of a direction from the first count that says something to the last, each at the middle of its time; the first
/// count is of the time since `from_us`.
pub(super) fn rates_mbps(
    samples: &[GoodputSample],
    direction: Direction,
    from_us: u64,
) -> Vec<(u64, f64)> {
    let mut before_us = from_us;
    let mut rates = Vec::new();
    for sample in samples
        .iter()
        .filter(|sample| sample.direction == direction)
    {
        let length_us = sample.at_us.saturating_sub(before_us);
        if length_us > 0 {
            let mbps = sample.bytes as f64 * 8.0 / length_us as f64;
            rates.push((sample.at_us - length_us / 2, mbps));
            before_us = sample.at_us;
        }
    }
    let says_something = |&(_, mbps): &(u64, f64)| mbps > 0.0;
    let first = rates.iter().position(says_something);
    let last = rates.iter().rposition(says_something);
    match (first, last) {
        (Some(first), Some(last)) => rates[first..=last].to_vec(),
        _ => Vec::new(),
    }
}

/// The largest of some values, at least 1.
pub(super) fn largest(values: impl Iterator<Item = f64>) -> f64 {
    values.fold(1.0, f64::max)
}

fn title(outcome: &Outcome) -> String {
    let report = &outcome.report;
    let grade = report.total_grade.map_or("none", words::grade);
    let mut title = format!("Grade {grade}, {}", report.started_at);
    if !report.node.name.is_empty() {
        title += &format!(", node {}", report.node.name);
    }
    if let Some(partial) = &outcome.partial {
        title += &format!(" (partial: {})", words::partial(partial));
    }
    title
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
    fn a_rate_is_of_the_time_since_the_count_before() {
        let count = |at_us, bytes| GoodputSample {
            at_us,
            direction: Direction::Up,
            bytes,
        };
        let counts = [
            count(200_000, 0),
            count(300_000, 125_000),
            count(800_000, 62_500),
            count(900_000, 0),
        ];
        let rates = rates_mbps(&counts, Direction::Up, 100_000);
        assert_eq!(rates, [(250_000, 10.0), (550_000, 1.0)]);
        assert!(rates_mbps(&counts, Direction::Down, 0).is_empty());
    }
}
