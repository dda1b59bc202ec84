//! One run of the load: plays the households on their loops while a watch is kept on the node.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use engine::runtime::sys::clock;
use protocol::message::profile::ProfileDescription;
use protocol::profile::{FlowProfile, Profile};
use protocol::time::Instant;

use crate::load::player::Player;
use crate::load::players::{Lag, Players, Records};
use crate::load::probes::{ProbeRecords, Probes};
use crate::load::{self, Plan};
use crate::node::Node;

/// Connections are made before the first traffic starts.
const SETTLE: Duration = Duration::from_secs(2);
/// After the planned end, the loops tell what they have within this.
const TELL_LIMIT: Duration = Duration::from_secs(20);

/// What is to be played.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Load {
    pub(crate) households: usize,
    pub(crate) duration: Duration,
    /// From the first household's start to that of the one after the last, spread evenly.
    pub(crate) spread: Duration,
    /// Loops that play the users.
    pub(crate) loops: usize,
    /// Whether a session that ended early is followed by another.
    pub(crate) reconnects: bool,
}

/// A load that runs.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) plan: Plan,
    pub(crate) profiles: Vec<Arc<Profile>>,
    loops: usize,
    players: Receiver<Records>,
    probes: Receiver<ProbeRecords>,
}

/// Everything that was written down.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) profiles: Vec<Arc<Profile>>,
    pub(crate) players: Vec<Player>,
    pub(crate) lags: Vec<Lag>,
    pub(crate) probes: ProbeRecords,
}

impl Running {
    /// Starts the loops; traffic follows a moment later.
    ///
    /// # Errors
    /// When the node has no catalogue, or the system no thread.
    pub(crate) fn start(node: &Node, load: Load) -> Result<Self> {
        let catalogue = node.catalogue()?;
        let profiles: Vec<Arc<Profile>> = catalogue
            .profiles
            .iter()
            .map(|description| Arc::new(profile(description)))
            .collect();
        ensure!(!profiles.is_empty(), "the node has no users");
        let start = clock::monotonic_now() + SETTLE;
        let plan = Plan {
            main: node.main,
            ping: node.ping,
            start,
            duration: load.duration,
            end: start + load.spread + load.duration,
            reconnects: load.reconnects,
        };
        let (told, players) = channel();
        let mut shares: Vec<Vec<Player>> = (0..load.loops.max(1)).map(|_| Vec::new()).collect();
        for household in 0..load.households {
            let start_at = plan.start + offset(load, household);
            for profile in &profiles {
                let stop_at = start_at + plan.duration;
                let player = Player::new(household, Arc::clone(profile), start_at, stop_at);
                let share = household % shares.len();
                shares[share].push(player);
            }
        }
        let loops = shares.len();
        for share in shares {
            load::spawn("players", Players::new(plan, share, told.clone())?)?;
        }
        let (told, probes) = channel();
        load::spawn("probes", Probes::new(plan, load.households, told))?;
        Ok(Self {
            plan,
            profiles,
            loops,
            players,
            probes,
        })
    }

    /// Calls `watch` about once in `interval` until the traffic is over.
    pub(crate) fn watch(&self, interval: Duration, mut watch: impl FnMut()) {
        while clock::monotonic_now() < self.plan.end {
            watch();
            let left = self.plan.end - clock::monotonic_now();
            sleep(interval.min(left));
        }
    }

    /// Waits for a moment of the run.
    pub(crate) fn wait_until(moment: Instant) {
        sleep(moment - clock::monotonic_now());
    }

    /// Waits for the loops' ends.
    ///
    /// # Errors
    /// When one tells nothing: it has said why on standard error.
    pub(crate) fn finish(self) -> Result<Outcome> {
        Self::wait_until(self.plan.end);
        let mut outcome = Outcome {
            profiles: self.profiles,
            players: Vec::new(),
            lags: Vec::new(),
            probes: ProbeRecords::default(),
        };
        for _ in 0..self.loops {
            let records = self.players.recv_timeout(TELL_LIMIT);
            let records = records.context("a loop of users told nothing")?;
            outcome.players.extend(records.players);
            outcome.lags.extend(records.lags);
        }
        outcome.probes = self
            .probes
            .recv_timeout(TELL_LIMIT)
            .context("the loop of probes told nothing")?;
        Ok(outcome)
    }
}

fn offset(load: Load, household: usize) -> Duration {
    let households = u32::try_from(load.households.max(1)).unwrap_or(u32::MAX);
    load.spread / households * u32::try_from(household).unwrap_or(0)
}

fn profile(description: &ProfileDescription) -> Profile {
    Profile {
        user_id: description.user_id.clone(),
        name: description.name.clone(),
        activity: description.activity.clone(),
        description: description.description.clone(),
        port: Some(description.port),
        model: description.model,
        flows: description
            .flows
            .iter()
            .map(|flow| FlowProfile {
                direction: flow.direction,
                rate_bps: flow.rate_bps,
                pattern: flow.pattern,
            })
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn households_start_evenly_spread() {
        let load = Load {
            households: 4,
            duration: Duration::from_secs(30),
            spread: Duration::from_secs(5),
            loops: 1,
            reconnects: false,
        };
        let offsets: Vec<u128> = (0..4).map(|h| offset(load, h).as_millis()).collect();
        assert_eq!(offsets, [0, 1_250, 2_500, 3_750]);
    }

    #[test]
    fn a_profile_survives_its_description() {
        for user in protocol::profile::catalogue() {
            let port = user.port.unwrap_or(1);
            assert_eq!(profile(&user.describe(port)).flows, user.flows);
        }
    }
}
