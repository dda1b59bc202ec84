//! `RESULTS.md` and its pictures, from the results alone.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::plot::{self, Group, Panel};
use super::results::{Middle, Results, Side, Transfer};
use super::{paper, targets};
use crate::analysis::bins::sparkline;

const COSTS: &str = "results-cost.svg";
const CURVES: &str = "results-curves.svg";

/// Writes them to `folder`.
///
/// # Errors
/// When they can't be written.
pub(crate) fn write(folder: &Path, results: &Results) -> Result<()> {
    let keep = |name: &str, text: String| {
        let path = folder.join(name);
        fs::write(&path, text).with_context(|| path.display().to_string())
    };
    keep(COSTS, costs(results))?;
    keep(CURVES, plot::curves(&curves(results)))?;
    let mut text = String::new();
    // Writing into a string cannot fail.
    let _ = compose(&mut text, results);
    keep("RESULTS.md", text)
}

fn compose(text: &mut String, results: &Results) -> std::fmt::Result {
    let machine = &results.machine;
    writeln!(
        text,
        "# Results\n\n\
         Written by `cargo run --release -p bench -- compare`; do not edit.\n\n\
         {} cores of {}, {:.0} GiB, Linux {}, TCP by {}. Server and client share these cores, over loopback, so throughput \
         is that of both together. The servers take turns (A B C A B C); a figure is the median of its turns with p10–p90 in \
         brackets, a ratio is of turns that followed each other. CPU is that of the server's whole process tree. Every \
         server but iperf3 gets the same client, which receives by discarding in the kernel and sends by `sendfile`; \
         iperf3 gets its own. nginx has a worker for each core, as the node has an event loop for each, `sendfile`, no log, \
         and throws uploads away itself. It speaks no WebSocket: WebSocket transfers stand beside its plain ones.\n\n\
         TLS is 1.3 with TLS_AES_128_GCM_SHA256, the only cipher that the client offers; it opens no record of a download, \
         but discards them in the kernel, and seals each of an upload. nginx has `ssl_buffer_size 16k` (records as long as \
         the node's) and `http2_chunk_size 16k`; it reads the file into its memory first, for `sendfile` can't encrypt \
         without the kernel's TLS. HTTP/2 has wide windows, and flows are its connections. No upload by HTTP/2: an nginx \
         that throws a body away resets its stream.\n",
        machine.cores,
        machine.processor,
        machine.memory_gib,
        machine.kernel,
        machine.congestion_control
    )?;
    for (name, version) in &results.peers {
        match version {
            Some(version) => writeln!(text, "- {name}: {version}")?,
            None if name == "LibreSpeed" => writeln!(
                text,
                "- {name}: **not installed here (Debian has no package of it), not compared**"
            )?,
            None => writeln!(text, "- {name}: **not installed here, not compared**")?,
        }
    }
    promises(text, results)?;
    transfers(text, results)?;
    small_requests(text, results)?;
    connections(text, results)?;
    scale(text, results)?;
    paper::write(text, results)
}

fn promises(text: &mut String, results: &Results) -> std::fmt::Result {
    writeln!(
        text,
        "\n## Targets\n\n| what | limit | measured | |\n|---|---|---|---|"
    )?;
    for target in targets::of(results) {
        let word = match target.is_met {
            Some(true) => "met",
            Some(false) => "**missed**",
            None => "",
        };
        let value = target.value.as_deref().unwrap_or("not measured");
        writeln!(
            text,
            "| {} | {} | {value} | {word} |",
            target.what, target.limit
        )?;
    }
    writeln!(
        text,
        "\nThat a loop's steady state takes nothing from the heap is a test, not a figure: `engine/tests/steady_state.rs`."
    )
}

fn in_order(results: &Results) -> Vec<(&String, &Transfer)> {
    let mut transfers: Vec<_> = results
        .transfers
        .iter()
        .filter(|(_, t)| t.flows > 0)
        .collect();
    transfers.sort_by_key(|(_, transfer)| (transfer.what.clone(), transfer.flows));
    transfers
}

