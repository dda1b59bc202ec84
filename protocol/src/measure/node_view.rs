//! The node's own view of the probe connection: the second opinion on the client's clock.
//!
//! The node's WebSocket pings are answered below JavaScript, and the kernel's estimate knows no browser at all. Where the
//! client saw far more than they did, the device was slow and not the line.

use super::latency::round_trip_us;
use super::phases::Window;
use super::statistics::Sorted;
use crate::message::samples::{NodeRttSample, ProbeSample};

/// A message tells of the second before it was sent, so those of a phase's first second are of the phase before.
const REPORTED_US: u64 = 1_000_000;

/// Medians of one phase, µs.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct NodeView {
    ping_us: Option<f64>,
    kernel_us: Option<f64>,
}

impl NodeView {
    /// What the messages that arrived in the phase say.
    pub(super) fn of(samples: &[NodeRttSample], window: impl Into<Window>) -> Self {
        let window = window.into();
        let within = || told_of(samples, window);
        let pings = within().flat_map(pings_us);
        let kernel = within().filter_map(|sample| sample.kernel_rtt_us.map(f64::from));
        Self {
            ping_us: Sorted::new(pings.collect()).map(|pings| pings.median()),
            kernel_us: Sorted::new(kernel.collect()).map(|kernel| kernel.median()),
        }
    }

    /// The median round trip: of the pings, else of the kernel's smoothed estimate.
    pub(super) fn median_us(self) -> Option<f64> {
        self.ping_us.or(self.kernel_us)
    }

    /// The median round trip of the pings.
    pub(super) const fn ping_us(self) -> Option<f64> {
        self.ping_us
    }

    /// The increase over `idle`, like compared with like: pings with pings, else kernel with kernel.
    pub(super) fn increase_over_us(self, idle: Self) -> Option<f64> {
        let difference = |loaded: Option<f64>, idle: Option<f64>| Some(loaded? - idle?);
        difference(self.ping_us, idle.ping_us).or(difference(self.kernel_us, idle.kernel_us))
    }
}

/// How much longer the client's round trips were than the node's own pings of the same moments, at the median, µs; `None`
/// where no ping has a probe beside it. A queue that fills or drains moves by far more in a phase than a device is slow, so
/// each ping is held against the probes that shared its way down or its way up.
pub(super) fn client_excess_us(
    node: &[NodeRttSample],
    probes: &[ProbeSample],
    window: impl Into<Window>,
) -> Option<f64> {
    let mut excesses_us = Vec::new();
    for message in told_of(node, window.into()) {
        let Some(ping_us) = Sorted::new(pings_us(message).collect()).map(|pings| pings.median())
        else {
            continue;
        };
        // A ping was at the client one way up before it ended, and the message took one way down.
        let last_us = message.at_us as f64 - ping_us;
        let at_client = |time_us: u64| {
            let before_us = last_us - time_us as f64;
            (0.0..REPORTED_US as f64).contains(&before_us)
        };
        let beside = probes
            .iter()
            .filter(|probe| at_client(probe.sent_us) || probe.received_us.is_some_and(at_client))
            .filter_map(round_trip_us);
        if let Some(client_us) = Sorted::new(beside.collect()).map(|beside| beside.median()) {
            excesses_us.extend(pings_us(message).map(|ping_us| client_us - ping_us));
        }
    }
    Sorted::new(excesses_us).map(|excesses_us| excesses_us.median())
}

fn pings_us(message: &NodeRttSample) -> impl Iterator<Item = f64> {
    message.ping_rtt_us.iter().copied().map(f64::from)
}

