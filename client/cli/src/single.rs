//! The single-user test from admission to report: the timeline, the probes beside it, the load of each stretch, and what is
//! left when it is cut short. No terminal and no statistics: those are the caller's, and `protocol`'s.

use std::time::Duration;

use protocol::measure;
use protocol::message::samples::{ProbeTransport, TestSamples};
use protocol::message::test::{Mode, PhaseSpan, TestAdmission};
use protocol::time::Instant;

use crate::address::Site;
use crate::api::{self, Reach};
use crate::fault::Fault;
use crate::interrupt::Interrupt;
use crate::line::{Line, Settling, Step};
use crate::load::stretch::{end_of, phase_at, phases_until};
use crate::load::{LoadLink, LoadNotice, LoadPlan};
use crate::outcome::{self, Ended, Outcome};
use crate::probe::{ProbeLink, ProbeOrder, ProbeRoutes};
use crate::sample_log::SampleLog;

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

/// Runs a test; `watch` is called about twenty times a second.
///
/// # Errors
/// There is nothing to make even a part of a result of.
pub fn run(
    options: &SingleOptions,
    interrupt: &Interrupt,
    watch: &mut dyn FnMut(&Progress<'_>),
) -> Result<Outcome, Fault> {
    let mut test = Test {
        watch,
        phases: Vec::new(),
        line: Line::new(),
        load: LoadNotice::default(),
    };
    test.tell(Step::Admitting);
    api::with_test(
        &options.reach,
        Mode::Single,
        interrupt,
        |site, admission| test.run_admitted(options, site, admission, interrupt),
    )
}

struct Test<'a> {
    watch: &'a mut dyn FnMut(&Progress<'_>),
    phases: Vec<PhaseSpan>,
    line: Line,
    load: LoadNotice,
}

/// The loops of a test. Dropped, they end by themselves: their orders are then over.
struct Loops {
    probes: ProbeLink,
    load: LoadLink,
}

impl Test<'_> {
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
        let phases = self.phases.clone();
        let congestion_control = options.congestion_control.clone();
        let plan = LoadPlan::new(site, admission, Instant::ORIGIN, phases, congestion_control)?;
        let routes = ProbeRoutes::of_test(site, admission)?;
        let (probes, transport) = ProbeLink::connect(routes, interrupt, &mut || {
            self.tell(Step::Connecting);
        })?;
        let start = self.line.start(&probes, end_of(&self.phases));
        let load = LoadLink::start(LoadPlan { start, ..plan })?;
        let loops = Loops { probes, load };
        let ended = self.run_timeline(&loops, interrupt);
        let halted_us = ended.halted_us(self.line.elapsed_us());
        let until_us = self.settle(loops, ended);
        let mut samples = self.samples(transport, halted_us);
        samples.listened_until_us = halted_us.map(|_| until_us);
        self.tell(Step::Reporting);
        outcome::conclude(site, admission, samples, ended, self.load.warnings())
    }

    fn run_timeline(&mut self, loops: &Loops, interrupt: &Interrupt) -> Ended {
        loop {
            self.listen(loops);
            if let Some(lost) = self.line.is_lost() {
                return lost;
            }
            if interrupt.is_set() {
                return Ended::Interrupted;
            }
            if self.line.elapsed_us() >= end_of(&self.phases) {
                return Ended::AtItsEnd;
            }
            self.tell(Step::Running);
        }
    }

    /// Takes what the loops tell for a moment.
    fn listen(&mut self, loops: &Loops) {
        self.line.listen(&loops.probes);
        self.take_load(loops.load.newest());
    }

    fn take_load(&mut self, notice: Option<LoadNotice>) {
        if let Some(notice) = notice {
            self.phases.clone_from(&notice.phases);
            self.load = notice;
        }
    }

    /// Waits for the answers that are still out, and ends the loops. Returns until when was listened, µs since the start.
    fn settle(&mut self, loops: Loops, ended: Ended) -> u64 {
        self.tell(Step::Settling);
        loops.probes.order(ProbeOrder::Hush);
        if ended != Ended::AtItsEnd {
            loops.load.stop();
        }
        let settling = Settling::after(ended);
        loop {
            self.listen(&loops);
            self.tell(Step::Settling);
            if settling.is_over(self.line.log.unanswered() == 0) {
                break;
            }
        }
        let until_us = self.line.elapsed_us();
        loops.probes.end();
        self.take_load(loops.load.end());
        until_us
    }

    fn samples(&self, transport: ProbeTransport, halted_us: Option<u64>) -> TestSamples {
        let phases = match halted_us {
            Some(halted_us) => phases_until(&self.phases, halted_us),
            None => self.phases.clone(),
        };
        TestSamples {
            goodput: self.load.bins.samples(end_of(&phases)),
            flows: self.load.flows.clone(),
            phases,
            ..self.line.samples(Mode::Single, transport)
        }
    }

    fn tell(&mut self, step: Step) {
        (self.watch)(&Progress {
            step,
            elapsed_us: self.line.elapsed_us(),
            phases: &self.phases,
            log: &self.line.log,
            load: &self.load,
        });
    }
}
