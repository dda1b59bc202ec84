//! Order statistics over exact samples, each by one named definition.
//!
//! Knows nothing of where the samples come from. No binning, no sketching: a test has at most tens of thousands of
//! samples, so all of them are kept and sorted.

/// The share of the slowest samples that the single-sided trimmed mean leaves out
/// (IETF draft-ietf-ippm-responsiveness, "single-sided trimmed mean").
pub const TRIMMED_PERCENT: usize = 5;

/// Samples in ascending order, every one finite, at least one of them.
#[derive(Clone, Debug, PartialEq)]
pub struct Sorted(Vec<f64>);

impl Sorted {
    /// Sorts the samples; those that are not finite are no samples. `None` when nothing is left.
    #[must_use]
    pub fn new(mut samples: Vec<f64>) -> Option<Self> {
        samples.retain(|sample| sample.is_finite());
        samples.sort_unstable_by(f64::total_cmp);
        (!samples.is_empty()).then_some(Self(samples))
    }

    /// The samples, ascending.
    #[must_use]
    pub fn samples(&self) -> &[f64] {
        &self.0
    }

    /// The `p`-th percentile, `p` from 0 to 100 (held to that range): linear interpolation between the two closest
    /// ranks, rank `p/100 × (n − 1)` counted from 0. Definition 7 of Hyndman and Fan, "Sample Quantiles in
    /// Statistical Packages", The American Statistician 50(4), 1996; the default of R and NumPy.
    #[must_use]
    pub fn percentile(&self, p: f64) -> f64 {
        let last = self.0.len() - 1;
        let rank = (p.clamp(0.0, 100.0) / 100.0) * last as f64;
        let below = (rank.floor() as usize).min(last);
        let above = (below + 1).min(last);
        let share = rank - below as f64;
        self.0[below] + (self.0[above] - self.0[below]) * share
    }

    /// The 50th percentile: the middle sample, or the mean of the two middle ones.
    #[must_use]
    pub fn median(&self) -> f64 {
        self.percentile(50.0)
    }

    /// The largest sample.
    #[must_use]
    pub fn max(&self) -> f64 {
        self.0[self.0.len() - 1]
    }

    /// The smallest sample.
    #[must_use]
    pub fn min(&self) -> f64 {
        self.0[0]
    }

    /// Mean of all but the slowest [`TRIMMED_PERCENT`] of the samples (their number rounded down, so fewer than 20
    /// samples are all kept).
    #[must_use]
    pub fn trimmed_mean(&self) -> f64 {
        let kept = trimmed_len(self.0.len());
        mean(&self.0[..kept]).unwrap_or(self.0[0])
    }
}

/// How many of `n` samples the trimmed mean keeps.
#[must_use]
pub const fn trimmed_len(n: usize) -> usize {
    n - n / 100 * TRIMMED_PERCENT - n % 100 * TRIMMED_PERCENT / 100
}

/// Arithmetic mean; `None` of nothing. Summed as differences from the first sample, so that large clock values don't
/// cost precision.
#[must_use]
pub fn mean(samples: &[f64]) -> Option<f64> {
    let first = *samples.first()?;
    let sum: f64 = samples.iter().map(|sample| sample - first).sum();
    Some(first + sum / samples.len() as f64)
}

/// Mean absolute difference of consecutive samples: the interarrival jitter of RFC 3550, 6.4.1, without its
/// exponential smoothing. A `None` is a sample that is missing: the difference across it does not count.
/// `None` when there are no two consecutive samples.
#[must_use]
pub fn jitter(samples: &[Option<f64>]) -> Option<f64> {
    let mut sum = 0.0;
    let mut count = 0_u32;
    for pair in samples.windows(2) {
        if let [Some(earlier), Some(later)] = pair {
            sum += (later - earlier).abs();
            count += 1;
        }
    }
    (count > 0).then(|| sum / f64::from(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(samples: &[f64]) -> Sorted {
        Sorted::new(samples.to_vec()).expect("samples")
    }

    #[test]
    fn the_median_is_the_middle_or_the_mean_of_the_two_middle_samples() {
        assert_eq!(sorted(&[30.0, 10.0, 20.0]).median(), 20.0);
        assert_eq!(sorted(&[40.0, 10.0, 20.0, 30.0]).median(), 25.0);
        assert_eq!(sorted(&[7.0]).median(), 7.0);
    }

    #[test]
    fn percentiles_interpolate_between_the_closest_ranks() {
        // Rank 0.9 × 4 = 3.6: 40 + 0.6 × 10. The same vector in NumPy: np.percentile([10,20,30,40,50], 90) = 46.
        let samples = sorted(&[10.0, 20.0, 30.0, 40.0, 50.0]);
        assert_eq!(samples.percentile(90.0), 46.0);
        assert_eq!(samples.percentile(25.0), 20.0);
        assert_eq!(samples.percentile(0.0), 10.0);
        assert_eq!(samples.percentile(100.0), 50.0);
        assert_eq!(samples.percentile(400.0), 50.0);
        assert_eq!((samples.min(), samples.max()), (10.0, 50.0));
    }

    #[test]
    fn the_trimmed_mean_leaves_out_the_slowest_twentieth() {
        // 1..=19 and one outlier: the outlier alone is left out.
        let mut samples: Vec<f64> = (1..=19).map(f64::from).collect();
        samples.push(10_000.0);
        assert_eq!(sorted(&samples).trimmed_mean(), 10.0);
        // With 19 samples 5 % is less than one: none is left out.
        assert_eq!(
            sorted(&samples[1..]).trimmed_mean(),
            (189.0 + 10_000.0) / 19.0
        );
        assert_eq!(trimmed_len(200), 190);
        assert_eq!(trimmed_len(39), 38);
        assert_eq!(trimmed_len(0), 0);
    }

    #[test]
    fn jitter_is_the_mean_step_between_neighbours() {
        assert_eq!(
            jitter(&[Some(10.0), Some(13.0), Some(12.0), Some(12.0)]),
            Some(4.0 / 3.0)
        );
        assert_eq!(jitter(&[Some(10.0), None, Some(99.0)]), None);
        assert_eq!(
            jitter(&[Some(10.0), None, Some(99.0), Some(98.0)]),
            Some(1.0)
        );
        assert_eq!(jitter(&[Some(10.0)]), None);
        assert_eq!(jitter(&[]), None);
    }

    #[test]
    fn the_mean_of_large_clock_values_keeps_their_fraction() {
        let base = 9_007_199_254_740_000.0;
        assert_eq!(mean(&[base, base + 4.0]), Some(base + 2.0));
        assert_eq!(mean(&[]), None);
    }

    #[test]
    fn samples_that_are_no_numbers_do_not_count() {
        assert_eq!(Sorted::new(vec![f64::NAN, f64::INFINITY]), None);
        assert_eq!(sorted(&[f64::NAN, 3.0]).samples(), [3.0]);
    }
}
