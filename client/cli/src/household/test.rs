//! The household test from admission to report: the line's own probes, what the line carries (in adaptive mode), and then all
//! users at once. No terminal and no statistics: those are the caller's, and `protocol`'s.

use std::time::Duration;

use engine::runtime::sys::clock;
use protocol::message::household::{DemandMode, HouseholdSamples};
use protocol::message::profile::{HouseholdCatalogue, HouseholdPhase, HouseholdSpan};
use protocol::message::samples::{Direction, ProbeTransport, TestSamples};
use protocol::message::test::{Mode, TestAdmission};
use protocol::time::Instant;

use super::downlink::recorded_flows;
use super::timeline::{capacity_phases, end_of, phases_until, put_off_traffic, scaled, span_of};
use super::user::{User, UserNow, UserRun};
use super::user_link::UserLink;
use super::user_loop::{UserOrder, UserPlan};
use crate::address::Site;
use crate::api::{self, Reach};
use crate::fault::Fault;
use crate::interrupt::Interrupt;
use crate::line::{Line, ORDER_LEAD, Settling, Step, micros};
use crate::load::{LoadLink, LoadNotice, LoadPlan, OTHER_CONGESTION_CONTROL};
use crate::outcome::{self, Ended, Outcome};
use crate::probe::{ProbeLink, ProbeOrder, ProbeRoutes};
use crate::sample_log::SampleLog;

/// All users together may take this long to have their sessions.
const CONNECT_LIMIT: Duration = Duration::from_secs(8);
/// How long the node may take to agree that the capacity flows are gone before the traffic begins all the same.
const GONE_LIMIT: Duration = Duration::from_secs(3);
/// The end of a capacity phase over which the line's capacity is taken: the flows have ramped up by then, µs.
const CAPACITY_WINDOW_US: u64 = 2_000_000;

/// What is asked of a test.
#[derive(Clone, Debug)]
pub struct HouseholdOptions {
    /// Which node.
    pub reach: Reach,
    /// Where the transfers' demand comes from.
    pub demand: DemandMode,
    /// How long the whole test lasts; `None` follows the node's timeline. Every phase keeps its share.
    pub duration: Option<Duration>,
    /// TCP congestion control of everything that is sent; `None` leaves the machine's own.
    pub congestion_control: Option<String>,
}

/// A running test, for watching.
#[derive(Debug)]
pub struct HouseholdProgress<'a> {
    /// Where it is.
    pub step: Step,
    /// Since the start, µs.
    pub elapsed_us: u64,
    /// The timeline, as it runs; empty until the node has given it.
    pub phases: &'a [HouseholdSpan],
    /// The line's own probes.
    pub log: &'a SampleLog,
    /// What measures the capacity.
    pub load: &'a LoadNotice,
    /// The users, in the order of the catalogue.
    pub users: Vec<&'a UserNow>,
}

impl HouseholdProgress<'_> {
    /// The phase that runs now.
    #[must_use]
    pub fn phase(&self) -> Option<HouseholdSpan> {
        let spans = self.phases.iter().copied();
        spans.into_iter().find(|span| self.elapsed_us < span.end_us)
    }
}

/// Runs a test; `watch` is called about twenty times a second.
///
/// # Errors
/// There is nothing to make even a part of a result of.
pub fn run(
    options: &HouseholdOptions,
    interrupt: &Interrupt,
    watch: &mut dyn FnMut(&HouseholdProgress<'_>),
) -> Result<Outcome, Fault> {
    let mut test = Test {
        options,
        interrupt,
        watch,
        phases: Vec::new(),
        line: Line::new(),
        load: LoadNotice::default(),
        users: Vec::new(),
        capacity: Capacity::default(),
    };
    test.tell(Step::Admitting);
    api::with_test(
        &options.reach,
        Mode::Household,
        interrupt,
        |site, admission| test.run_admitted(site, admission),
    )
}

struct Test<'a> {
    options: &'a HouseholdOptions,
    interrupt: &'a Interrupt,
    watch: &'a mut dyn FnMut(&HouseholdProgress<'_>),
    phases: Vec<HouseholdSpan>,
    line: Line,
    load: LoadNotice,
    /// Dropped, their loops end by themselves.
    users: Vec<UserLink>,
    capacity: Capacity,
}

/// What the line carries, Mbit/s; `None` where it was not measured.
#[derive(Clone, Copy, Debug, Default)]
struct Capacity {
    down_mbps: Option<f64>,
    up_mbps: Option<f64>,
}

