//! Roles as data: what a process is called, where it listens, what it serves, with how many loops.
//!
//! A new role is a new row here; nothing else asks which role it is.

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
    /// Profile sessions and what is told about them.
    Profile,
    /// Health, statistics, metrics.
    Status,
}

/// Some groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct EndpointSet(u8);

impl EndpointSet {
    /// The set of `groups`.
    #[must_use]
    pub const fn of(groups: &[EndpointGroup]) -> Self {
        let mut bits = 0;
        let mut index = 0;
        while index < groups.len() {
            bits |= 1 << groups[index] as u8;
            index += 1;
        }
        Self(bits)
    }

    /// Whether `group` is in it.
    #[must_use]
    pub const fn contains(self, group: EndpointGroup) -> bool {
        self.0 & (1 << group as u8) != 0
    }
}

/// One role.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Role {
    /// Its slot on the scoreboard.
    pub index: usize,
    /// Its name, in `ps`, logs and health.
    pub name: String,
    /// The configured port; 0 lets the kernel choose.
    pub port: u16,
    /// What it serves.
    pub endpoints: EndpointSet,
    /// How many event loops it has.
    pub loops: usize,
}

/// Name of the main role.
pub const MAIN: &str = "main";
/// Name of the ping role.
pub const PING: &str = "ping";

/// The roles of a node with this configuration, in the order of their slots.
#[must_use]
pub fn roles(config: &Config) -> Vec<Role> {
    use EndpointGroup::{Api, Bulk, Page, Ping, Profile, Status};
    vec![
        Role {
            index: 0,
            name: MAIN.to_owned(),
            port: config.port,
            endpoints: EndpointSet::of(&[Page, Api, Ping, Bulk, Profile, Status]),
            // At most 64 by its type.
            loops: config.loops.get() as usize,
        },
        // One loop: probes are a few packets a second, and nothing else may ever run here.
        Role {
            index: 1,
            name: PING.to_owned(),
            port: config.ping_port,
            endpoints: EndpointSet::of(&[Ping, Status]),
            loops: 1,
        },
    ]
}

#[cfg(test)]
mod tests {
    use super::super::scoreboard::{LOOPS_MAX, ROLES_MAX};
    use super::*;

    #[test]
    fn the_ping_role_serves_probes_and_health_only() {
        let roles = roles(&Config::default());
        let ping = &roles[1];
        assert_eq!(ping.name, PING);
        assert!(ping.endpoints.contains(EndpointGroup::Ping));
        assert!(ping.endpoints.contains(EndpointGroup::Status));
        for group in [
            EndpointGroup::Page,
            EndpointGroup::Api,
            EndpointGroup::Bulk,
            EndpointGroup::Profile,
        ] {
            assert!(!ping.endpoints.contains(group));
            assert!(roles[0].endpoints.contains(group));
        }
    }

    #[test]
    fn the_scoreboard_has_room_for_every_role_and_loop() {
        let config = Config {
            loops: super::super::config::Bounded::new(64).unwrap(),
            ..Config::default()
        };
        let roles = roles(&config);
        assert!(roles.len() <= ROLES_MAX);
        assert!(roles.iter().map(|role| role.loops).sum::<usize>() <= LOOPS_MAX);
        for (index, role) in roles.iter().enumerate() {
            assert_eq!(role.index, index);
        }
    }
}
