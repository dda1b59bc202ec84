//! What was promised, against what was measured.

use super::results::{Middle, Results, Side, Transfer};

/// One promise.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Target {
    pub(crate) what: String,
    pub(crate) limit: String,
    /// What was measured, with its spread; `None` where it was not.
    pub(crate) value: Option<String>,
    pub(crate) is_met: Option<bool>,
}

const IDLE_PSS_MIB_MAX: f64 = 40.0;
const IDLE_CONNECTION_KIB_MAX: f64 = 4.0;
const IDLE_TLS_CONNECTION_KIB_MAX: f64 = 24.0;
const START_OF_LOAD_MS_MAX: f64 = 50.0;
const PROBE_P99_RATIO_MAX: f64 = 0.25;
const PROBE_P99_US_MAX: f64 = 2_000.0;
const HOUSEHOLDS: usize = 100;
const HOUSEHOLDS_ERROR_PERCENT_MAX: f64 = 1.0;
const HOUSEHOLDS_MBPS_MIN: f64 = 4_000.0;

/// All of them.
pub(crate) fn of(results: &Results) -> Vec<Target> {
    let mut targets = Vec::new();
    for (prefix, limit) in [
        ("plain-down", 1.0),
        ("ws-down", 1.1),
        ("plain-up", 0.25),
        ("ws-up", 0.4),
        ("tls-down", 0.75),
        ("tls-up", 0.75),
        ("http2-down", 0.8),
    ] {
        targets.extend(costs(results, prefix, limit));
    }
    for (name, peer, least) in [
        ("plain-down-1", "nginx", 1.0),
        ("plain-down-1", "iperf3", 1.5),
        ("plain-up-1", "nginx", 2.0),
        ("plain-up-1", "iperf3", 1.5),
    ] {
        targets.push(throughput(results, name, peer, least));
    }
    targets.extend(probes(results));
    targets.extend(households(results));
    targets.extend(memory(results));
    let start = results.start_of_load.as_ref();
    targets.push(Target {
        what: "POST /api/tests to the first byte of load, p99".to_owned(),
        limit: format!("at most {START_OF_LOAD_MS_MAX} ms"),
        value: start.map(|start| format!("{:.2} ms", start.ms.p99)),
        is_met: start.map(|start| start.ms.p99 <= START_OF_LOAD_MS_MAX),
    });
    targets
}

/// A median with the range of most turns.
pub(crate) fn show(middle: Middle, digits: usize) -> String {
    format!(
        "{:.digits$} ({:.digits$}–{:.digits$})",
        middle.median, middle.p10, middle.p90
    )
}

/// A word for a number of flows.
pub(crate) fn flows(count: usize) -> String {
    format!("{count} flow{}", if count == 1 { "" } else { "s" })
}

fn costs(results: &Results, prefix: &str, limit: f64) -> Vec<Target> {
    let mut transfers: Vec<&Transfer> = results
        .transfers
        .iter()
        .filter(|(name, transfer)| name.starts_with(prefix) && transfer.flows != 8)
        .map(|(_, transfer)| transfer)
        .collect();
    transfers.sort_by_key(|transfer| transfer.flows);
    transfers
        .into_iter()
        .map(|transfer| {
            let nginx = transfer.nginx.as_ref();
            let ratio = nginx.and_then(|nginx| ratio(&transfer.node, nginx, |s| &s.cpu_s_per_gb));
            Target {
                what: format!("CPU-s/GB, {}, {}", transfer.what, flows(transfer.flows)),
                limit: format!("at most {limit} × nginx"),
                value: ratio.map(|ratio| show(ratio, 2)),
                is_met: ratio.map(|ratio| ratio.median <= limit),
            }
        })
        .collect()
}

fn throughput(results: &Results, name: &str, peer: &str, least: f64) -> Target {
    let transfer = results.transfers.get(name);
    let ratio = transfer.and_then(|transfer| {
        let theirs = match peer {
            "nginx" => transfer.nginx.as_ref(),
            _ => transfer.iperf3.as_ref(),
        };
        ratio(&transfer.node, theirs?, |side| &side.gbit_per_s)
    });
    let direction = if name.contains("up") { "up" } else { "down" };
    Target {
        what: format!("throughput of one plain flow {direction}"),
        limit: format!("at least {least} × {peer}"),
        value: ratio.map(|ratio| show(ratio, 2)),
        is_met: ratio.map(|ratio| ratio.median >= least),
    }
}

/// Turns that followed each other, one divided by the other.
pub(crate) fn ratio(
    ours: &Side,
    theirs: &Side,
    figure: impl Fn(&Side) -> &Vec<f64>,
) -> Option<Middle> {
    Middle::of_ratios(figure(ours), figure(theirs))
}

