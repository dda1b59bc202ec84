//! Every probe of a test, and what is shown of them while it runs. Pure. The figures themselves are computed by `protocol`.

use protocol::limits::{REPORT_NODE_RTT_SAMPLES_MAX, REPORT_PROBES_MAX};
use protocol::measure::round_trip_us;
use protocol::measure::statistics::Sorted;
use protocol::message::samples::{NodeRttSample, ProbeSample};

use crate::probe::ProbeBatch;

/// The latency shown as "now" is the median of this long, µs.
const NOW_WINDOW_US: u64 = 1_000_000;

/// One test's probes, in the order of sending.
#[derive(Clone, Debug, Default)]
pub struct SampleLog {
    /// Answered or not.
    pub probes: Vec<ProbeSample>,
    /// How late our own timer was with each, µs.
    pub timer_late_us: Vec<u32>,
    /// The node's own view.
    pub node_rtt: Vec<NodeRttSample>,
}

impl SampleLog {
    /// Takes what the loop of the probes saw.
    pub fn handle_batch(&mut self, batch: ProbeBatch) {
        for probe in batch.sent {
            if self.probes.len() >= REPORT_PROBES_MAX {
                break;
            }
            self.probes.push(ProbeSample {
                sequence: probe.sequence,
                sent_us: probe.sent_us,
                received_us: None,
                node_receive_us: None,
                node_send_us: None,
            });
            self.timer_late_us.push(probe.late_us);
        }
        for answer in batch.answered {
            let found = self
                .probes
                .binary_search_by_key(&answer.sequence, |probe| probe.sequence);
            // The first answer counts; a second one to the same probe would be the node's mistake.
            if let Ok(index) = found
                && self.probes[index].received_us.is_none()
            {
                let probe = &mut self.probes[index];
                probe.received_us = Some(answer.received_us.max(probe.sent_us));
                probe.node_receive_us = answer.node_receive_us;
                probe.node_send_us = answer.node_send_us;
            }
        }
        let room =
            REPORT_NODE_RTT_SAMPLES_MAX - self.node_rtt.len().min(REPORT_NODE_RTT_SAMPLES_MAX);
        self.node_rtt.extend(batch.node_rtt.into_iter().take(room));
    }

    /// Probes not answered so far.
    #[must_use]
    pub fn unanswered(&self) -> usize {
        self.probes
            .iter()
            .filter(|probe| probe.received_us.is_none())
            .count()
    }

    /// Median round trip of the probes sent between the two moments, µs, and answered, in ms; `None` when there is none.
    #[must_use]
    pub fn median_ms(&self, from_us: u64, to_us: u64) -> Option<f64> {
        let round_trips = self
            .probes
            .iter()
            .rev()
            .skip_while(|probe| probe.sent_us >= to_us)
            .take_while(|probe| probe.sent_us >= from_us)
            .filter_map(round_trip_ms);
        Some(Sorted::new(round_trips.collect())?.median())
    }

    /// What latency is like at `now_us`, ms. While the oldest unanswered probe has waited longer than the answered ones took,
    /// its wait is the truth: with a full queue answers stop coming long before they come late.
    #[must_use]
    pub fn now_ms(&self, now_us: u64) -> Option<f64> {
        let median_ms = self.median_ms(now_us.saturating_sub(NOW_WINDOW_US), now_us);
        let recent_us = now_us.saturating_sub(3 * NOW_WINDOW_US);
        let waiting_ms = self
            .probes
            .iter()
            .rev()
            .take_while(|probe| probe.sent_us >= recent_us)
            .filter(|probe| probe.received_us.is_none())
            .last()
            .map(|probe| now_us.saturating_sub(probe.sent_us) as f64 / 1_000.0);
        match (median_ms, waiting_ms) {
            (Some(median_ms), Some(waiting_ms)) if waiting_ms > 2.0 * median_ms + 150.0 => {
                Some(waiting_ms)
            }
            (Some(median_ms), _) => Some(median_ms),
            (None, waiting_ms) => waiting_ms,
        }
    }
}

/// Round trip less the time inside the node, ms; `None` when unanswered.
#[must_use]
pub fn round_trip_ms(probe: &ProbeSample) -> Option<f64> {
    Some(round_trip_us(probe)? / 1_000.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::probe::{AnsweredProbe, SentProbe};

    fn batch(sent: &[(u32, u64)], answered: &[(u32, u64)]) -> ProbeBatch {
        ProbeBatch {
            sent: sent
                .iter()
                .map(|&(sequence, sent_us)| SentProbe {
                    sequence,
                    sent_us,
                    late_us: 0,
                })
                .collect(),
            answered: answered
                .iter()
                .map(|&(sequence, received_us)| AnsweredProbe {
                    sequence,
                    received_us,
                    node_receive_us: Some(100),
                    node_send_us: Some(1_100),
                })
                .collect(),
            node_rtt: Vec::new(),
        }
    }

    #[test]
    fn answers_find_their_probes_across_gaps_and_batches() {
        let mut log = SampleLog::default();
        log.handle_batch(batch(&[(0, 0), (2, 100_000)], &[(0, 11_000), (1, 5)]));
        log.handle_batch(batch(&[], &[(2, 131_000), (2, 999_000)]));
        assert_eq!(log.unanswered(), 0);
        let round_trips: Vec<Option<f64>> = log.probes.iter().map(round_trip_ms).collect();
        assert_eq!(round_trips, [Some(10.0), Some(30.0)]);
        assert_eq!(log.median_ms(0, 1_000_000), Some(20.0));
        assert_eq!(log.median_ms(50_000, 1_000_000), Some(30.0));
        assert_eq!(log.median_ms(0, 100_000), Some(10.0));
        assert_eq!(log.median_ms(200_000, 1_000_000), None);
    }

    #[test]
    fn a_probe_that_waits_long_is_what_latency_is_like() {
        let mut log = SampleLog::default();
        log.handle_batch(batch(&[(0, 0), (1, 50_000)], &[(0, 11_000)]));
        assert_eq!(log.now_ms(100_000), Some(10.0));
        assert_eq!(log.now_ms(450_000), Some(400.0));
        assert_eq!(log.now_ms(10_000_000), None);
    }
}
