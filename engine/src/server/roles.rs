//! Roles as data: what a process is called, where it listens, what it serves, in how many processes, with how many loops.
//!
//! A new role is a new row here, and a profile in the configuration is one by itself; nothing else asks which role it is.

use protocol::message::profile::ExperienceModel;
use protocol::profile::Profile;
use serde::{Deserialize, Serialize};

use super::config::Config;

/// A kind of endpoints that a role may serve.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndpointGroup {
    /// The page and its assets.
    Page,
    /// Admission, reports and ends of tests.
    Api,
    /// Latency probes.
    Ping,
    /// Download and upload at full speed.
    Bulk,
    /// Profile sessions.
    Profile,
    /// Who the users are and where their sessions are.
    Household,
    /// Whether the node can be used; every role says it.
    Health,
    /// Statistics and metrics of the whole node, for its operator.
    Status,
    /// The way to HTTPS, for those who came by HTTP.
    Redirect,
}

/// Some groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointSet(u16);

impl EndpointSet {
    /// The set of `groups`.
    #[must_use]
    pub const fn of(groups: &[EndpointGroup]) -> Self {
        let mut bits = 0;
        let mut index = 0;
        while index < groups.len() {
            bits |= 1 << groups[index] as u16;
            index += 1;
        }
        Self(bits)
    }

    /// Whether `group` is in it.
    #[must_use]
    pub const fn contains(self, group: EndpointGroup) -> bool {
        self.0 & (1 << group as u16) != 0
    }
}

/// One role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    /// Its slot on the scoreboard.
    pub index: usize,
    /// Its name, in `ps`, logs and health; a profile's `user_id`.
    pub name: String,
    /// The configured port; 0 lets the kernel choose.
    pub port: u16,
    /// What it serves.
    pub endpoints: EndpointSet,
    /// How many processes it has; the kernel spreads connections over them.
    pub processes: usize,
    /// How many event loops each of them has.
    pub loops: usize,
    /// Whether each loop is bound to a core: right for loops that fill theirs, wrong for those that must go where there
    /// is room.
    pub is_pinned: bool,
    /// Scheduling priority of its loops, as `nice` counts: lower goes first. Below 0 needs root or `CAP_SYS_NICE`.
    pub nice: i8,
}

/// Name of the main role.
pub const MAIN: &str = "main";
/// Name of the ping role.
pub const PING: &str = "ping";
/// Name of the role that sends those who came by HTTP to HTTPS.
pub const REDIRECT: &str = "redirect";

impl Role {
    /// Whether its clients speak TLS, if the node does at all.
    #[must_use]
    pub const fn speaks_tls(&self) -> bool {
        !self.endpoints.contains(EndpointGroup::Redirect)
    }
}

/// The roles of a node with this configuration, in the order of their slots: main, ping, one for each profile, and the
/// redirection to HTTPS, if there is one.
///
/// At most `processes_max` processes serve profiles, shared evenly: each profile has as many as divide without a rest,
/// at least one. Profiles beyond the bound have no role; main serves them, as it does those whose role is down. Where all
/// roles share one process, each has its loops there once.
#[must_use]
pub fn roles(config: &Config) -> Vec<Role> {
    use EndpointGroup::{Api, Bulk, Health, Household, Page, Ping, Profile, Redirect, Status};
    // At most 64 by its type.
    let processes_max = config.processes_max.get() as usize;
    let (served, processes) = if config.multiprocess {
        let served = config.profiles.len().min(processes_max);
        (served, processes_max / served.max(1))
    } else {
        (config.profiles.len(), 1)
    };
    let main = Role {
        index: 0,
        name: MAIN.to_owned(),
        port: config.port,
        endpoints: EndpointSet::of(&[Page, Api, Ping, Bulk, Profile, Household, Health, Status]),
        processes: 1,
        // At most 64 by its type.
        loops: config.loops.get() as usize,
        is_pinned: true,
        nice: 0,
    };
    // One loop: probes are a few packets a second, and nothing else may ever run here.
    let ping = Role {
        index: 1,
        name: PING.to_owned(),
        port: config.ping_port,
        endpoints: EndpointSet::of(&[Ping, Health]),
        processes: 1,
        loops: 1,
        is_pinned: false,
        nice: PING_NICE,
    };
    let profiles = config.profiles[..served]
        .iter()
        .enumerate()
        .map(|(index, profile)| Role {
            index: 2 + index,
            processes,
            ..profile_role(profile)
        });
    let redirect = config.http_redirect_port.map(|port| Role {
        index: 2 + served,
        name: REDIRECT.to_owned(),
        port,
        endpoints: EndpointSet::of(&[Redirect]),
        processes: 1,
        loops: 1,
        is_pinned: false,
        nice: 0,
    });
    [main, ping]
        .into_iter()
        .chain(profiles)
        .chain(redirect)
        .collect()
}

