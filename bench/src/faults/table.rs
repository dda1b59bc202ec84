//! The run with faults as text.

use std::fmt::{self, Display, Formatter};

use super::compare::Comparison;
use super::incident::IncidentReport;
use super::{BadClientReport, FaultsReport};
use crate::report::table::three;

impl Display for FaultsReport {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "Faults under the load of {} household(s). Mbit/s to each user, all households together: in the time before and\n\
             from the fault on, and the emptiest 100 ms of each.",
            self.households
        )?;
        for incident in &self.incidents {
            incident.fmt(f)?;
        }
        writeln!(
            f,
            "\nBad clients, from another address where there is one. The time before is one without any."
        )?;
        for client in &self.bad_clients {
            client.fmt(f)?;
        }
        writeln!(
            f,
            "\nThe node after the end: {} sessions, {} flows, {} probes",
            self.sessions_after, self.flows_after, self.probes_after
        )
    }
}

impl Display for IncidentReport {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "\n{} of {} ({} process(es)): ",
            self.fault, self.role, self.processes
        )?;
        match self.serves_again_s {
            Some(after_s) => writeln!(f, "serves again after {after_s:.3} s")?,
            None => writeln!(f, "DOES NOT SERVE AGAIN in the time watched")?,
        }
        if self.sessions_ended > 0 {
            let endings: Vec<String> = self
                .endings
                .iter()
                .map(|(word, count)| format!("{count} {word}"))
                .collect();
            write!(
                f,
                "  its sessions: {} ended ({}), {} resumed",
                self.sessions_ended,
                endings.join(", "),
                self.sessions_resumed
            )?;
            if let Some(after) = self.resumed_after_s {
                write!(
                    f,
                    " {:.3} to {:.3} s after the fault, {} of them on main",
                    after.min, after.max, self.resumed_on_main
                )?;
            }
            writeln!(f, "; {} attempts refused", self.attempts_refused)?;
        }
        for row in &self.health {
            writeln!(f, "  process-health: {row}")?;
        }
        self.others.fmt(f)?;
        if self.other_sessions_ended > 0 {
            writeln!(
                f,
                "  SESSIONS OF OTHER ROLES ENDED: {}",
                self.other_sessions_ended
            )?;
        }
        Ok(())
    }
}

impl Display for BadClientReport {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        writeln!(f, "\nOne that {}: {}", self.name, self.fate)?;
        self.others.fmt(f)?;
        if self.sessions_ended > 0 {
            writeln!(f, "  SESSIONS OF HOUSEHOLDS ENDED: {}", self.sessions_ended)?;
        }
        Ok(())
    }
}

impl Display for Comparison {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        for user in &self.users {
            writeln!(
                f,
                "  {:<12} {:>9.3} → {:>9.3} ({}), emptiest {:>8.3} → {:>8.3}",
                user.user_id,
                user.before_mbps,
                user.after_mbps,
                user.change_percent
                    .map_or_else(|| "-".to_owned(), |percent| format!("{percent:+.2} %")),
                user.least_bin_before_mbps,
                user.least_bin_after_mbps
            )?;
        }
        writeln!(
            f,
            "  probes, ms: p50, p99, max {} → {}",
            three(self.probe_rtt_before_us),
            three(self.probe_rtt_after_us)
        )?;
        writeln!(
            f,
            "  this bench's own lag, ms: {} → {}",
            three(self.own_lag_before_us),
            three(self.own_lag_after_us)
        )
    }
}
