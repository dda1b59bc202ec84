//! Traffic profiles: who is in the household, and what their traffic looks like on the wire.
//!
//! Owns the catalogue as data and the rules for one more user from the configuration. Refuses to know processes, sockets
//! and time: `pacing` turns a flow into messages, the engine turns a profile into a role.

mod assemble;
mod catalogue;
mod definition;
mod fault;
mod flow;

pub use assemble::assemble;
pub use catalogue::catalogue;
pub use definition::{FlowDefinition, PatternName, ProfileDefinition};
pub use fault::ProfileFault;
pub use flow::FlowProfile;

use serde::{Deserialize, Serialize};

use crate::message::profile::{ExperienceModel, ProfileDescription};
use crate::message::samples::Direction;

/// A profile whose every number is within its bounds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Profile {
    /// The user's name in addresses.
    pub user_id: String,
    /// The user's name for people.
    pub name: String,
    /// What they do, in a word or two.
    pub activity: String,
    /// What that is like, in a sentence.
    pub description: String,
    /// The port of its own process; `None`: the next free one after the other profiles'.
    pub port: Option<u16>,
    /// How the user's experience is judged.
    pub model: ExperienceModel,
    /// At least one, at most [`crate::limits::PROFILE_FLOWS_MAX`]; a flow's place is its number on the wire.
    pub flows: Vec<FlowProfile>,
}

impl Profile {
    /// Bits a second in one direction while sending.
    #[must_use]
    pub fn rate_bps(&self, direction: Direction) -> u64 {
        self.towards(direction).map(|flow| flow.rate_bps).sum()
    }

    /// The same as a mean over the pauses.
    #[must_use]
    pub fn mean_rate_bps(&self, direction: Direction) -> u64 {
        self.towards(direction)
            .map(FlowProfile::mean_rate_bps)
            .sum()
    }

    /// The rates of the flows, in their order, when the rate of one direction is changed to `rate_bps`: each flow keeps
    /// its share, within what its pattern can do.
    #[must_use]
    pub fn rates_for_demand(&self, direction: Direction, rate_bps: u64) -> Vec<u64> {
        let whole = u128::from(self.rate_bps(direction).max(1));
        self.flows
            .iter()
            .map(|flow| {
                if flow.direction != direction {
                    return flow.rate_bps;
                }
                let share = u128::from(flow.rate_bps) * u128::from(rate_bps) / whole;
                flow.clamp_rate_bps(u64::try_from(share).unwrap_or(u64::MAX))
            })
            .collect()
    }

    /// For the catalogue's endpoint and the session's welcome, with the port where the user is served.
    #[must_use]
    pub fn describe(&self, port: u16) -> ProfileDescription {
        let mbps = |bps: u64| bps as f64 / 1e6;
        ProfileDescription {
            user_id: self.user_id.clone(),
            name: self.name.clone(),
            activity: self.activity.clone(),
            description: self.description.clone(),
            port,
            model: self.model,
            down_mbps: mbps(self.rate_bps(Direction::Down)),
            up_mbps: mbps(self.rate_bps(Direction::Up)),
            mean_down_mbps: mbps(self.mean_rate_bps(Direction::Down)),
            mean_up_mbps: mbps(self.mean_rate_bps(Direction::Up)),
            flows: self.flows.iter().map(FlowProfile::describe).collect(),
        }
    }

    fn towards(&self, direction: Direction) -> impl Iterator<Item = &FlowProfile> {
        self.flows
            .iter()
            .filter(move |flow| flow.direction == direction)
    }
}
