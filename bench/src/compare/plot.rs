//! Pictures by hand: bars of cost, and curves. SVG that is readable on light and dark pages.

use std::fmt::Write as _;

const COLOURS: [&str; 3] = ["#2f7ed8", "#e0803a", "#5a9e5a"];
const TEXT: &str = "#808080";

/// Some bars side by side under one name.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) name: String,
    /// In the order of the legend; `None` leaves a gap.
    pub(crate) bars: Vec<Option<f64>>,
}

/// One curve in a panel of its own.
#[derive(Debug)]
pub(crate) struct Panel {
    pub(crate) title: String,
    pub(crate) unit: &'static str,
    pub(crate) points: Vec<(f64, f64)>,
}

const ROW: f64 = 13.0;
const NAME_WIDTH: f64 = 250.0;
const BAR_WIDTH: f64 = 400.0;

/// Horizontal bars, with each one's value behind it.
pub(crate) fn bars(title: &str, legend: &[&str], groups: &[Group]) -> String {
    let most = groups
        .iter()
        .flat_map(|group| group.bars.iter().flatten())
        .fold(f64::MIN_POSITIVE, |most, &value| most.max(value));
    let rows: usize = groups.iter().map(|group| group.bars.len()).sum();
    let height = 50.0 + rows as f64 * ROW + groups.len() as f64 * 8.0;
    let mut svg = begin(NAME_WIDTH + BAR_WIDTH + 80.0, height);
    text(&mut svg, 10.0, 16.0, "start", title);
    for (number, name) in legend.iter().enumerate() {
        let x = NAME_WIDTH + 80.0 * number as f64;
        rectangle(&mut svg, x, 24.0, 10.0, COLOURS[number % COLOURS.len()]);
        text(&mut svg, x + 14.0, 33.0, "start", name);
    }
    let mut y = 46.0;
    for group in groups {
        let middle = y + group.bars.len() as f64 * ROW / 2.0 + 4.0;
        text(&mut svg, NAME_WIDTH - 8.0, middle, "end", &group.name);
        for (number, bar) in group.bars.iter().enumerate() {
            if let Some(value) = bar {
                let width = value / most * BAR_WIDTH;
                rectangle(
                    &mut svg,
                    NAME_WIDTH,
                    y,
                    width,
                    COLOURS[number % COLOURS.len()],
                );
                let label = format!("{value:.3}");
                text(&mut svg, NAME_WIDTH + width + 4.0, y + 9.0, "start", &label);
            }
            y += ROW;
        }
        y += 8.0;
    }
    svg.push_str("</svg>\n");
    svg
}

const PANEL_WIDTH: f64 = 300.0;
const PANEL_HEIGHT: f64 = 170.0;

/// Panels beside each other, two in a row; x is logarithmic, y begins at zero.
pub(crate) fn curves(panels: &[Panel]) -> String {
    let rows = panels.len().div_ceil(2);
    let mut svg = begin(
        2.0 * (PANEL_WIDTH + 90.0),
        rows as f64 * (PANEL_HEIGHT + 70.0),
    );
    for (number, panel) in panels.iter().enumerate() {
        let left = 60.0 + (number % 2) as f64 * (PANEL_WIDTH + 90.0);
        let top = 30.0 + (number / 2) as f64 * (PANEL_HEIGHT + 70.0);
        draw(&mut svg, panel, left, top);
    }
    svg.push_str("</svg>\n");
    svg
}

fn draw(svg: &mut String, panel: &Panel, left: f64, top: f64) {
    text(svg, left, top - 10.0, "start", &panel.title);
    let most = panel
        .points
        .iter()
        .fold(f64::MIN_POSITIVE, |most, point| most.max(point.1));
    let logs = panel.points.iter().map(|point| point.0.max(1.0).ln());
    let (low, high) = logs.fold((f64::MAX, f64::MIN), |(low, high), x| {
        (low.min(x), high.max(x))
    });
    let span = (high - low).max(f64::MIN_POSITIVE);
    let place = |point: &(f64, f64)| {
        let x = left + (point.0.max(1.0).ln() - low) / span * PANEL_WIDTH;
        (x, top + PANEL_HEIGHT * (1.0 - point.1 / most))
    };
    for (share, value) in [(0.0, most), (0.5, most / 2.0), (1.0, 0.0)] {
        let y = top + share * PANEL_HEIGHT;
        let right = left + PANEL_WIDTH;
        let _ = writeln!(
            svg,
            r#"<path d="M{left:.1} {y:.1}H{right:.1}" stroke="{TEXT}" stroke-opacity="0.3"/>"#
        );
        let label = format!("{} {}", short(value), panel.unit);
        text(svg, left - 4.0, y + 4.0, "end", &label);
    }
    let path: Vec<String> = panel
        .points
        .iter()
        .map(place)
        .map(|(x, y)| format!("{x:.1} {y:.1}"))
        .collect();
    let _ = writeln!(
        svg,
        r#"<path d="M{}" fill="none" stroke="{}" stroke-width="2"/>"#,
        path.join("L"),
        COLOURS[0]
    );
    for point in &panel.points {
        let (x, y) = place(point);
        let _ = writeln!(
            svg,
            r#"<circle cx="{x:.1}" cy="{y:.1}" r="3" fill="{}"/>"#,
            COLOURS[0]
        );
        text(svg, x, top + PANEL_HEIGHT + 16.0, "middle", &short(point.0));
    }
}

fn short(value: f64) -> String {
    if value >= 10.0 || value == 0.0 {
        format!("{value:.0}")
    } else {
        format!("{value:.2}")
    }
}

fn begin(width: f64, height: f64) -> String {
    format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0} {height:.0}" width="{width:.0}" height="{height:.0}" font-family="sans-serif" font-size="11">
"#
    )
}

fn rectangle(svg: &mut String, x: f64, y: f64, width: f64, colour: &str) {
    // Writing into a string cannot fail.
    let _ = writeln!(
        svg,
        r#"<rect x="{x:.1}" y="{y:.1}" width="{width:.1}" height="10" fill="{colour}"/>"#
    );
}

fn text(svg: &mut String, x: f64, y: f64, anchor: &str, text: &str) {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    let _ = writeln!(
        svg,
        r#"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}" fill="{TEXT}">{text}</text>"#
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_bar_has_the_full_width() {
        let group = |value| Group {
            name: "a & b".to_owned(),
            bars: vec![Some(value), None],
        };
        let svg = bars("t", &["x", "y"], &[group(1.0), group(4.0)]);
        assert!(svg.contains(r#"width="400.0""#) && svg.contains(r#"width="100.0""#));
        assert!(svg.contains("a &amp; b"));
    }

    #[test]
    fn a_curve_has_a_point_for_each_value() {
        let panel = Panel {
            title: "p99".to_owned(),
            unit: "µs",
            points: vec![(1.0, 5.0), (10.0, 10.0), (100.0, 0.0)],
        };
        let svg = curves(&[panel]);
        assert_eq!(svg.matches("<circle").count(), 3);
        assert!(svg.contains(r#"cy="30.0""#), "the highest is at the top");
    }
}
