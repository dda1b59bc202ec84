//! The report as text.

use std::fmt::{self, Display, Formatter};

use super::{FlowReport, NodeReport, Report, UserReport};
use crate::analysis::bins::sparkline;
use crate::analysis::spread::Spread;

/// Bins in a line of a sparkline: two of Jake's periods.
const SPARKLINE_BINS: usize = 100;

impl Display for Report {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} household(s), {} s of traffic each: {:.1} Mbit/s in all (profiles: {:.1})\n",
            self.households, self.duration_s, self.aggregate_mbps, self.aggregate_expected_mbps
        )?;
        self.rates(f)?;
        self.flows(f)?;
        self.gaps(f)?;
        for user in &self.users {
            user.on_off(f)?;
        }
        self.sessions(f)?;
        self.probes(f)?;
        self.node.show(f, self.duration_s)?;
        self.generator(f)
    }
}

impl Report {
    fn rates(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "Rates, Mbit/s over households    profile      min   median      max   worst error"
        )?;
        for user in &self.users {
            for (direction, rate) in [("down", &user.down), ("up", &user.up)] {
                write!(
                    f,
                    "  {:<12} {direction:<14} {:>10.4}",
                    user.user_id, rate.expected_mbps
                )?;
                match rate.achieved_mbps {
                    Some(s) => write!(f, " {:>8.4} {:>8.4} {:>8.4}", s.min, s.p50, s.max)?,
                    None => write!(f, " {:>8} {:>8} {:>8}", "-", "-", "-")?,
                }
                match rate.worst_error_percent {
                    Some(error) => writeln!(f, "   {error:>+9.3} %")?,
                    None => writeln!(f, "           -")?,
                }
            }
        }
        Ok(())
    }

    fn flows(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\nMilliseconds behind the schedule       sent: p50      p99      max   arrived: p50      p99      max"
        )?;
        for user in &self.users {
            for flow in &user.flows {
                writeln!(
                    f,
                    "  {:<28} {}      {}{}",
                    name(user, flow),
                    three(flow.sent_late_us),
                    three(flow.arrived_late_us),
                    if flow.direction == "up" {
                        "  (sent by this bench)"
                    } else {
                        ""
                    }
                )?;
            }
        }
        Ok(())
    }

    fn gaps(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\n|message gap − period|, ms              sent: p50      p99      max   arrived: p50      p99      max"
        )?;
        for user in &self.users {
            for flow in &user.flows {
                let Some(within) = flow.gap_within_1ms_p99 else {
                    continue;
                };
                writeln!(
                    f,
                    "  {:<28} {}      {}  p99 within 1 ms in {within} of {}",
                    name(user, flow),
                    three(flow.gap_error_sent_us),
                    three(flow.gap_error_arrived_us),
                    self.households
                )?;
            }
        }
        Ok(())
    }

    fn sessions(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "\nMessages         down     late     lost  p95 delay, ms        up     late     lost  p95 delay, ms   sessions  incomplete"
        )?;
        for user in &self.users {
            writeln!(
                f,
                "  {:<10} {:>8} {:>8} {:>8} {:>14} {:>9} {:>8} {:>8} {:>14} {:>10} {:>11}",
                user.user_id,
                user.messages,
                user.late,
                user.lost,
                optional_ms(user.down_delay_p95_us),
                user.up_messages,
                user.up_late,
                user.up_lost,
                optional_ms(user.up_delay_p95_us),
                user.sessions,
                user.incomplete
            )?;
        }
        for user in &self.users {
            for ended in &user.ended_early {
                writeln!(f, "  ended early: {}: {ended}", user.user_id)?;
            }
        }
        Ok(())
    }

    fn probes(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let probes = &self.probes;
        writeln!(
            f,
            "\nProbes, ms                                     p50      p99      max"
        )?;
        writeln!(f, "  {:<38} {}", "round trip", three(probes.rtt_us))?;
        writeln!(f, "  {:<38} {}", "in the node", three(probes.in_node_us))?;
        writeln!(
            f,
            "  {} sent, {} unanswered, {} connections lost",
            probes.sent, probes.unanswered, probes.connections_lost
        )
    }

    fn generator(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let own = &self.generator;
        writeln!(f, "\nThis bench itself")?;
        writeln!(
            f,
            "  {:.2} s of processor time; loop lag, ms: p50, p99, max {}; {} message(s) given up",
            own.cpu_s,
            three(own.loop_lag_us),
            own.skipped
        )?;
        if let Some(cores) = own.other_cores {
            writeln!(
                f,
                "  other programs kept {cores:.2} cores busy; figures of a machine that is not idle are worth little"
            )?;
        }
        Ok(())
    }
}

impl UserReport {
    fn on_off(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Some(on_off) = &self.on_off else {
            return Ok(());
        };
        writeln!(
            f,
            "\n{}: share of bytes in the on time, in bins of 100 ms: least {:.2} %, median {:.2} %; the first household:",
            self.user_id,
            on_off.share_while_on_min * 100.0,
            on_off.share_while_on_median * 100.0
        )?;
        for line in on_off.bins.chunks(SPARKLINE_BINS) {
            writeln!(f, "  {}", sparkline(line))?;
        }
        Ok(())
    }
}

impl NodeReport {
    fn show(&self, f: &mut Formatter<'_>, duration_s: f64) -> fmt::Result {
        let mib = |kib: Option<u64>| {
            kib.map_or_else(|| "-".to_owned(), |k| format!("{:.1}", k as f64 / 1024.0))
        };
        writeln!(f, "\nNode")?;
        writeln!(
            f,
            "  memory (PSS of all processes), MiB: {} at the start, {} peak, {} at the end, {} after it",
            mib(self.pss_kib_start),
            mib(self.pss_kib_peak),
            mib(self.pss_kib_end),
            mib(self.pss_kib_after)
        )?;
        if let Some(cpu_s) = self.cpu_s {
            writeln!(
                f,
                "  {cpu_s:.2} s of processor time ({:.2} cores)",
                cpu_s / duration_s
            )?;
        }
        writeln!(
            f,
            "  after the end: {} sessions, {} flows, {} probes, {} connections; {} restarts; ended by reason: {:?}",
            self.sessions_after,
            self.flows_after,
            self.probes_after,
            self.connections_after,
            self.restarts,
            self.sessions_ended
        )
    }
}

fn name(user: &UserReport, flow: &FlowReport) -> String {
    format!(
        "{} {} {} {}",
        user.user_id, flow.direction, flow.number, flow.pattern
    )
}

/// Median, 99th percentile and maximum, µs as ms.
pub(crate) fn three(spread: Option<Spread>) -> String {
    match spread {
        Some(s) => format!(
            "{:>8.3} {:>8.3} {:>8.3}",
            s.p50 / 1e3,
            s.p99 / 1e3,
            s.max / 1e3
        ),
        None => format!("{:>8} {:>8} {:>8}", "-", "-", "-"),
    }
}

fn optional_ms(us: Option<f64>) -> String {
    us.map_or_else(|| "-".to_owned(), |us| format!("{:.3}", us / 1e3))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn microseconds_are_shown_as_milliseconds() {
        let spread = Spread::of(vec![1_500.0]);
        assert_eq!(three(spread), "   1.500    1.500    1.500");
        assert_eq!(three(None), "       -        -        -");
        assert_eq!(optional_ms(Some(250.0)), "0.250");
    }
}