fn transfers(text: &mut String, results: &Results) -> std::fmt::Result {
    writeln!(
        text,
        "\n## Transfers\n\n![CPU-seconds per GB]({COSTS})\n\n\
         | transfer | flows | server | Gbit/s | CPU-s/GB | whole machine's CPU-s/GB | node ÷ it, CPU | node ÷ it, Gbit/s | peak PSS, MiB |\n\
         |---|---|---|---|---|---|---|---|---|"
    )?;
    for (_, transfer) in in_order(results) {
        row(text, transfer, "node", &transfer.node)?;
        for (name, side) in [("nginx", &transfer.nginx), ("iperf3", &transfer.iperf3)] {
            if let Some(side) = side {
                row(text, transfer, name, side)?;
            }
        }
    }
    Ok(())
}

fn row(text: &mut String, transfer: &Transfer, name: &str, side: &Side) -> std::fmt::Result {
    let show = |values: &[f64], digits| {
        Middle::of(values).map_or_else(String::new, |middle| targets::show(middle, digits))
    };
    let ratio = |figure: fn(&Side) -> &Vec<f64>| match name {
        "node" => String::new(),
        _ => targets::ratio(&transfer.node, side, figure)
            .map_or_else(String::new, |middle| targets::show(middle, 2)),
    };
    writeln!(
        text,
        "| {} | {} | {name} | {} | {} | {} | {} | {} | {:.1} |",
        transfer.what,
        transfer.flows,
        show(&side.gbit_per_s, 1),
        show(&side.cpu_s_per_gb, 3),
        show(&side.machine_cpu_s_per_gb, 3),
        ratio(|side| &side.cpu_s_per_gb),
        ratio(|side| &side.gbit_per_s),
        side.pss_kib_peak as f64 / 1024.0,
    )
}

fn small_requests(text: &mut String, results: &Results) -> std::fmt::Result {
    writeln!(
        text,
        "\n## Small requests beside the load\n\n\
         200 a second: of the node latency probes on its ping role, of nginx a GET of four bytes on kept connections. To \
         the kernel's stamp of arrival; a request that waits for the one before it counts from when it was due.\n\n\
         | beside | flows | server | count | p50, µs | p90, µs | p99, µs | most, µs | share by powers of two, from 1 µs |\n\
         |---|---|---|---|---|---|---|---|---|"
    )?;
    let quiet = results
        .transfers
        .iter()
        .filter(|(_, transfer)| transfer.flows == 0);
    for (_, transfer) in quiet.chain(in_order(results)) {
        let nginx = transfer.nginx.as_ref();
        let sides = [("node", Some(&transfer.node)), ("nginx", nginx)];
        for (name, side) in sides {
            if let Some(rtt) = side.and_then(|side| side.rtt_us.as_ref()) {
                writeln!(
                    text,
                    "| {} | {} | {name} | {} | {:.0} | {:.0} | {:.0} | {:.0} | `{}` |",
                    transfer.what,
                    transfer.flows,
                    rtt.count,
                    rtt.p50,
                    rtt.p90,
                    rtt.p99,
                    rtt.max,
                    sparkline(&rtt.histogram)
                )?;
            }
        }
    }
    Ok(())
}

fn connections(text: &mut String, results: &Results) -> std::fmt::Result {
    writeln!(
        text,
        "\n## Connections\n\n\
         Opened by one client loop with 64 under way at a time, each with one GET of four bytes.\n\n\
         | server | connections a second | CPU each, µs | first byte p50, µs | p99, µs |\n|---|---|---|---|---|"
    )?;
    for (name, opening) in &results.openings {
        let show = |values: &[f64]| {
            Middle::of(values).map_or_else(String::new, |middle| targets::show(middle, 0))
        };
        writeln!(
            text,
            "| {name} | {} | {} | {:.0} | {:.0} |",
            show(&opening.per_s),
            show(&opening.cpu_us_each),
            opening.first_byte_us.p50,
            opening.first_byte_us.p99
        )?;
    }
    writeln!(
        text,
        "\nIdle after one answer each; kernel memory is both ends' sockets (slabs). nginx takes the memory of all its \
         connections when it starts.\n\n\
         | server | idle connections | PSS before, MiB | PSS with them, MiB | KiB each | kernel KiB each |\n|---|---|---|---|---|---|"
    )?;
    for (name, idle) in &results.idle {
        writeln!(
            text,
            "| {name} | {} | {:.1} | {:.1} | {:.2} | {:.1} |",
            idle.connections,
            idle.pss_kib_before as f64 / 1024.0,
            idle.pss_kib_with as f64 / 1024.0,
            idle.kib_each(),
            idle.kernel_kib_each
        )?;
    }
    Ok(())
}

