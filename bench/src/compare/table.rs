//! The results as lines for a terminal.

use std::fmt::Write as _;

use super::results::{Middle, Results, Side};
use super::targets;

/// The transfers and the promises.
pub(crate) fn of(results: &Results) -> String {
    let mut text = String::new();
    // Writing into a string cannot fail.
    let _ = write(&mut text, results);
    text
}

fn write(text: &mut String, results: &Results) -> std::fmt::Result {
    writeln!(
        text,
        "{:<16} {:<7} {:>20} {:>22} {:>9} {:>10} {:>10}",
        "scenario", "server", "Gbit/s", "CPU-s/GB", "PSS MiB", "p50 µs", "p99 µs"
    )?;
    for (name, transfer) in &results.transfers {
        let sides = [
            ("node", Some(&transfer.node)),
            ("nginx", transfer.nginx.as_ref()),
            ("iperf3", transfer.iperf3.as_ref()),
        ];
        for (server, side) in sides {
            if let Some(side) = side {
                writeln!(text, "{name:<16} {server:<7} {}", line(side))?;
            }
        }
    }
    writeln!(text)?;
    for target in targets::of(results) {
        let word = match target.is_met {
            Some(true) => "met",
            Some(false) => "MISSED",
            None => "-",
        };
        let value = target.value.as_deref().unwrap_or("not measured");
        writeln!(
            text,
            "{word:<7} {:<62} {:<36} {value}",
            target.what, target.limit
        )?;
    }
    for (name, version) in &results.peers {
        if version.is_none() {
            writeln!(text, "{name} is not installed here: not compared")?;
        }
    }
    Ok(())
}

fn line(side: &Side) -> String {
    let show = |values: &[f64], digits| {
        Middle::of(values).map_or_else(String::new, |middle| targets::show(middle, digits))
    };
    let (p50, p99) = match &side.rtt_us {
        Some(rtt) => (format!("{:.0}", rtt.p50), format!("{:.0}", rtt.p99)),
        None => Default::default(),
    };
    format!(
        "{:>20} {:>22} {:>9.1} {p50:>10} {p99:>10}",
        show(&side.gbit_per_s, 1),
        show(&side.cpu_s_per_gb, 3),
        side.pss_kib_peak as f64 / 1024.0,
    )
}
