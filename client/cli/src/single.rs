//! The single-user test from admission to report: the timeline, the probes beside it, the load of each stretch, and what is
//! left when it is cut short. No terminal and no statistics: those are the caller's, and `protocol`'s.

use std::sync::Arc;
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, SystemTime};

use crossbeam_channel::{Receiver, Sender, bounded};
use engine::runtime::payload::Payload;
use engine::runtime::sys::clock;
use protocol::measure;
use protocol::message::report::{NodeSummary, Report};
use protocol::message::samples::{DeviceSamples, ProbeTransport, TestSamples};
use protocol::message::test::{Mode, PhaseSpan, TestAdmission};
use protocol::time::Instant;

use crate::address::Site;
use crate::api::{self, Reach};
use crate::fault::Fault;
use crate::interrupt::Interrupt;
use crate::load::stretch::{end_of, phase_at, phases_until};
use crate::load::{self, LoadNotice, LoadOrder, LoadPlan};
use crate::probe::schedule::PROBE_INTERVAL_US;
use crate::probe::{
    LATE_ANSWER_LIMIT, LOOK_INTERVAL, ProbeLink, ProbeNotice, ProbeOrder, ProbeRoutes, TELL_LIMIT,
};
use crate::sample_log::SampleLog;

/// From the decision to start to the first probe: the loops look at their orders every 100 ms.
const START_LEAD: Duration = Duration::from_millis(300);
/// After Ctrl-C, how long answers that are still out are waited for.
const STOPPED_ANSWER_LIMIT: Duration = Duration::from_secs(1);
/// Tries to hand the samples in, and the pause between them.
const REPORT_TRIES: u32 = 3;
const REPORT_PAUSE: Duration = Duration::from_secs(1);
/// Notices of the load that may wait: a second's.
const NOTICES_MAX: usize = 16;

/// What is asked of a test.
#[derive(Clone, Debug)]
pub struct SingleOptions {
    /// Which node.
    pub reach: Reach,
    /// How long the whole test lasts; `None` follows the node's timeline. Every phase keeps its share.
    pub duration: Option<Duration>,
    /// TCP congestion control of the uploads; `None` leaves the machine's own.
    pub congestion_control: Option<String>,
}

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

/// A running test, for watching.
#[derive(Debug)]
pub struct Progress<'a> {
    /// Where it is.
    pub step: Step,
    /// Since the start, µs.
    pub elapsed_us: u64,
    /// The timeline, as it is counted; empty until the node has given it.
    pub phases: &'a [PhaseSpan],
    /// The probes.
    pub log: &'a SampleLog,
    /// The load.
    pub load: &'a LoadNotice,
}

impl Progress<'_> {
    /// The phase that runs now.
    #[must_use]
    pub fn phase(&self) -> Option<PhaseSpan> {
        phase_at(self.phases, self.elapsed_us)
    }
}

/// Why a result is not a whole one, or not the node's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Partial {
    /// The user pressed Ctrl-C.
    Interrupted,
    /// The node was lost in the middle.
    NodeLost(Fault),
    /// It ran to its end, but the node gave no report: its own counts are missing.
    NoReport(Fault),
}

/// How a test ended.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// By the node, or computed here where the node gave none.
    pub report: Report,
    /// Everything that was seen.
    pub samples: TestSamples,
    /// What is missing, if anything.
    pub partial: Option<Partial>,
    /// What the user should know beside the result.
    pub warnings: Vec<String>,
}

/// Runs a test; `watch` is called about twenty times a second.
///
/// # Errors
/// There is nothing to make even a part of a result of.
pub fn run(
    options: &SingleOptions,
    interrupt: &Interrupt,
    watch: &mut dyn FnMut(&Progress<'_>),
) -> Result<Outcome, Fault> {
    let mut test = Test::new(watch);
    test.tell(Step::Admitting);
    let (site, admission) = api::admit(&options.reach, Mode::Single, interrupt)?;
    let result = test.run_admitted(options, &site, &admission, interrupt);
    if !matches!(&result, Ok(Outcome { partial: None, .. })) {
        // It may be gone, or know already.
        let _ = api::end(&site, &admission);
    }
    result
}

struct Test<'a> {
    watch: &'a mut dyn FnMut(&Progress<'_>),
    start: Option<Instant>,
    started_at: SystemTime,
    phases: Vec<PhaseSpan>,
    log: SampleLog,
    load: LoadNotice,
    step: Step,
}

/// The loops of a test. Dropped, they end by themselves: their orders are then over.
struct Loops {
    probes: ProbeLink,
    load: LoadLoop,
}

struct LoadLoop {
    orders: Sender<LoadOrder>,
    notices: Receiver<LoadNotice>,
    thread: JoinHandle<std::io::Result<()>>,
}

/// Why the timeline ended.
enum Ended {
    AtItsEnd,
    Interrupted,
    Lost { at_us: u64 },
}