fn scale(text: &mut String, results: &Results) -> std::fmt::Result {
    writeln!(
        text,
        "\n## Scale\n\n![Curves]({CURVES})\n\n\
         Households (the catalogue's users each, and probes) over one client loop on the same cores:\n\n\
         | households | s | Mbit/s | of | worst user's rate | node's cores | peak PSS, MiB | probe p50, µs | p99, µs | sessions lost | messages the client itself gave up |\n\
         |---|---|---|---|---|---|---|---|---|---|---|"
    )?;
    for (count, run) in &results.households {
        writeln!(
            text,
            "| {count} | {:.0} | {:.0} | {:.0} | {:+.2} % | {:.3} | {:.1} | {:.0} | {:.0} | {} | {} |",
            run.duration_s,
            run.aggregate_mbps,
            run.expected_mbps,
            run.worst_error_percent,
            run.node_cores,
            run.pss_kib_peak as f64 / 1024.0,
            run.probe_p50_us,
            run.probe_p99_us,
            run.ended_early,
            run.own_skipped
        )?;
    }
    for (title, curve) in [
        ("flows", &results.flows),
        ("event loops, 8 flows", &results.loops),
    ] {
        writeln!(
            text,
            "\nPlain downloads by {title}:\n\n\
             | {title} | Gbit/s | CPU-s/GB | probe p50, µs | p99, µs |\n|---|---|---|---|---|"
        )?;
        for (count, cost) in curve {
            writeln!(
                text,
                "| {count} | {:.1} | {:.3} | {:.0} | {:.0} |",
                cost.gbit_per_s, cost.cpu_s_per_gb, cost.probe_p50_us, cost.probe_p99_us
            )?;
        }
    }
    Ok(())
}

fn costs(results: &Results) -> String {
    let median = |side: Option<&Side>| Some(Middle::of(&side?.cpu_s_per_gb)?.median);
    let groups: Vec<Group> = in_order(results)
        .into_iter()
        .map(|(_, transfer)| Group {
            name: format!("{}, {}", transfer.what, targets::flows(transfer.flows)),
            bars: vec![
                median(Some(&transfer.node)),
                median(transfer.nginx.as_ref()),
                median(transfer.iperf3.as_ref()),
            ],
        })
        .collect();
    plot::bars(
        "CPU-seconds of the server per GB (less is better)",
        &["node", "nginx", "iperf3"],
        &groups,
    )
}

fn curves(results: &Results) -> Vec<Panel> {
    let panel = |title: &str, unit, points: Vec<(f64, f64)>| Panel {
        title: title.to_owned(),
        unit,
        points,
    };
    let households = |figure: fn(&super::results::Households) -> f64| {
        let points = results.households.iter();
        points
            .map(|(count, run)| (*count as f64, figure(run)))
            .collect()
    };
    let of = |curve: &std::collections::BTreeMap<usize, super::results::SideCost>,
              figure: fn(&super::results::SideCost) -> f64| {
        let points = curve.iter();
        points
            .map(|(count, cost)| (*count as f64, figure(cost)))
            .collect()
    };
    let panels = [
        panel(
            "node's cores by households",
            "",
            households(|run| run.node_cores),
        ),
        panel(
            "probe p99 by households",
            "µs",
            households(|run| run.probe_p99_us),
        ),
        panel(
            "CPU-s/GB by flows",
            "",
            of(&results.flows, |cost| cost.cpu_s_per_gb),
        ),
        panel(
            "probe p99 by flows",
            "µs",
            of(&results.flows, |cost| cost.probe_p99_us),
        ),
        panel(
            "CPU-s/GB by event loops",
            "",
            of(&results.loops, |cost| cost.cpu_s_per_gb),
        ),
        panel(
            "probe p99 by event loops",
            "µs",
            of(&results.loops, |cost| cost.probe_p99_us),
        ),
    ];
    panels
        .into_iter()
        .filter(|panel| !panel.points.is_empty())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::results::Tail;
    use super::*;

    #[test]
    fn a_missing_peer_is_named() {
        let mut results = Results::default();
        results.peers.insert("LibreSpeed".to_owned(), None);
        let mut text = String::new();
        compose(&mut text, &results).expect("a string");
        assert!(text.contains("LibreSpeed: **not installed here"));
    }

    #[test]
    fn the_fullest_bin_is_the_tallest() {
        let tail = Tail::of(vec![2.0, 2.5, 9.0]).expect("samples");
        assert!(sparkline(&tail.histogram).starts_with("·█·▄"));
    }
}
