//! What one larger node holds, on paper: measured costs times a card's rate.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::results::{Households, Middle, Results};

const CORES: f64 = 16.0;
const CARD_GBIT_PER_S: f64 = 25.0;
/// Of the cores, so that probes still find one that is free.
const BUSY_SHARE_MAX: f64 = 0.7;
/// Of what the profiles yield, for a run's cost to count.
const SERVED_SHARE_MIN: f64 = 0.97;
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
    if let Some((count, run)) = largest_served(&results.households) {
        let households = count as f64;
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

/// The most households that got what their profiles yield, nearly: a cost of less would be too low.
fn largest_served(runs: &BTreeMap<usize, Households>) -> Option<(usize, &Households)> {
    let is_served = |run: &Households| run.aggregate_mbps >= SERVED_SHARE_MIN * run.expected_mbps;
    let mut served = runs.iter().filter(|(_, run)| is_served(run));
    served.next_back().map(|(count, run)| (*count, run))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn households_that_were_starved_say_nothing_of_the_cost() {
        let run = |aggregate_mbps| Households {
            duration_s: 15.0,
            aggregate_mbps,
            expected_mbps: 100.0,
            worst_error_percent: 0.0,
            node_cores: 1.0,
            pss_kib_peak: 0,
            probe_p50_us: 0.0,
            probe_p99_us: 0.0,
            ended_early: 0,
            own_skipped: 0,
        };
        let runs = BTreeMap::from([(1, run(100.0)), (30, run(99.0)), (300, run(60.0))]);
        assert_eq!(largest_served(&runs).map(|(count, _)| count), Some(30));
        assert!(largest_served(&BTreeMap::new()).is_none());
    }
}
