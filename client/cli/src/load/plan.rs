//! What the load loop is asked to do, and what it tells.

use protocol::message::samples::FlowCountSample;
use protocol::message::test::{PhaseSpan, TestAdmission};
use protocol::time::Instant;

use super::congestion_control::OTHER_CONGESTION_CONTROL;
use super::goodput_bins::GoodputBins;
use crate::address::{Route, Site};
use crate::fault::Fault;

/// What the load is to be.
#[derive(Clone, Debug)]
pub struct LoadPlan {
    /// When the test starts.
    pub start: Instant,
    /// The timeline, µs since the start.
    pub phases: Vec<PhaseSpan>,
    /// Where downloads come from, the test's id included.
    pub download: Route,
    /// Where uploads go, the test's id included.
    pub upload: Route,
    /// Where the node says what it counts.
    pub status: Route,
    /// The test's own token.
    pub token: String,
    /// Most flows in one direction.
    pub flows_max: u32,
    /// TCP congestion control of the uploads; `None` leaves the machine's own.
    pub congestion_control: Option<String>,
}

impl LoadPlan {
    /// Of an admitted test, from `start` on.
    ///
    /// # Errors
    /// The node names URLs that can't be used.
    pub fn new(
        site: &Site,
        admission: &TestAdmission,
        start: Instant,
        phases: Vec<PhaseSpan>,
        congestion_control: Option<String>,
    ) -> Result<Self, Fault> {
        let endpoints = &admission.endpoints;
        Ok(Self {
            start,
            phases,
            download: site.route_in_test(&endpoints.download, &admission.test_id)?,
            upload: site.route_in_test(&endpoints.upload, &admission.test_id)?,
            status: site.route(&endpoints.test)?,
            token: admission.token.clone(),
            flows_max: admission.flows_max,
            congestion_control,
        })
    }
}

/// What the loop is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum LoadOrder {
    /// End every flow and the loop.
    End,
}

/// What the loop tells, ten times a second.
#[derive(Clone, Debug, Default)]
pub struct LoadNotice {
    /// All that was received so far.
    pub bins: GoodputBins,
    /// Every change of the number of flows so far.
    pub flows: Vec<FlowCountSample>,
    /// The phases, as they are counted.
    pub phases: Vec<PhaseSpan>,
    /// How many flows of the test the node has open, and when it was asked, µs since the start; `None` until it has answered.
    pub node_open_flows: Option<(u64, u32)>,
    /// Why a flow was lost or refused, the newest.
    pub lost: Option<String>,
    /// The uploads could not be given the congestion control that was asked for.
    pub has_other_congestion_control: bool,
}

impl LoadNotice {
    /// What the user should know of the load beside the result.
    #[must_use]
    pub fn warnings(&self) -> Vec<String> {
        let mut warnings = Vec::new();
        if self.has_other_congestion_control {
            warnings.push(OTHER_CONGESTION_CONTROL.to_owned());
        }
        if let Some(lost) = &self.lost {
            warnings.push(format!("not every load flow ran: {lost}"));
        }
        warnings
    }
}
