//! Some numbers in few: the least, the median, the tail and the most.

use protocol::measure::statistics::Sorted;
use serde::Serialize;

/// Order statistics of some samples, in the samples' unit.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Spread {
    pub(crate) count: usize,
    pub(crate) min: f64,
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) max: f64,
}

impl Spread {
    /// `None` of no samples.
    pub(crate) fn of(samples: Vec<f64>) -> Option<Self> {
        let sorted = Sorted::new(samples)?;
        Some(Self {
            count: sorted.samples().len(),
            min: sorted.min(),
            p50: sorted.median(),
            p99: sorted.percentile(99.0),
            max: sorted.max(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_that_of_the_samples() {
        let spread = Spread::of(vec![4.0, 2.0, 3.0]).expect("samples");
        assert_eq!((spread.count, spread.min, spread.max), (3, 2.0, 4.0));
        assert_eq!((spread.p50, spread.p99), (3.0, 3.98));
        assert_eq!(Spread::of(Vec::new()), None);
    }
}
