//! The emulator's own account of a run: every 100 ms what it carried and how long packets waited, against the wall clock.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use linklab::Line;

use super::record::PhaseFigures;

const INTERVAL: Duration = Duration::from_millis(100);
/// A direction is under load when it carries this share of its rate for [`LOADED_BINS`] bins: neither a page that loads
/// nor the acknowledgements of the other direction last that long.
const LOADED_SHARE: f64 = 0.4;
const LOADED_BINS: usize = 3;
/// The acknowledgements of the other direction take less than this share on every line of the matrix.
const JOINED_SHARE: f64 = 0.05;

/// What happened in one interval.
#[derive(Clone, Copy, Debug)]
struct Bin {
    /// Its end, seconds since 1970.
    at_s: f64,
    /// Down and up.
    wait_ms: [Option<f64>; 2],
    rate_mbps: [f64; 2],
}

/// Which way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// From the node to the home.
    Down = 0,
    /// From the home to the node.
    Up = 1,
}

/// See the module's head.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    bins: Mutex<Vec<Bin>>,
    is_over: AtomicBool,
}

/// Seconds since 1970.
#[must_use]
pub(crate) fn now_s() -> f64 {
    SystemTime::now()
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs_f64()
}

impl Watch {
    /// Watches until [`Watch::end`]. A schedule of rates begins with the first load: it is begun anew until there is one.
    ///
    /// # Errors
    /// When the line has ended.
    pub(crate) fn run(&self, line: &Line) -> linklab::Result<()> {
        let has_steps = !line.spec().down.steps.is_empty() || !line.spec().up.steps.is_empty();
        let mut is_scheduled = !has_steps;
        let mut mark = line.mark()?;
        while !self.is_over.load(Ordering::Relaxed) {
            std::thread::sleep(INTERVAL);
            let seen = line.since(&mark)?;
            mark = line.mark()?;
            self.lock().push(Bin {
                at_s: now_s(),
                wait_ms: [seen.down.mean_ms, seen.up.mean_ms],
                rate_mbps: [seen.down.rate_mbps, seen.up.rate_mbps],
            });
            if !is_scheduled {
                is_scheduled = self.loaded_since(line, Way::Down, 0.0).is_some();
                line.restart_schedule()?;
            }
        }
        Ok(())
    }

    /// Ends [`Watch::run`].
    pub(crate) fn end(&self) {
        self.is_over.store(true, Ordering::Relaxed);
    }

    /// When a direction came under load, after `since_s`.
    pub(crate) fn loaded_since(&self, line: &Line, way: Way, since_s: f64) -> Option<f64> {
        self.carried_since(line, way, since_s, LOADED_SHARE, LOADED_BINS)
    }

    /// When a direction that carried acknowledgements alone began to carry load, after `since_s`, however little of it
    /// comes through a long queue in the other direction.
    pub(crate) fn joined_since(&self, line: &Line, way: Way, since_s: f64) -> Option<f64> {
        self.carried_since(line, way, since_s, JOINED_SHARE, 1)
    }

    fn carried_since(
        &self,
        line: &Line,
        way: Way,
        since_s: f64,
        share: f64,
        count: usize,
    ) -> Option<f64> {
        let spec = line.spec();
        let rate_mbps = match way {
            Way::Down => spec.down.rate_mbps,
            Way::Up => spec.up.rate_mbps,
        };
        let bins = self.lock();
        let after = bins.partition_point(|bin| bin.at_s < since_s);
        bins[after..]
            .windows(count)
            .find(|bins| {
                bins.iter()
                    .all(|bin| bin.rate_mbps[way as usize] > rate_mbps * share)
            })
            .map(|bins| bins[0].at_s - INTERVAL.as_secs_f64())
    }

    /// Fills in what the emulator saw between two times.
    pub(crate) fn fill(&self, figures: &mut PhaseFigures, from_s: f64, to_s: f64) {
        let bins = self.lock();
        let within: Vec<&Bin> = bins
            .iter()
            .filter(|bin| from_s < bin.at_s && bin.at_s <= to_s)
            .collect();
        let wait = |way: Way| mean(within.iter().filter_map(|bin| bin.wait_ms[way as usize]));
        let rate =
            |way: Way| mean(within.iter().map(|bin| bin.rate_mbps[way as usize])).unwrap_or(0.0);
        figures.queue_down_ms = wait(Way::Down);
        figures.queue_up_ms = wait(Way::Up);
        figures.wire_down_mbps = rate(Way::Down);
        figures.wire_up_mbps = rate(Way::Up);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Bin>> {
        self.bins
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (mut sum, mut count) = (0.0, 0_u32);
    for value in values {
        sum += value;
        count += 1;
    }
    (count > 0).then(|| sum / f64::from(count))
}
