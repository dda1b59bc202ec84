//! `bufferbloat ping` on the terminal: the probes alone, a line for each answer and a summary, as ping(8) has them.

use std::fmt::Write as _;
use std::ops::ControlFlow;

use client::fault::Fault;
use client::interrupt::Interrupt;
use client::ping::{self, PingEvent, PingOptions, Pinged};
use protocol::measure::statistics::{Sorted, jitter};

use crate::cli::PingArguments;
use crate::exit::Exit;
use crate::show::words;
use crate::{fail, print, write};

/// Probes until it has sent what was asked for, Ctrl-C, or nobody reads any more (`| head`); the summary follows.
pub(crate) fn run(arguments: &PingArguments, interrupt: &Interrupt) -> Exit {
    let options = PingOptions {
        reach: arguments.node.reach(),
        interval: arguments.interval(),
        count: arguments.count,
    };
    let url = options.reach.url.text();
    let result = ping::run(&options, interrupt, &mut |event| {
        let line = match event {
            PingEvent::Connected {
                ip,
                port,
                transport,
            } => {
                format!(
                    "PING {url} ({ip}), port {port}, {}\n",
                    words::transport(transport)
                )
            }
            PingEvent::Answered {
                sequence,
                round_trip_ms,
            } if !arguments.quiet => {
                format!("seq={sequence} time={round_trip_ms:.3} ms\n")
            }
            PingEvent::Answered { .. } => return ControlFlow::Continue(()),
        };
        // Whatever is wrong with the output is said where the summary is printed.
        match write(line.as_bytes()) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    });
    match result {
        Ok(Pinged {
            round_trips_ms,
            lost,
        }) => {
            let shown = print(summary(&url, &round_trips_ms).as_bytes());
            if let Some(fault) = lost {
                fail(&fault);
                return Exit::Incomplete;
            }
            let is_any_answered = round_trips_ms.iter().any(Option::is_some);
            match (shown, is_any_answered) {
                (Exit::Ran, true) => Exit::Ran,
                (Exit::Ran, false) => Exit::NoAnswer,
                (other, _) => other,
            }
        }
        Err(Fault::Interrupted) => Exit::Interrupted,
        Err(fault) => fail(&fault),
    }
}

/// `round_trips`: of every probe in the order of sending, ms; `None` for those that were never answered.
fn summary(url: &str, round_trips: &[Option<f64>]) -> String {
    let answered: Vec<f64> = round_trips.iter().copied().flatten().collect();
    let lost = round_trips.len() - answered.len();
    let lost_percent = 100.0 * lost as f64 / round_trips.len().max(1) as f64;
    let mut text = format!(
        "\n--- {url} ---\n{} probes sent, {} answered, {lost_percent:.1} % lost\n",
        round_trips.len(),
        answered.len()
    );
    if let Some(sorted) = Sorted::new(answered) {
        let _ = writeln!(
            text,
            "min/median/p95/p99/max = {:.3}/{:.3}/{:.3}/{:.3}/{:.3} ms",
            sorted.min(),
            sorted.median(),
            sorted.percentile(95.0),
            sorted.percentile(99.0),
            sorted.max()
        );
    }
    if let Some(jitter_ms) = jitter(round_trips) {
        let _ = writeln!(text, "jitter = {jitter_ms:.3} ms");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_summary_counts_what_was_lost() {
        let text = summary("http://n", &[Some(1.0), None, Some(3.0), Some(2.0)]);
        assert!(
            text.contains("4 probes sent, 3 answered, 25.0 % lost"),
            "{text}"
        );
        assert!(
            text.contains("min/median/p95/p99/max = 1.000/2.000/"),
            "{text}"
        );
    }

    #[test]
    fn nothing_sent_is_no_division_by_zero() {
        let text = summary("http://n", &[]);
        assert!(
            text.contains("0 probes sent, 0 answered, 0.0 % lost"),
            "{text}"
        );
    }
}
