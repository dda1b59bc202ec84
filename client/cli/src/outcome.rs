//! How a test ends, whatever its mode: at its end, by Ctrl-C or without its node; and the result that can still be had then.
//! Refuses to know what was measured and how: it has the samples.

use std::thread::sleep;
use std::time::Duration;

use protocol::measure;
use protocol::message::branding::Sponsor;
use protocol::message::report::{NodeSummary, Report};
use protocol::message::samples::TestSamples;
use protocol::message::test::TestAdmission;

use crate::address::Site;
use crate::api;
use crate::fault::Fault;
use crate::interrupt::Interrupt;

/// Tries to hand the samples in, and the pause between them.
const REPORT_TRIES: u32 = 3;
const REPORT_PAUSE: Duration = Duration::from_secs(1);

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
    /// Who runs the node; `None` where it does not say.
    pub sponsor: Option<Sponsor>,
}

/// Why a timeline ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    AtItsEnd,
    Interrupted,
    /// What was measured before, µs since the start, is sound.
    Lost {
        at_us: u64,
    },
}

impl Ended {
    /// When it was cut short, µs since the start; `None` when it was not. `now_us` is when Ctrl-C was seen.
    pub(crate) const fn halted_us(self, now_us: u64) -> Option<u64> {
        match self {
            Self::AtItsEnd => None,
            Self::Interrupted => Some(now_us),
            Self::Lost { at_us } => Some(at_us),
        }
    }
}

/// The node's report, or one computed here where the node gives none.
pub(crate) fn conclude(
    site: &Site,
    admission: &TestAdmission,
    samples: TestSamples,
    ended: Ended,
    warnings: Vec<String>,
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
        (Ok(report), Ended::AtItsEnd | Ended::Lost { .. }) => (report, None),
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
        warnings,
        sponsor: None,
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
