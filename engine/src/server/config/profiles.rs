//! The node's virtual users: the catalogue, what the file changes of it or adds to it, and a port for each.
//!
//! A `[[profile]]` table whose `user_id` is one of the catalogue's takes that user's place, and its port if it has none
//! of its own; any other is one more user, behind the catalogue's.

use protocol::profile::{Profile, ProfileDefinition, catalogue};

use crate::server::roles::{MAIN, PING};
use crate::server::scoreboard::ROLES_MAX;

/// Most virtual users that a node can have: each is a role beside main and ping.
pub const PROFILES_MAX: usize = ROLES_MAX - 3;
/// The lowest of the catalogue's ports, which are counted from it.
pub(super) const PORTS_FROM: u16 = 8_001;

/// The ports that are spoken for, and where the profiles' begin.
#[derive(Clone, Copy, Debug)]
pub(super) struct RolePorts {
    pub(super) main: u16,
    pub(super) ping: u16,
    /// The first of the profiles'; 0 leaves them all to the kernel.
    pub(super) first: u16,
}

/// All profiles, each with its port where it has one.
///
/// # Errors
/// Every fault: which profile, which key, its value and what it must be.
pub(super) fn resolve(
    definitions: &[ProfileDefinition],
    ports: &RolePorts,
) -> Result<Vec<Profile>, Vec<String>> {
    let mut faults = Vec::new();
    let mut users = users(definitions, &mut faults);
    if users.len() > PROFILES_MAX {
        faults.push(format!(
            "profile: {} profiles with the catalogue's: must be at most {PROFILES_MAX}",
            users.len()
        ));
    }
    check_ports(&users, ports, &mut faults);
    if ports.first != 0 && faults.is_empty() {
        assign_ports(&mut users, ports, &mut faults);
    }
    if faults.is_empty() {
        Ok(users.into_iter().map(|user| user.profile).collect())
    } else {
        Err(faults)
    }
}

/// A profile, with the port that it would have by itself.
struct User {
    profile: Profile,
    usual_port: Option<u16>,
}

fn users(definitions: &[ProfileDefinition], faults: &mut Vec<String>) -> Vec<User> {
    let mut users: Vec<User> = catalogue()
        .into_iter()
        .map(|profile| User {
            usual_port: profile.port,
            profile: Profile {
                port: None,
                ..profile
            },
        })
        .collect();
    for (index, definition) in definitions.iter().enumerate() {
        let user_id = &definition.user_id;
        let is_repeated = definitions[..index]
            .iter()
            .any(|earlier| earlier.user_id == *user_id);
        if is_repeated || [MAIN, PING].contains(&user_id.as_str()) {
            let what = if is_repeated {
                "another profile"
            } else {
                "a role of the node"
            };
            faults.push(format!(
                "profile \"{user_id}\": user_id = \"{user_id}\": must differ from the name of {what}"
            ));
            continue;
        }
        match definition.clone().validate() {
            Ok(profile) => place(&mut users, profile),
            Err(fault) => faults.push(fault.to_string()),
        }
    }
    users
}

fn place(users: &mut Vec<User>, profile: Profile) {
    let same = users
        .iter_mut()
        .find(|user| user.profile.user_id == profile.user_id);
    match same {
        Some(user) => user.profile = profile,
        None => users.push(User {
            profile,
            usual_port: None,
        }),
    }
}

/// A port that the file gives must be nobody else's.
fn check_ports(users: &[User], ports: &RolePorts, faults: &mut Vec<String>) {
    for (index, user) in users.iter().enumerate() {
        let Some(port) = user.profile.port else {
            continue;
        };
        let earlier = users[..index]
            .iter()
            .find(|earlier| earlier.profile.port == Some(port));
        let holder = if port == ports.main {
            MAIN
        } else if port == ports.ping {
            PING
        } else if let Some(earlier) = earlier {
            &earlier.profile.user_id
        } else {
            continue;
        };
        faults.push(format!(
            "profile \"{}\": port = {port}: is the port of the {holder} role already; they must differ",
            user.profile.user_id
        ));
    }
}

/// The catalogue's users keep their distances from the first port; who has none, or finds it taken, gets the next free
/// one behind them.
fn assign_ports(users: &mut [User], ports: &RolePorts, faults: &mut Vec<String>) {
    let mut taken: Vec<u16> = users.iter().filter_map(|user| user.profile.port).collect();
    taken.extend([ports.main, ports.ping]);
    let mut highest = ports.first;
    for user in &mut *users {
        let Some(usual) = user.usual_port.filter(|_| user.profile.port.is_none()) else {
            continue;
        };
        let wanted = ports.first.checked_add(usual.saturating_sub(PORTS_FROM));
        if let Some(wanted) = wanted {
            highest = highest.max(wanted);
            if !taken.contains(&wanted) {
                user.profile.port = Some(wanted);
                taken.push(wanted);
            }
        }
    }
    let mut following = highest..=u16::MAX;
    for user in users.iter_mut().filter(|user| user.profile.port.is_none()) {
        user.profile.port = following.find(|port| !taken.contains(port));
        if user.profile.port.is_none() {
            faults.push(format!(
                "profile \"{}\": no port is left for it above profile_ports = {}; begin lower",
                user.profile.user_id, ports.first
            ));
        }
    }
}

#[cfg(test)]
#[path = "profiles_tests.rs"]
mod tests;
