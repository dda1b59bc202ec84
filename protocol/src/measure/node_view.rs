//! The node's own view of the probe connection: the second opinion on the client's clock.
//!
//! The node's WebSocket pings are answered below JavaScript, and the kernel's estimate knows no browser at all. Where the
//! client saw far more than they did, the device was slow and not the line.

use super::phases::Window;
use super::statistics::Sorted;
use crate::message::samples::NodeRttSample;

/// A message tells of the second before it was sent, so those of a phase's first second are of the phase before.
const REPORTED_US: u64 = 1_000_000;

/// Medians of one phase, µs.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct NodeView {
    ping_us: Option<f64>,
    kernel_us: Option<f64>,
}

impl NodeView {
    /// What the messages that arrived in the phase say. A phase of less than 2 s has no second to spare: all count.
    pub(super) fn of(samples: &[NodeRttSample], window: impl Into<Window>) -> Self {
        let window = window.into();
        let skip_us = if window.start_us == 0 || window.length_us() < 2 * REPORTED_US {
            0
        } else {
            REPORTED_US
        };
        let within = || {
            samples.iter().filter(move |sample| {
                (window.start_us + skip_us..window.end_us).contains(&sample.at_us)
            })
        };
        let pings = within().flat_map(|sample| sample.ping_rtt_us.iter().copied().map(f64::from));
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

    /// The increase over `idle`, like compared with like: pings with pings, else kernel with kernel.
    pub(super) fn increase_over_us(self, idle: Self) -> Option<f64> {
        let difference = |loaded: Option<f64>, idle: Option<f64>| Some(loaded? - idle?);
        difference(self.ping_us, idle.ping_us).or(difference(self.kernel_us, idle.kernel_us))
    }
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
}