fn probes(results: &Results) -> Vec<Target> {
    let transfer = results.transfers.get("plain-down-8");
    let ours = transfer.and_then(|transfer| transfer.node.rtt_us.as_ref());
    let theirs = transfer.and_then(|transfer| transfer.nginx.as_ref()?.rtt_us.as_ref());
    let ratio = ours.zip(theirs).map(|(ours, theirs)| ours.p99 / theirs.p99);
    vec![
        Target {
            what: "probe round trip p99 under 8 downloads".to_owned(),
            limit: format!("at most {PROBE_P99_RATIO_MAX} × nginx's small request"),
            value: ratio.map(|ratio| format!("{ratio:.3}")),
            is_met: ratio.map(|ratio| ratio <= PROBE_P99_RATIO_MAX),
        },
        Target {
            what: "probe round trip p99 under 8 downloads".to_owned(),
            limit: format!("under {PROBE_P99_US_MAX} µs"),
            value: ours.map(|ours| format!("{:.0} µs", ours.p99)),
            is_met: ours.map(|ours| ours.p99 < PROBE_P99_US_MAX),
        },
    ]
}

fn households(results: &Results) -> Vec<Target> {
    let run = results.households.get(&HOUSEHOLDS);
    let of = |name: &str| match run {
        Some(run) => format!("{HOUSEHOLDS} households, {:.0} s: {name}", run.duration_s),
        None => format!("{HOUSEHOLDS} households: {name}"),
    };
    vec![
        Target {
            what: of("every user's rate"),
            limit: format!("within {HOUSEHOLDS_ERROR_PERCENT_MAX} %"),
            value: run.map(|run| format!("worst {:+.2} %", run.worst_error_percent)),
            is_met: run.map(|run| run.worst_error_percent.abs() <= HOUSEHOLDS_ERROR_PERCENT_MAX),
        },
        Target {
            what: of("aggregate"),
            limit: format!("over {HOUSEHOLDS_MBPS_MIN} Mbit/s"),
            value: run.map(|run| {
                let expected = run.expected_mbps;
                format!("{:.0} Mbit/s of {expected:.0}", run.aggregate_mbps)
            }),
            is_met: run.map(|run| run.aggregate_mbps > HOUSEHOLDS_MBPS_MIN),
        },
        Target {
            what: of("sessions lost"),
            limit: "none".to_owned(),
            value: run.map(|run| run.ended_early.to_string()),
            is_met: run.map(|run| run.ended_early == 0),
        },
    ]
}

fn memory(results: &Results) -> Vec<Target> {
    let pss_mib = (results.idle.get("node")).map(|idle| idle.pss_kib_before as f64 / 1024.0);
    let each = |name: &str, kind: &str, limit_kib: f64| {
        let kib = results.idle.get(name).map(super::results::Idle::kib_each);
        Target {
            what: format!("memory for each idle {kind} connection (PSS)"),
            limit: format!("at most {limit_kib} KiB"),
            value: kib.map(|kib| format!("{kib:.2} KiB")),
            is_met: kib.map(|kib| kib <= limit_kib),
        }
    };
    vec![
        Target {
            what: "idle memory of the whole process tree (PSS)".to_owned(),
            limit: format!("at most {IDLE_PSS_MIB_MAX} MiB"),
            value: pss_mib.map(|mib| format!("{mib:.1} MiB")),
            is_met: pss_mib.map(|mib| mib <= IDLE_PSS_MIB_MAX),
        },
        each("node", "plain", IDLE_CONNECTION_KIB_MAX),
        each("node, TLS", "TLS", IDLE_TLS_CONNECTION_KIB_MAX),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn side(cost: f64) -> Side {
        Side {
            cpu_s_per_gb: vec![cost; 3],
            gbit_per_s: vec![10.0 / cost; 3],
            ..Side::default()
        }
    }

    #[test]
    fn what_was_not_measured_is_neither_met_nor_missed() {
        let targets = of(&Results::default());
        assert!(!targets.is_empty());
        assert!(
            targets
                .iter()
                .all(|target| target.is_met.is_none() && target.value.is_none())
        );
    }

    #[test]
    fn a_cost_above_its_limit_is_missed() {
        let mut results = Results::default();
        for (name, cost) in [("plain-up-1", 0.2), ("plain-up-4", 0.3)] {
            let transfer = Transfer {
                what: "POST".to_owned(),
                flows: 1,
                is_upload: true,
                node: side(cost),
                nginx: Some(side(1.0)),
                iperf3: None,
            };
            results.transfers.insert(name.to_owned(), transfer);
        }
        let met: Vec<Option<bool>> = costs(&results, "plain-up", 0.25)
            .iter()
            .map(|t| t.is_met)
            .collect();
        assert_eq!(met, [Some(true), Some(false)]);
        assert_eq!(
            throughput(&results, "plain-up-1", "nginx", 2.0).is_met,
            Some(true)
        );
    }
}
