//! What ICMP ping saw: its output read into samples, and the two statistics that the product's are compared with.
//!
//! Written apart from the product's statistics on purpose: a mistake there must not hide here.

/// The slowest share of a phase's probes that working latency leaves out (draft-ietf-ippm-responsiveness).
const TRIMMED_SHARE: f64 = 0.05;

/// Echoes of one run of ping.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Pings {
    /// Requests sent.
    pub(crate) sent: usize,
    /// Round trips of those that were answered, in ms.
    pub(crate) rtts_ms: Vec<f64>,
}

impl Pings {
    /// Reads the output of iputils' ping; `None` when it isn't such output.
    #[must_use]
    pub(crate) fn parse(output: &str) -> Option<Self> {
        let rtts_ms = output
            .lines()
            .filter_map(|line| {
                let (_, after) = line.split_once(" time=")?;
                after.split_whitespace().next()?.parse().ok()
            })
            .collect();
        let sent = output.lines().find_map(|line| {
            line.split_once(" packets transmitted")?
                .0
                .trim()
                .parse()
                .ok()
        })?;
        Some(Self { sent, rtts_ms })
    }

    /// The middle round trip, in ms; `None` when nothing was answered.
    #[must_use]
    pub(crate) fn median_ms(&self) -> Option<f64> {
        let sorted = self.sorted();
        let upper = *sorted.get(sorted.len() / 2)?;
        let lower = *sorted.get(sorted.len().checked_sub(1)? / 2)?;
        Some(f64::midpoint(lower, upper))
    }

    /// The mean without the slowest 5 % of all that were sent, in ms. A lost one is slower than any.
    #[must_use]
    pub(crate) fn trimmed_mean_ms(&self) -> Option<f64> {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            clippy::cast_precision_loss,
            reason = "a share of a count of some hundreds"
        )]
        let kept = (self.sent as f64 * (1.0 - TRIMMED_SHARE)).ceil() as usize;
        let sorted = self.sorted();
        let fastest = &sorted[..kept.min(sorted.len())];
        #[expect(clippy::cast_precision_loss, reason = "a count of some hundreds")]
        let count = fastest.len() as f64;
        (!fastest.is_empty()).then(|| fastest.iter().sum::<f64>() / count)
    }

    fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.rtts_ms.clone();
        sorted.sort_by(f64::total_cmp);
        sorted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTPUT: &str = "\
PING 198.18.0.2 (198.18.0.2) 56(84) bytes of data.
64 bytes from 198.18.0.2: icmp_seq=1 ttl=64 time=0.360 ms
64 bytes from 198.18.0.2: icmp_seq=2 ttl=64 time=12 ms
64 bytes from 198.18.0.2: icmp_seq=4 ttl=64 time=0.5 ms

--- 198.18.0.2 ping statistics ---
4 packets transmitted, 3 received, 25% packet loss, time 150ms
";

    #[test]
    fn pings_output_is_read_with_its_losses() {
        let pings = Pings::parse(OUTPUT).expect("ping's output");
        assert_eq!(pings.sent, 4);
        assert_eq!(pings.rtts_ms, [0.36, 12.0, 0.5]);
        assert_eq!(pings.median_ms(), Some(0.5));
    }

    #[test]
    fn what_is_not_pings_output_is_none() {
        assert_eq!(Pings::parse("ping: unknown host"), None);
    }

    #[test]
    fn the_slowest_twentieth_is_left_out_and_the_lost_go_first() {
        let rtts_ms: Vec<f64> = (1..=20).map(f64::from).collect();
        let all_answered = Pings {
            sent: 20,
            rtts_ms: rtts_ms.clone(),
        };
        assert_eq!(all_answered.trimmed_mean_ms(), Some(10.0));
        let one_lost = Pings { sent: 21, rtts_ms };
        assert_eq!(one_lost.trimmed_mean_ms(), Some(10.5));
    }

    #[test]
    fn nothing_answered_has_no_statistics() {
        let pings = Pings {
            sent: 3,
            rtts_ms: Vec::new(),
        };
        assert_eq!(pings.median_ms(), None);
        assert_eq!(pings.trimmed_mean_ms(), None);
    }
}
