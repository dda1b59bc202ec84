//! What one larger node holds, on paper: measured costs times a card's rate.

use std::fmt::Write as _;

use super::results::{Middle, Results};

const CORES: f64 = 16.0;
const CARD_GBIT_PER_S: f64 = 25.0;
/// Of the cores, so that probes still find one that is free.
const BUSY_SHARE_MAX: f64 = 0.7;
/// Lines of subscribers, Gbit/s.
const LINES: [f64; 2] = [0.1, 1.0];

/// The section.
pub(crate) fn write(text: &mut String, results: &Results) -> std::fmt::Result {
    let gb_per_s = CARD_GBIT_PER_S / 8.0;
    writeln!(
        text,
        "\n## On paper: {CORES:.0} cores and a card of {CARD_GBIT_PER_S:.0} Gbit/s\n\n\
         Costs as measured above at 64 flows on loopback, where the sender's system calls also do the receiver's side of TCP \
         and no card's interrupts are served; at most {:.0} % of the cores busy. An estimate, not a measurement.\n\n\
         | transfer | cores for the whole card | tests at {:.0} Mbit/s | tests at {:.0} Gbit/s |\n|---|---|---|---|",
        BUSY_SHARE_MAX * 100.0,
        LINES[0] * 1_000.0,
        LINES[1]
    )?;
    for transfer in results
        .transfers
        .values()
        .filter(|transfer| transfer.flows == 64)
    {
        let Some(cost) = Middle::of(&transfer.node.cpu_s_per_gb) else {
            continue;
        };
        let cores = cost.median * gb_per_s;
        let share = (CORES * BUSY_SHARE_MAX / cores).min(1.0);
        let [slow, fast] = LINES.map(|line| (CARD_GBIT_PER_S * share / line).floor());
        writeln!(
            text,
            "| {} | {cores:.2} | {slow:.0} | {fast:.0} |",
            transfer.what
        )?;
    }
    let most = results.households.iter().next_back();
    if let Some((count, run)) = most {
        let households = *count as f64;
        let by_cores = CORES * BUSY_SHARE_MAX / (run.node_cores / households);
        let by_card = CARD_GBIT_PER_S * 1_000.0 / (run.expected_mbps / households);
        let limit = if by_cores < by_card { "cores" } else { "card" };
        writeln!(
            text,
            "\nHouseholds: at the cost of {count} together ({:.2} ms of a core in each second for each household), the cores \
             hold {:.0}, the card {:.0}: **{:.0}**, bounded by the {limit}.",
            run.node_cores / households * 1_000.0,
            by_cores.floor(),
            by_card.floor(),
            by_cores.min(by_card).floor()
        )?;
    }
    Ok(())
}
