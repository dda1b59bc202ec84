//! What the load loop is asked to do, and what it tells.

use protocol::message::samples::FlowCountSample;
use protocol::message::test::PhaseSpan;
use protocol::time::Instant;

use super::goodput_bins::GoodputBins;
use crate::address::Route;

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

/// What the loop is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LoadOrder {
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
    /// Why a flow was lost or refused, the newest.
    pub lost: Option<String>,
    /// The uploads could not be given the congestion control that was asked for.
    pub has_other_congestion_control: bool,
}