impl Test<'_> {
    fn run_admitted(&mut self, site: &Site, admission: &TestAdmission) -> Result<Outcome, Fault> {
        let profiles = "/virtual-household/profiles";
        let catalogue: HouseholdCatalogue = api::get(site, profiles, self.interrupt)?;
        self.phases = match self.options.demand {
            DemandMode::Adaptive => catalogue.adaptive_phases.clone(),
            DemandMode::Standard => catalogue.standard_phases.clone(),
        };
        if let Some(duration) = self.options.duration {
            self.phases = scaled(&self.phases, duration);
        }
        self.tell(Step::Connecting);
        self.start_users(site, admission, catalogue)?;
        let routes = ProbeRoutes::of_test(site, admission)?;
        let interrupt = self.interrupt;
        let (probes, transport) = ProbeLink::connect(routes, interrupt, &mut || {
            self.tell(Step::Connecting);
        })?;
        self.await_users(&probes)?;
        // The traffic may begin late; the probes stop when they are told to.
        let slack_us = micros(GONE_LIMIT + ORDER_LEAD);
        let start = self.line.start(&probes, end_of(&self.phases) + slack_us);
        let ended = self.run_timeline(site, admission, &probes, start)?;
        let halted_us = ended.halted_us(self.line.elapsed_us());
        if let Some(halted_us) = halted_us {
            self.phases = phases_until(&self.phases, halted_us);
        }
        self.settle(&probes, ended);
        let until_us = self.line.elapsed_us();
        probes.end();
        let warnings = self.warnings();
        let samples = TestSamples {
            listened_until_us: halted_us.map(|_| until_us),
            ..self.samples(transport)?
        };
        self.tell(Step::Reporting);
        outcome::conclude(site, admission, samples, ended, warnings)
    }

    fn start_users(
        &mut self,
        site: &Site,
        admission: &TestAdmission,
        catalogue: HouseholdCatalogue,
    ) -> Result<(), Fault> {
        let traffic = span_of(&self.phases, HouseholdPhase::Traffic);
        let traffic_s = traffic.map_or(0.0, |span| (span.end_us - span.start_us) as f64 / 1e6);
        let test_s = end_of(&self.phases) as f64 / 1e6;
        let recorded = recorded_flows(&catalogue.profiles, test_s, traffic_s);
        for (profile, recorded) in catalogue.profiles.into_iter().zip(&recorded) {
            let plan = UserPlan {
                site: site.clone(),
                test_id: admission.test_id.clone(),
                congestion_control: self.options.congestion_control.clone(),
            };
            self.users
                .push(UserLink::start(plan, User::new(profile, recorded))?);
        }
        Ok(())
    }

    fn await_users(&mut self, probes: &ProbeLink) -> Result<(), Fault> {
        let deadline = clock::monotonic_now() + CONNECT_LIMIT;
        while !self.users.iter().all(|user| user.notice.is_connected) {
            if self.interrupt.is_set() {
                return Err(Fault::Interrupted);
            }
            if clock::monotonic_now() >= deadline {
                return Err(self.no_session());
            }
            self.listen(probes);
            self.tell(Step::Connecting);
        }
        Ok(())
    }

    /// Why not everybody has a session.
    fn no_session(&self) -> Fault {
        let missing = || self.users.iter().filter(|user| !user.notice.is_connected);
        let names: Vec<&str> = missing().map(|user| user.name.as_str()).collect();
        let names = names.join(", ");
        match missing().find_map(|user| user.notice.refusal.as_ref()) {
            Some(refusal) => Fault::Refused {
                message: format!("no session for {names}: {refusal}"),
                retry_after_s: None,
                queue_position: None,
            },
            None => Fault::NoAnswer(format!(
                "the node answers, but no session could be opened for {names}"
            )),
        }
    }

    fn run_timeline(
        &mut self,
        site: &Site,
        admission: &TestAdmission,
        probes: &ProbeLink,
        start: Instant,
    ) -> Result<Ended, Fault> {
        if self.options.demand == DemandMode::Adaptive {
            let phases = capacity_phases(&self.phases);
            let congestion_control = self.options.congestion_control.clone();
            let plan = LoadPlan::new(site, admission, start, phases, congestion_control)?;
            let ended = self.measure_capacity(probes, LoadLink::start(plan)?);
            if ended != Ended::AtItsEnd {
                return Ok(ended);
            }
        }
        Ok(self.run_traffic(probes, start))
    }

    /// What the line carries each way, one after the other.
    fn measure_capacity(&mut self, probes: &ProbeLink, load: LoadLink) -> Ended {
        let up = span_of(&self.phases, HouseholdPhase::CapacityUp);
        let up_end_us = up.map_or(0, |span| span.end_us);
        let gone_us = up_end_us + micros(GONE_LIMIT);
        // The line's probe and the users' sessions stay.
        let ours = 1 + self.users.len();
        let ended = self.run_until(probes, |test, now_us| {
            if let Some(notice) = load.newest() {
                test.load = notice;
            }
            // The users shall find the line empty.
            let are_gone = test.load.node_open_flows.is_some_and(|(asked_us, flows)| {
                asked_us >= up_end_us && usize::try_from(flows).is_ok_and(|flows| flows <= ours)
            });
            now_us >= up_end_us && (are_gone || now_us >= gone_us)
        });
        if let Some(notice) = load.end() {
            self.load = notice;
        }
        let cut_us = ended.halted_us(self.line.elapsed_us());
        self.capacity = Capacity {
            down_mbps: self.carried_mbps(HouseholdPhase::CapacityDown, Direction::Down, cut_us),
            up_mbps: self.carried_mbps(HouseholdPhase::CapacityUp, Direction::Up, cut_us),
        };
        ended
    }

    /// In a capacity phase that ran to its end.
    fn carried_mbps(
        &self,
        phase: HouseholdPhase,
        direction: Direction,
        cut_us: Option<u64>,
    ) -> Option<f64> {
        let span = span_of(&self.phases, phase)?;
        if cut_us.is_some_and(|cut_us| cut_us < span.end_us) {
            return None;
        }
        let window_us = span.end_us.saturating_sub(CAPACITY_WINDOW_US);
        let from_us = span.start_us.max(window_us);
        let mbps = self.load.bins.mean_mbps(direction, from_us, span.end_us);
        (mbps > 0.0).then_some(mbps)
    }

    fn run_traffic(&mut self, probes: &ProbeLink, start: Instant) -> Ended {
        let planned = span_of(&self.phases, HouseholdPhase::Traffic);
        let planned_us = planned.map_or(0, |span| span.start_us);
        let lead_us = micros(ORDER_LEAD);
        let ended = self.run_until(probes, |_, now_us| now_us + lead_us >= planned_us);
        if ended != Ended::AtItsEnd {
            return ended;
        }
        // Later where the line was not empty in time.
        let from_us = self.line.elapsed_us() + lead_us;
        let Some(traffic) = put_off_traffic(&mut self.phases, from_us) else {
            return Ended::AtItsEnd;
        };
        let run = UserRun {
            start,
            from_us: traffic.start_us,
            to_us: traffic.end_us,
            capacity_down_mbps: match self.options.demand {
                DemandMode::Adaptive => Some(self.capacity.down_mbps.unwrap_or(0.0)),
                DemandMode::Standard => None,
            },
        };
        for user in &self.users {
            user.order(UserOrder::Run(run));
        }
        self.run_until(probes, |_, now_us| now_us >= traffic.end_us)
    }

    fn run_until(
        &mut self,
        probes: &ProbeLink,
        mut is_enough: impl FnMut(&mut Self, u64) -> bool,
    ) -> Ended {
        loop {
            self.listen(probes);
            if let Some(lost) = self.line.is_lost() {
                return lost;
            }
            if self.interrupt.is_set() {
                return Ended::Interrupted;
            }
            let now_us = self.line.elapsed_us();
            if is_enough(self, now_us) {
                return Ended::AtItsEnd;
            }
            self.tell(Step::Running);
        }
    }

    /// Takes what the loops tell for a moment.
    fn listen(&mut self, probes: &ProbeLink) {
        self.line.listen(probes);
        for user in &mut self.users {
            user.listen();
        }
    }

    /// Stops what is still sent, and waits for the answers and totals that are out.
    fn settle(&mut self, probes: &ProbeLink, ended: Ended) {
        self.tell(Step::Settling);
        probes.order(ProbeOrder::Hush);
        if ended != Ended::AtItsEnd {
            for user in &self.users {
                user.order(UserOrder::Stop);
            }
        }
        let settling = Settling::after(ended);
        loop {
            self.listen(probes);
            self.tell(Step::Settling);
            let are_finished = self.users.iter().all(|user| user.notice.is_finished);
            if settling.is_over(self.line.log.unanswered() == 0 && are_finished) {
                return;
            }
        }
    }

    /// Everything that was seen; the users' loops are over then.
    fn samples(&mut self, transport: ProbeTransport) -> Result<TestSamples, Fault> {
        let end_us = end_of(&self.phases);
        let links = std::mem::take(&mut self.users);
        for link in &links {
            link.order(UserOrder::End);
        }
        let users: Result<Vec<User>, Fault> = links.into_iter().map(UserLink::end).collect();
        Ok(TestSamples {
            household: Some(HouseholdSamples {
                demand: self.options.demand,
                phases: self.phases.clone(),
                capacity_down_mbps: self.capacity.down_mbps,
                capacity_up_mbps: self.capacity.up_mbps,
                users: users?.iter().map(|user| user.samples(end_us)).collect(),
            }),
            ..self.line.samples(Mode::Household, transport)
        })
    }

    fn warnings(&self) -> Vec<String> {
        let mut warnings = self.load.warnings();
        let has_other = |user: &UserLink| user.notice.has_other_congestion_control;
        if !self.load.has_other_congestion_control && self.users.iter().any(has_other) {
            warnings.push(OTHER_CONGESTION_CONTROL.to_owned());
        }
        for user in self.users.iter().filter(|user| user.notice.reopened > 0) {
            warnings.push(format!(
                "{}'s session broke and was opened again, {}×",
                user.name, user.notice.reopened
            ));
        }
        warnings
    }

    fn tell(&mut self, step: Step) {
        (self.watch)(&HouseholdProgress {
            step,
            elapsed_us: self.line.elapsed_us(),
            phases: &self.phases,
            log: &self.line.log,
            load: &self.load,
            users: self.users.iter().map(|user| &user.notice.now).collect(),
        });
    }
}