/// An echo must not wait for the load that it measures. On two cores under eight downloads the 99th percentile of the
/// turnaround was 165 to 800 µs in five runs, against 240 to 6 900 µs at the usual priority.
const PING_NICE: i8 = -10;
/// A release must come when the schedule says. Under the same load the 99th percentile of the error of Alex's 15.6 ms
/// was 1.2 to 3.5 ms in three runs, against 5.1 to 7.2 ms at the usual priority.
const PACED_NICE: i8 = -5;

/// The role of one profile, in one process.
fn profile_role(profile: &Profile) -> Role {
    use EndpointGroup::{Bulk, Health, Profile};
    let (endpoints, nice) = match profile.model {
        // Updates may be fetched as fast as the line takes them, too, and can wait.
        ExperienceModel::Bulk => (EndpointSet::of(&[Profile, Bulk, Health]), 0),
        ExperienceModel::Gaming | ExperienceModel::Call | ExperienceModel::Streaming => {
            (EndpointSet::of(&[Profile, Health]), PACED_NICE)
        }
    };
    Role {
        index: 0,
        name: profile.user_id.clone(),
        port: profile.port.unwrap_or(0),
        endpoints,
        processes: 1,
        loops: 1,
        is_pinned: false,
        nice,
    }
}

#[cfg(test)]
mod tests {
    use super::super::config::{Bounded, PROFILES_MAX};
    use super::super::scoreboard::{LOOPS_MAX, PROCESSES_MAX, ROLES_MAX};
    use super::*;

    /// A configuration with this many profiles and this bound on their processes.
    fn config(profiles: usize, processes_max: u64) -> Config {
        let mut config = Config {
            processes_max: Bounded::new(processes_max).unwrap(),
            loops: Bounded::new(64).unwrap(),
            ..Config::default()
        };
        let first = config.profiles[0].clone();
        config.profiles = (0..profiles)
            .map(|number| Profile {
                user_id: format!("user-{number}"),
                ..first.clone()
            })
            .collect();
        config
    }

    #[test]
    fn the_ping_role_serves_probes_and_health_only() {
        let roles = roles(&Config::default());
        let ping = &roles[1];
        assert_eq!(ping.name, PING);
        assert!(ping.endpoints.contains(EndpointGroup::Ping));
        assert!(ping.endpoints.contains(EndpointGroup::Health));
        for group in [
            EndpointGroup::Page,
            EndpointGroup::Api,
            EndpointGroup::Bulk,
            EndpointGroup::Profile,
            EndpointGroup::Household,
            EndpointGroup::Status,
        ] {
            assert!(!ping.endpoints.contains(group));
            assert!(roles[0].endpoints.contains(group));
        }
    }

    #[test]
    fn each_profile_is_a_role_that_serves_sessions_and_no_page() {
        let roles = roles(&Config::default());
        let ports: Vec<(&str, u16)> = roles
            .iter()
            .map(|role| (role.name.as_str(), role.port))
            .collect();
        assert_eq!(
            ports,
            [
                ("main", 8000),
                ("ping", 8005),
                ("alex", 8002),
                ("sarah", 8003),
                ("jake", 8001),
                ("computer", 8004),
            ]
        );
        for role in &roles[2..] {
            assert!(role.endpoints.contains(EndpointGroup::Profile));
            assert!(!role.endpoints.contains(EndpointGroup::Page));
            let is_bulk = role.name == "computer";
            assert_eq!(role.endpoints.contains(EndpointGroup::Bulk), is_bulk);
        }
    }

    #[test]
    fn processes_are_shared_evenly_and_never_exceed_the_bound() {
        for profiles in 1..=PROFILES_MAX {
            for bound in 1..=64 {
                let roles = roles(&config(profiles, bound));
                let each: Vec<usize> = roles[2..].iter().map(|role| role.processes).collect();
                assert!(each.iter().sum::<usize>() <= bound as usize);
                assert!(each.iter().all(|processes| *processes == each[0]));
                assert_eq!(each.len(), profiles.min(bound as usize));
                assert!((each[0] + 1) * each.len() > bound as usize);
            }
        }
        let roles = roles(&config(4, 8));
        assert!(roles[2..].iter().all(|role| role.processes == 2));
    }

    #[test]
    fn the_scoreboard_has_room_for_every_role_process_and_loop() {
        for profiles in 1..=PROFILES_MAX {
            let roles = roles(&Config {
                http_redirect_port: Some(80),
                ..config(profiles, 64)
            });
            let processes = roles.iter().map(|role| role.processes);
            let loops = roles.iter().map(|role| role.processes * role.loops);
            assert!(roles.len() <= ROLES_MAX);
            assert!(processes.sum::<usize>() <= PROCESSES_MAX);
            assert!(loops.sum::<usize>() <= LOOPS_MAX);
            for (index, role) in roles.iter().enumerate() {
                assert_eq!(role.index, index);
            }
        }
    }
}