impl<'a> Test<'a> {
    fn new(watch: &'a mut dyn FnMut(&Progress<'_>)) -> Self {
        Self {
            watch,
            start: None,
            started_at: SystemTime::UNIX_EPOCH,
            phases: Vec::new(),
            log: SampleLog::default(),
            load: LoadNotice::default(),
            step: Step::Admitting,
        }
    }

    fn run_admitted(
        &mut self,
        options: &SingleOptions,
        site: &Site,
        admission: &TestAdmission,
        interrupt: &Interrupt,
    ) -> Result<Outcome, Fault> {
        self.phases = match options.duration {
            Some(duration) => measure::phases::scaled(duration),
            None => admission.phases.clone(),
        };
        self.tell(Step::Connecting);
        let plan = self.plan(options, site, admission)?;
        let (probes, transport) =
            ProbeLink::connect(probe_routes(site, admission)?, interrupt, &mut || {
                self.tell(Step::Connecting);
            })?;
        let load = self.start(&probes, plan)?;
        let loops = Loops { probes, load };
        let ended = self.run_timeline(&loops, interrupt);
        let halted_us = match ended {
            Ended::AtItsEnd => None,
            Ended::Interrupted => Some(self.elapsed_us()),
            Ended::Lost { at_us } => Some(at_us),
        };
        let listened_until_us = self.settle(loops, &ended);
        let mut samples = self.samples(transport, halted_us);
        samples.listened_until_us = listened_until_us;
        self.tell(Step::Reporting);
        self.report(site, admission, samples, &ended)
    }

    fn plan(
        &self,
        options: &SingleOptions,
        site: &Site,
        admission: &TestAdmission,
    ) -> Result<LoadPlan, Fault> {
        let way = |url: &str| Ok(site.route(url)?.with_query("test_id", &admission.test_id));
        Ok(LoadPlan {
            start: Instant::ORIGIN,
            phases: self.phases.clone(),
            download: way(&admission.endpoints.download)?,
            upload: way(&admission.endpoints.upload)?,
            status: site.route(&admission.endpoints.test)?,
            token: admission.token.clone(),
            flows_max: admission.flows_max,
            congestion_control: options.congestion_control.clone(),
        })
    }

    fn start(&mut self, probes: &ProbeLink, plan: LoadPlan) -> Result<LoadLoop, Fault> {
        let payload = Payload::create().map_err(|error| Fault::System(error.to_string()))?;
        let (orders, ordered) = bounded(2);
        let (told, notices) = bounded(NOTICES_MAX);
        let start = clock::monotonic_now() + START_LEAD;
        self.start = Some(start);
        self.started_at = SystemTime::now() + START_LEAD;
        probes.order(ProbeOrder::Run {
            start,
            interval_us: PROBE_INTERVAL_US,
            end_us: end_of(&self.phases),
        });
        let plan = LoadPlan { start, ..plan };
        let thread = load::spawn(plan, Arc::new(payload), ordered, told)
            .map_err(|error| Fault::System(format!("no thread: {error}")))?;
        Ok(LoadLoop {
            orders,
            notices,
            thread,
        })
    }

    fn run_timeline(&mut self, loops: &Loops, interrupt: &Interrupt) -> Ended {
        loop {
            if let Some(at_us) = self.listen(loops) {
                return Ended::Lost { at_us };
            }
            if interrupt.is_set() {
                return Ended::Interrupted;
            }
            if self.elapsed_us() >= end_of(&self.phases) {
                return Ended::AtItsEnd;
            }
            self.tell(Step::Running);
        }
    }

    /// Takes what the loops tell for a moment; when the probes are lost, since when.
    fn listen(&mut self, loops: &Loops) -> Option<u64> {
        let deadline = clock::monotonic_now() + LOOK_INTERVAL;
        let mut lost_us = None;
        loop {
            let left = deadline - clock::monotonic_now();
            match loops.probes.notices.recv_timeout(left) {
                Ok(ProbeNotice::Batch(batch)) => self.log.handle_batch(batch),
                Ok(ProbeNotice::Lost { at_us }) => lost_us = Some(at_us),
                Ok(ProbeNotice::Connected(_) | ProbeNotice::Unreachable) => {}
                Err(crossbeam_channel::RecvTimeoutError::Timeout) => break,
                // The loop itself failed: nothing is measured any more.
                Err(crossbeam_channel::RecvTimeoutError::Disconnected) => {
                    sleep(left);
                    lost_us = Some(self.elapsed_us());
                    break;
                }
            }
        }
        self.take_load(&loops.load.notices);
        lost_us
    }

    fn take_load(&mut self, notices: &Receiver<LoadNotice>) {
        if let Some(notice) = notices.try_iter().last() {
            self.phases.clone_from(&notice.phases);
            self.load = notice;
        }
    }

    /// Waits for the answers that are still out, and ends the loops. Returns until when was listened, where that was less than
    /// what counts as waiting for all.
    fn settle(&mut self, loops: Loops, ended: &Ended) -> Option<u64> {
        self.tell(Step::Settling);
        let limit = match ended {
            Ended::AtItsEnd => LATE_ANSWER_LIMIT,
            Ended::Interrupted => STOPPED_ANSWER_LIMIT,
            Ended::Lost { .. } => Duration::ZERO,
        };
        loops.probes.order(ProbeOrder::Hush);
        if !matches!(ended, Ended::AtItsEnd) {
            let _ = loops.load.orders.send(LoadOrder::End);
        }
        let begun = clock::monotonic_now();
        // The last probes' own entries have arrived then.
        let least = TELL_LIMIT.min(limit);
        loop {
            self.listen(&loops);
            self.tell(Step::Settling);
            let waited = clock::monotonic_now() - begun;
            if waited >= limit || (waited >= least && self.log.unanswered() == 0) {
                break;
            }
        }
        let until_us = self.elapsed_us();
        loops.probes.end();
        let _ = loops.load.orders.send(LoadOrder::End);
        // A thread that panicked has said so on standard error.
        let _ = loops.load.thread.join();
        self.take_load(&loops.load.notices);
        (!matches!(ended, Ended::AtItsEnd)).then_some(until_us)
    }

    fn samples(&self, probe_transport: ProbeTransport, halted_us: Option<u64>) -> TestSamples {
        let phases = match halted_us {
            Some(halted_us) => phases_until(&self.phases, halted_us),
            None => self.phases.clone(),
        };
        TestSamples {
            mode: Mode::Single,
            client: api::client_description(),
            started_at: humantime::format_rfc3339_millis(self.started_at).to_string(),
            probes: self.log.probes.clone(),
            listened_until_us: None,
            probe_transport,
            node_rtt: self.log.node_rtt.clone(),
            goodput: self.load.bins.samples(end_of(&phases)),
            flows: self.load.flows.clone(),
            device: DeviceSamples {
                probe_timer_late_us: self.log.timer_late_us.clone(),
                // What waits, waits in the kernel.
                upload_backlog_bytes_max: 0,
            },
            household: None,
            phases,
        }
    }

    fn report(
        &self,
        site: &Site,
        admission: &TestAdmission,
        samples: TestSamples,
        ended: &Ended,
    ) -> Result<Outcome, Fault> {
        // A second Ctrl-C ends the program at once; the first one has done its work.
        let asked = match ended {
            Ended::Lost { .. } => Err(Fault::NoAnswer(
                "the connection to the node was lost in the middle of the test".to_owned(),
            )),
            Ended::AtItsEnd | Ended::Interrupted => hand_in(site, admission, &samples),
        };
        let (report, partial) = match (asked, ended) {
            (Ok(report), Ended::Interrupted) => (report, Some(Partial::Interrupted)),
            (Ok(report), _) => (report, None),
            (Err(fault), ended) => {
                let computed =
                    measure::report::compute(&samples, NodeSummary::default(), &admission.test_id);
                let report = computed.map_err(|samples| {
                    Fault::Unexpected(format!("the samples make no result: {samples}"))
                })?;
                let partial = match ended {
                    Ended::AtItsEnd => Partial::NoReport(fault),
                    Ended::Interrupted => Partial::Interrupted,
                    Ended::Lost { .. } => Partial::NodeLost(fault),
                };
                (report, Some(partial))
            }
        };
        Ok(Outcome {
            report,
            samples,
            partial,
            warnings: self.warnings(),
        })
    }

    fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.load.has_other_congestion_control {
            warnings.push(
                "this machine lacks the congestion control that the uploads were to have; its own was used".to_owned(),
            );
        }
        if let Some(lost) = &self.load.lost {
            warnings.push(format!("not every load flow ran: {lost}"));
        }
        warnings
    }

    fn elapsed_us(&self) -> u64 {
        let Some(start) = self.start else {
            return 0;
        };
        u64::try_from((clock::monotonic_now() - start).as_micros()).unwrap_or(u64::MAX)
    }

    fn tell(&mut self, step: Step) {
        self.step = step;
        let elapsed_us = self.elapsed_us();
        (self.watch)(&Progress {
            step,
            elapsed_us,
            phases: &self.phases,
            log: &self.log,
            load: &self.load,
        });
    }
}

fn probe_routes(site: &Site, admission: &TestAdmission) -> Result<ProbeRoutes, Fault> {
    let way = |url: &str| Ok(site.route(url)?.with_query("test_id", &admission.test_id));
    Ok(ProbeRoutes {
        ping_role: way(&admission.endpoints.ping_ws)?,
        main_role: way(&admission.endpoints.ping_ws_fallback)?,
        http: site.route(&admission.endpoints.ping_http)?,
    })
}

fn hand_in(site: &Site, admission: &TestAdmission, samples: &TestSamples) -> Result<Report, Fault> {
    let mut last = Fault::Interrupted;
    for attempt in 0..REPORT_TRIES {
        if attempt > 0 {
            sleep(REPORT_PAUSE);
        }
        match api::report(site, admission, samples, &Interrupt::default()) {
            Ok(report) => return Ok(report),
            Err(fault @ Fault::Unexpected(_)) => return Err(fault),
            Err(fault) => last = fault,
        }
    }
    Err(last)
}
