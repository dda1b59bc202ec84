//! The line's own probes over a test of either mode, on the test's clock: started, listened to, and waited for at the end.

use std::thread::sleep;
use std::time::{Duration, SystemTime};

use crossbeam_channel::RecvTimeoutError;
use engine::runtime::sys::clock;
use protocol::message::samples::{DeviceSamples, ProbeTransport, TestSamples};
use protocol::message::test::Mode;
use protocol::time::Instant;

use crate::api;
use crate::outcome::Ended;
use crate::probe::schedule::PROBE_INTERVAL_US;
use crate::probe::{
    LATE_ANSWER_LIMIT, LOOK_INTERVAL, ProbeLink, ProbeNotice, ProbeOrder, TELL_LIMIT,
};
use crate::sample_log::SampleLog;

/// From a decision to what follows of it: the loops look at their orders every 100 ms.
pub(crate) const ORDER_LEAD: Duration = Duration::from_millis(300);
/// After Ctrl-C, how long answers that are still out are waited for.
const STOPPED_ANSWER_LIMIT: Duration = Duration::from_secs(1);

/// Where a test is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The node was asked to admit it.
    Admitting,
    /// The probes look for a way.
    Connecting,
    /// The timeline runs.
    Running,
    /// The last answers arrive.
    Settling,
    /// The node computes.
    Reporting,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) log: SampleLog,
    start: Option<Instant>,
    started_at: SystemTime,
    /// Since when the probes have no connection any more, µs since the start.
    lost_us: Option<u64>,
}

impl Line {
    /// Before the start.
    pub(crate) fn new() -> Self {
        Self {
            log: SampleLog::default(),
            start: None,
            started_at: SystemTime::UNIX_EPOCH,
            lost_us: None,
        }
    }

    /// The test starts in [`ORDER_LEAD`]; probes are sent until `end_us`. Returns when it starts.
    pub(crate) fn start(&mut self, probes: &ProbeLink, end_us: u64) -> Instant {
        let start = clock::monotonic_now() + ORDER_LEAD;
        self.start = Some(start);
        self.started_at = SystemTime::now() + ORDER_LEAD;
        probes.order(ProbeOrder::Run {
            start,
            interval_us: PROBE_INTERVAL_US,
            end_us,
        });
        start
    }

    /// Since the start, µs; 0 before it.
    pub(crate) fn elapsed_us(&self) -> u64 {
        let since = self.start.map(|start| clock::monotonic_now() - start);
        since.map_or(0, micros)
    }

    /// Takes what the probes tell for [`LOOK_INTERVAL`].
    pub(crate) fn listen(&mut self, probes: &ProbeLink) {
        let deadline = clock::monotonic_now() + LOOK_INTERVAL;
        loop {
            let left = deadline - clock::monotonic_now();
            match probes.notices.recv_timeout(left) {
                Ok(ProbeNotice::Batch(batch)) => self.log.handle_batch(batch),
                Ok(ProbeNotice::Lost { at_us }) => self.lost_us = Some(at_us),
                Ok(ProbeNotice::Connected(_) | ProbeNotice::Unreachable) => {}
                Err(RecvTimeoutError::Timeout) => return,
                // The loop itself failed: nothing is measured any more.
                Err(RecvTimeoutError::Disconnected) => {
                    sleep(left);
                    let now_us = self.elapsed_us();
                    self.lost_us.get_or_insert(now_us);
                    return;
                }
            }
        }
    }

    /// Why the timeline is over before its end, if the probes were lost.
    pub(crate) fn is_lost(&self) -> Option<Ended> {
        self.lost_us.map(|at_us| Ended::Lost { at_us })
    }

    /// What the line's probes give of the samples; the rest is empty.
    pub(crate) fn samples(&self, mode: Mode, probe_transport: ProbeTransport) -> TestSamples {
        TestSamples {
            mode,
            client: api::client_description(),
            started_at: humantime::format_rfc3339_millis(self.started_at).to_string(),
            phases: Vec::new(),
            probes: self.log.probes.clone(),
            listened_until_us: None,
            probe_transport,
            node_rtt: self.log.node_rtt.clone(),
            goodput: Vec::new(),
            flows: Vec::new(),
            device: DeviceSamples {
                probe_timer_late_us: self.log.timer_late_us.clone(),
                // What waits, waits in the kernel, or was not released.
                upload_backlog_bytes_max: 0,
            },
            household: None,
        }
    }
}

/// The wait for what is still out when a timeline is over.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Settling {
    begun: Instant,
    limit: Duration,
}

impl Settling {
    /// From now on.
    pub(crate) fn after(ended: Ended) -> Self {
        Self {
            begun: clock::monotonic_now(),
            limit: match ended {
                Ended::AtItsEnd => LATE_ANSWER_LIMIT,
                Ended::Interrupted => STOPPED_ANSWER_LIMIT,
                Ended::Lost { .. } => Duration::ZERO,
            },
        }
    }

    /// Whether it has been long enough; `is_all_here`: nothing that is known of is still out.
    pub(crate) fn is_over(self, is_all_here: bool) -> bool {
        let waited = clock::monotonic_now() - self.begun;
        // The last probes' own entries have arrived then.
        let least = TELL_LIMIT.min(self.limit);
        waited >= self.limit || (waited >= least && is_all_here)
    }
}

/// Whole microseconds.
pub(crate) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
