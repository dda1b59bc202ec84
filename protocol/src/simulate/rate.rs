//! The rate of a link over time: steps that may repeat, as Wi-Fi, LTE and shared cable have them.
//!
//! Work is counted in bits × 10⁹, so that a rate in bits a second does so much of it in a nanosecond and nothing is rounded.

use std::time::Duration;

/// Work units in a bit.
const PER_BIT: u128 = 1_000_000_000;

/// From `at` on, counted from the schedule's start, the link has this rate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RateStep {
    /// Time since the schedule's start.
    pub at: Duration,
    /// Bits a second on the wire; 0 is an outage.
    pub rate_bps: u64,
}

/// Why steps are no schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RateFault {
    /// The first step is not at zero.
    NoStart,
    /// A step is not later than the one before it, or not before the repetition.
    Order,
    /// The link would carry nothing for ever.
    Silence,
}

/// Rates over time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RateSchedule {
    steps: Vec<RateStep>,
    period: Option<Duration>,
}

impl RateSchedule {
    /// One rate for ever, in bits a second; at least 1.
    #[must_use]
    pub fn constant(rate_bps: u64) -> Self {
        Self {
            steps: vec![RateStep {
                at: Duration::ZERO,
                rate_bps: rate_bps.max(1),
            }],
            period: None,
        }
    }

    /// Steps in their order, the first one at zero. With a `period` they begin anew after it; without one the last stays.
    ///
    /// # Errors
    ///
    /// When the steps are not such.
    pub fn new(steps: Vec<RateStep>, period: Option<Duration>) -> Result<Self, RateFault> {
        if steps.first().is_none_or(|step| !step.at.is_zero()) {
            return Err(RateFault::NoStart);
        }
        let ends = steps.iter().skip(1).map(|step| step.at).chain(period);
        if steps.iter().zip(ends).any(|(step, end)| step.at >= end) {
            return Err(RateFault::Order);
        }
        let lasting = match period {
            Some(_) => steps.iter().map(|step| step.rate_bps).max(),
            None => steps.last().map(|step| step.rate_bps),
        };
        if lasting.is_none_or(|rate_bps| rate_bps == 0) {
            return Err(RateFault::Silence);
        }
        Ok(Self { steps, period })
    }

    /// The rate that it begins with, in bits a second.
    #[must_use]
    pub fn initial_bps(&self) -> u64 {
        self.steps.first().map_or(0, |step| step.rate_bps)
    }

    /// The rate so long after the start, in bits a second.
    #[must_use]
    pub fn at(&self, elapsed: Duration) -> u64 {
        self.segment(elapsed).0
    }

    /// When work that begins so long after the start is done, and the work left to the link in that last nanosecond.
    pub(super) fn finish(&self, start: Duration, work: u128) -> (Duration, u128) {
        let (mut elapsed, mut work) = (start, work);
        loop {
            let (rate_bps, end) = self.segment(elapsed);
            let rate = u128::from(rate_bps);
            if let Some(end) = end
                && work > rate * (end - elapsed).as_nanos()
            {
                work -= rate * (end - elapsed).as_nanos();
                elapsed = end;
                continue;
            }
            // Only a segment without end or one that does the work comes here, and neither has no rate.
            let rate = rate.max(1);
            let nanos = u64::try_from(work / rate).unwrap_or(u64::MAX);
            return (
                elapsed.saturating_add(Duration::from_nanos(nanos)),
                work % rate,
            );
        }
    }

    /// What the link can do between two times since the start.
    pub(super) fn work_between(&self, start: Duration, end: Duration) -> u128 {
        let (mut elapsed, mut work) = (start, 0);
        while elapsed < end {
            let (rate_bps, segment_end) = self.segment(elapsed);
            let until = segment_end.map_or(end, |segment_end| segment_end.min(end));
            work += u128::from(rate_bps) * (until - elapsed).as_nanos();
            elapsed = until;
        }
        work
    }

    /// The rate at a time since the start, and when it ends; `None` when it stays.
    fn segment(&self, elapsed: Duration) -> (u64, Option<Duration>) {
        let (round_start, within) = match self.period {
            Some(period) => {
                let within = elapsed.as_nanos() % period.as_nanos();
                let within = Duration::from_nanos(u64::try_from(within).unwrap_or(u64::MAX));
                (elapsed.saturating_sub(within), within)
            }
            None => (Duration::ZERO, elapsed),
        };
        let next = self.steps.partition_point(|step| step.at <= within);
        let rate_bps = self.steps[next.saturating_sub(1)].rate_bps;
        let end = self.steps.get(next).map(|step| step.at).or(self.period);
        (rate_bps, end.map(|end| round_start + end))
    }
}

/// The work of sending so many bytes.
pub(super) fn work_of(bytes: u64) -> u128 {
    u128::from(bytes) * 8 * PER_BIT
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn ms(ms: u64) -> Duration {
        Duration::from_millis(ms)
    }

    fn step(at_ms: u64, rate_bps: u64) -> RateStep {
        RateStep {
            at: ms(at_ms),
            rate_bps,
        }
    }

    #[test]
    fn work_crosses_steps_and_an_outage() {
        // 8 Mbit/s are a byte a microsecond; none at all for 10 ms; then twice as much.
        let steps = vec![step(0, 8_000_000), step(10, 0), step(20, 16_000_000)];
        let schedule = RateSchedule::new(steps, None).expect("a schedule");
        assert_eq!(schedule.finish(ms(0), work_of(10_000)), (ms(10), 0));
        assert_eq!(schedule.finish(ms(9), work_of(3_000)), (ms(21), 0));
        assert_eq!(schedule.work_between(ms(9), ms(21)), work_of(3_000));
    }

    #[test]
    fn a_repeated_schedule_begins_anew() {
        let steps = vec![step(0, 8_000_000), step(30, 80_000_000)];
        let schedule = RateSchedule::new(steps, Some(ms(40))).expect("a schedule");
        for (at_ms, rate_bps) in [
            (0, 8_000_000),
            (29, 8_000_000),
            (30, 80_000_000),
            (40, 8_000_000),
            (79, 80_000_000),
            (4_000, 8_000_000),
        ] {
            assert_eq!(schedule.at(ms(at_ms)), rate_bps, "{at_ms} ms");
        }
        // A round carries 30 000 + 100 000 bytes.
        assert_eq!(schedule.finish(ms(0), work_of(1_300_000)), (ms(400), 0));
    }

    #[test]
    fn what_is_no_schedule_is_refused() {
        let new = RateSchedule::new;
        assert_eq!(new(vec![], None), Err(RateFault::NoStart));
        assert_eq!(new(vec![step(1, 1)], None), Err(RateFault::NoStart));
        let twice = vec![step(0, 1), step(5, 1), step(5, 1)];
        assert_eq!(new(twice, None), Err(RateFault::Order));
        let late = vec![step(0, 1), step(5, 1)];
        assert_eq!(new(late, Some(ms(5))), Err(RateFault::Order));
        let silent = vec![step(0, 1), step(5, 0)];
        assert_eq!(new(silent.clone(), None), Err(RateFault::Silence));
        assert!(new(silent, Some(ms(6))).is_ok());
    }
}