/// The messages that tell of a phase. One of less than 2 s has no second to spare: all count.
fn told_of(samples: &[NodeRttSample], window: Window) -> impl Iterator<Item = &NodeRttSample> {
    let skip_us = if window.start_us == 0 || window.length_us() < 2 * REPORTED_US {
        0
    } else {
        REPORTED_US
    };
    let told = window.start_us + skip_us..window.end_us;
    samples
        .iter()
        .filter(move |sample| told.contains(&sample.at_us))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::message::test::{Phase, PhaseSpan};

    fn message(at_us: u64, pings: &[u32], kernel_us: Option<u32>) -> NodeRttSample {
        NodeRttSample {
            at_us,
            ping_rtt_us: pings.to_vec(),
            kernel_rtt_us: kernel_us,
            kernel_min_rtt_us: None,
        }
    }

    fn span(phase: Phase, start_us: u64, end_us: u64) -> PhaseSpan {
        PhaseSpan {
            phase,
            start_us,
            end_us,
        }
    }

    #[test]
    fn a_message_of_the_first_second_tells_of_the_phase_before() {
        let samples = [
            message(1_000_000, &[10_000, 12_000], Some(9_000)),
            message(5_500_000, &[11_000], Some(9_500)),
            message(6_500_000, &[60_000, 80_000], Some(50_000)),
        ];
        let idle = NodeView::of(&samples, span(Phase::Baseline, 0, 5_000_000));
        let loaded = NodeView::of(&samples, span(Phase::Download, 5_000_000, 10_000_000));
        assert_eq!(idle.median_us(), Some(11_000.0));
        assert_eq!(loaded.increase_over_us(idle), Some(59_000.0));
    }

    #[test]
    fn pings_are_never_compared_with_the_kernel() {
        let pings = NodeView {
            ping_us: Some(10.0),
            kernel_us: None,
        };
        let kernel = NodeView {
            ping_us: None,
            kernel_us: Some(5.0),
        };
        assert_eq!(pings.increase_over_us(kernel), None);
        assert_eq!(kernel.increase_over_us(kernel), Some(0.0));
        assert_eq!(kernel.median_us(), Some(5.0));
    }

    /// A probe each 50 ms over a queue that grows by 100 ms a second, seen by a client that adds `slow_us`.
    fn probes_of_a_growing_queue(slow_us: u64) -> Vec<ProbeSample> {
        (0..200_u32)
            .map(|sequence| {
                let sent_us = u64::from(sequence) * 50_000;
                // Half of the queue is up, entered at once; the other half is entered when that is over.
                let up_us = sent_us / 20;
                let down_us = (sent_us + up_us) / 20;
                ProbeSample {
                    sequence,
                    sent_us,
                    received_us: Some(sent_us + up_us + down_us + slow_us),
                    node_receive_us: Some(sent_us + up_us),
                    node_send_us: Some(sent_us + up_us),
                }
            })
            .collect()
    }

    /// The node's pings over the same queue, told each second.
    fn pings_of_a_growing_queue() -> Vec<NodeRttSample> {
        let round_trip_us = |sent_us: u64| {
            let down_us = sent_us / 20;
            down_us + (sent_us + down_us) / 20
        };
        (1..9_u64)
            .map(|second| {
                let told_us = second * 1_000_000;
                let pings: Vec<u32> = (0..40)
                    .map(|number| number * 250_000)
                    .filter(|sent_us| {
                        let ended_us = sent_us + round_trip_us(*sent_us);
                        (told_us - 1_000_000..told_us).contains(&ended_us)
                    })
                    .filter_map(|sent_us| u32::try_from(round_trip_us(sent_us)).ok())
                    .collect();
                message(told_us + told_us / 20, &pings, None)
            })
            .collect()
    }

    #[test]
    fn a_growing_queue_is_not_taken_for_a_slow_device_nor_a_slow_device_for_a_queue() {
        let phase = span(Phase::Download, 2_000_000, 9_000_000);
        // Between two pings the queue grows by 25 ms.
        let node = pings_of_a_growing_queue();
        for (slow_us, least_us, most_us) in [(0, -8_000.0, 8_000.0), (20_000, 12_000.0, 28_000.0)] {
            let excess_us = client_excess_us(&node, &probes_of_a_growing_queue(slow_us), phase);
            let excess_us = excess_us.expect("pings with probes beside them");
            assert!(
                (least_us..most_us).contains(&excess_us),
                "{slow_us}: {excess_us}"
            );
        }
        assert_eq!(client_excess_us(&node, &[], phase), None);
    }
}
