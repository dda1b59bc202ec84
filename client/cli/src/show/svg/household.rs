//! The picture of a household test: everybody's round trips above, then what each receives and what is received of each.

use std::fmt::Write as _;

use client::outcome::Outcome;
use client::sample_log::round_trip_ms;
use protocol::message::household::{HouseholdSamples, UserSamples};
use protocol::message::profile::{HouseholdPhase, HouseholdSpan};
use protocol::message::samples::Direction;

use super::canvas::{Canvas, Panel, largest, rates_mbps};
use crate::show::words;

const DESCRIPTION: &str = "Round trip of each probe of the line and of its users in milliseconds, and what each user received and sent in Mbit/s, over the seconds of the test.";
/// The users' colours on light and on dark ground; further users have them again, dashed.
const COLOURS: [(&str, &str); 5] = [
    ("#0b6bcb", "#69b1ff"),
    ("#c2570c", "#ffa25c"),
    ("#1a7f37", "#57d07a"),
    ("#b0246f", "#ff7ec1"),
    ("#6b5b00", "#d9c34a"),
];

pub(super) fn text(outcome: &Outcome, household: &HouseholdSamples) -> String {
    let users = &household.users;
    let end_us = household.phases.last().map_or(1, |span| span.end_us);
    // The legend has the line, lost probes and everybody, five in a row.
    let height = 650.0 + ((users.len() + 1) / 5) as f64 * 20.0;
    let mut canvas = Canvas::new(outcome, end_us, height, &style(users.len()), DESCRIPTION);
    let line_probes = &outcome.samples.probes;
    let all_probes = users
        .iter()
        .flat_map(|user| &user.probes)
        .chain(line_probes);
    let highest_ms = largest(all_probes.filter_map(round_trip_ms));
    let latency = Panel::new(90.0, 290.0, highest_ms);
    let down = series(users, Direction::Down);
    let up = series(users, Direction::Up);
    let downs = Panel::new(330.0, 450.0, fastest_mbps(&down));
    let ups = Panel::new(490.0, 590.0, fastest_mbps(&up));

    for &span in &household.phases {
        if let Some(class) = ground(span.phase) {
            for panel in [latency, downs, ups] {
                canvas.shade(class, span.start_us, span.end_us, panel);
            }
        }
        name_phase(&mut canvas, outcome, span);
    }
    canvas.grid(latency, "ms");
    canvas.grid(downs, "Mbit/s down");
    canvas.grid(ups, "Mbit/s up");
    canvas.time_axis(ups);
    for (number, user) in users.iter().enumerate() {
        canvas.round_trips(&class(number), latency, &user.probes);
    }
    canvas.round_trips("latency", latency, line_probes);
    canvas.lost_probes(latency, line_probes);
    for (panel, of_users) in [(downs, down), (ups, up)] {
        for (number, series) in of_users.into_iter().enumerate() {
            let points = series.into_iter().map(|(at_us, mbps)| (at_us, Some(mbps)));
            canvas.line(&class(number), panel, points);
        }
    }
    let mut legend = vec![
        ("latency".to_owned(), "the line".to_owned()),
        ("lost".to_owned(), "lost probe".to_owned()),
    ];
    let names = users.iter().map(|user| user.name.clone());
    legend.extend(
        names
            .enumerate()
            .map(|(number, name)| (class(number), name)),
    );
    canvas.legend(ups, &legend);
    canvas.finish()
}

fn class(number: usize) -> String {
    format!("user{number}")
}

fn style(users: usize) -> String {
    let (mut light, mut dark) = (String::new(), String::new());
    for number in 0..users {
        let (on_light, on_dark) = COLOURS[number % COLOURS.len()];
        let dashes = number / COLOURS.len() * 3;
        let _ = write!(
            light,
            ".user{number}{{fill:none;stroke:{on_light};stroke-width:1.2;stroke-dasharray:{dashes}}}"
        );
        let _ = write!(dark, ".user{number}{{stroke:{on_dark}}}");
    }
    format!("{light}@media(prefers-color-scheme:dark){{{dark}}}")
}

fn series(users: &[UserSamples], direction: Direction) -> Vec<Vec<(u64, f64)>> {
    let from_us = |user: &UserSamples| match direction {
        // Counted in bins from the start of the test,
        Direction::Down => 0,
        // and told by the node since the start of the traffic.
        Direction::Up => user.started_us,
    };
    let rates = |user: &UserSamples| rates_mbps(&user.goodput, direction, from_us(user));
    users.iter().map(rates).collect()
}

fn fastest_mbps(series: &[Vec<(u64, f64)>]) -> f64 {
    largest(series.iter().flatten().map(|&(_, mbps)| mbps))
}

/// The idle line is what everything is compared with: left as the ground is.
const fn ground(phase: HouseholdPhase) -> Option<&'static str> {
    match phase {
        HouseholdPhase::Baseline => None,
        HouseholdPhase::CapacityDown | HouseholdPhase::CapacityUp => Some("warm"),
        HouseholdPhase::Traffic => Some("graded"),
    }
}

/// Above a phase stands what it is and what came of it.
fn name_phase(canvas: &mut Canvas, outcome: &Outcome, span: HouseholdSpan) {
    let report = &outcome.report;
    let household = report.household.as_ref();
    let mbps = |mbps: f64| format!("{} Mbit/s", words::mbps(mbps));
    let figures = match span.phase {
        HouseholdPhase::Baseline => report
            .idle_latency_ms
            .map(|idle_ms| format!("{} ms", words::ms(idle_ms))),
        HouseholdPhase::CapacityDown => household
            .and_then(|household| household.capacity_down_mbps)
            .map(mbps),
        HouseholdPhase::CapacityUp => household
            .and_then(|household| household.capacity_up_mbps)
            .map(mbps),
        HouseholdPhase::Traffic => household
            .and_then(|household| household.overall_score)
            .map(|score| format!("{score:.0} of 100")),
    };
    let name = match span.phase {
        HouseholdPhase::CapacityDown => "carries ↓",
        HouseholdPhase::CapacityUp => "carries ↑",
        HouseholdPhase::Baseline | HouseholdPhase::Traffic => words::household_phase(span.phase),
    };
    canvas.label(span.start_us, span.end_us, [Some(name.to_owned()), figures]);
}
