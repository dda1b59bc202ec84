//! Who the household's users are, and where their sessions are: the catalogue, the way to a session, and the household's
//! health.

use protocol::http1::Request;
use protocol::measure::phases;
use protocol::message::household::DemandMode;
use protocol::message::node_status::{HouseholdHealth, UserHealth};
use protocol::message::profile::{HouseholdCatalogue, SessionRedirect};
use protocol::profile::Profile;

use super::health::{Findings, status_code};
use super::{Answer, Parameters};
use crate::runtime::application::Context;
use crate::server::config::Config;
use crate::server::host::Host;
use crate::server::node::Node;
use crate::server::reply::Reply;
use crate::server::roles::MAIN;
use crate::server::scoreboard::{RoleSlot, RoleState, Scoreboard};
use crate::server::visitor::Visitor;

/// The value of `architecture` in a redirect, by which clients of the earlier system know it.
const ARCHITECTURE: &str = "simple_multiprocess";
/// `GET /virtual-household/profiles`.
pub fn profiles(
    node: &mut Node,
    _: &mut Context<'_>,
    _: &mut Visitor,
    _: &Request,
    _: &Parameters<'_>,
) -> Answer {
    let scoreboard = node.scoreboard();
    let main_port = port_of(scoreboard, MAIN).unwrap_or_default();
    let describe = |profile: &Profile| {
        let port = port_of(scoreboard, &profile.user_id).unwrap_or(main_port);
        profile.describe(port)
    };
    let catalogue = HouseholdCatalogue {
        profiles: node.config().profiles.iter().map(describe).collect(),
        adaptive_phases: phases::household(DemandMode::Adaptive),
        standard_phases: phases::household(DemandMode::Standard),
    };
    Answer::Reply(Reply::json(200, &catalogue))
}

/// `GET /ws/virtual-household/{user_id}` without an upgrade: where the user's session is, as the client sees the node. A
/// role that is down or full is replaced by main.
pub fn redirect(
    node: &mut Node,
    _: &mut Context<'_>,
    visitor: &mut Visitor,
    request: &Request,
    parameters: &Parameters<'_>,
) -> Answer {
    let user_id = parameters.first().copied().unwrap_or_default();
    let config = node.config();
    if !config.profiles.iter().any(|known| known.user_id == user_id) {
        return Answer::Reply(unknown_user(config, user_id));
    }
    let Some(host) = request.host().and_then(Host::parse) else {
        return Answer::Reply(Reply::error(
            400,
            "invalid_host",
            "the Host field is neither a name nor an address",
        ));
    };
    let place = Place::of(node.scoreboard(), config, user_id);
    let scheme = node.scheme(visitor);
    // Main is where the client is already, whatever port that has on the way through an address translator.
    let port = match place {
        Place::Own { port } | Place::Shared { port } => port,
        Place::Main => host.port.unwrap_or(scheme.default_port()),
    };
    let ws = scheme.web_socket();
    Answer::Reply(Reply::json(
        200,
        &SessionRedirect {
            redirect: true,
            websocket_url: format!(
                "{ws}://{}/ws/virtual-household/{user_id}",
                host.at_port(port)
            ),
            port,
            user_id: user_id.to_owned(),
            architecture: ARCHITECTURE.to_owned(),
            process_isolation: place.is_isolated(),
        },
    ))
}

/// `GET /virtual-household/health`: 200 when every user is served as configured, else 503.
pub fn health(
    node: &mut Node,
    _: &mut Context<'_>,
    _: &mut Visitor,
    _: &Request,
    _: &Parameters<'_>,
) -> Answer {
    let health = household_health(node.scoreboard(), node.config());
    Answer::Reply(Reply::json(status_code(health.status), &health))
}

fn household_health(scoreboard: &Scoreboard, config: &Config) -> HouseholdHealth {
    let mut findings = Findings::default();
    let is_users = |role: usize| {
        let name = scoreboard.roles()[role].name();
        config.profiles.iter().any(|user| user.user_id == name)
    };
    findings.look_at_processes(scoreboard, is_users);
    let main = scoreboard.role_named(MAIN);
    let user = |profile: &Profile| {
        let user_id = &profile.user_id;
        let own = scoreboard.role_named(user_id);
        let place = Place::of(scoreboard, config, user_id);
        let server = match place {
            Place::Own { .. } | Place::Shared { .. } => own,
            Place::Main => main,
        };
        if let (Place::Main, Some((_, role))) = (place, own)
            && role.state() != RoleState::Down
        {
            findings.degraded(format!("role {user_id} is full: main serves its users"));
        }
        UserHealth {
            user_id: user_id.clone(),
            state: server
                .map_or(RoleState::Down, |(_, role)| role.state())
                .into(),
            port: server.map_or(0, |(_, role)| role.port()),
            process_isolation: place.is_isolated(),
        }
    };
    let users = config.profiles.iter().map(user).collect();
    HouseholdHealth {
        status: findings.status,
        reasons: findings.reasons,
        users,
    }
}

/// Where a user's sessions are to be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    /// At the user's own process.
    Own { port: u16 },
    /// At the user's own loop, in the one process of this node.
    Shared { port: u16 },
    /// At main: the user has no role, or it is down or full.
    Main,
}

impl Place {
    fn of(scoreboard: &Scoreboard, config: &Config, user_id: &str) -> Self {
        match scoreboard.role_named(user_id) {
            Some((index, role))
                if scoreboard.role_has_room(index, config.tests_per_process.get()) =>
            {
                let port = role.port();
                if config.multiprocess {
                    Self::Own { port }
                } else {
                    Self::Shared { port }
                }
            }
            Some(_) | None => Self::Main,
        }
    }

    const fn is_isolated(self) -> bool {
        match self {
            Self::Own { .. } => true,
            Self::Shared { .. } | Self::Main => false,
        }
    }
}

fn port_of(scoreboard: &Scoreboard, role: &str) -> Option<u16> {
    scoreboard
        .role_named(role)
        .map(|(_, role)| RoleSlot::port(role))
}

fn unknown_user(config: &Config, user_id: &str) -> Reply {
    let users: Vec<&str> = config
        .profiles
        .iter()
        .map(|profile| profile.user_id.as_str())
        .collect();
    let message = format!(
        "there is no user {user_id:?}; there are {}",
        users.join(", ")
    );
    Reply::error(404, "user_unknown", message)
}

#[cfg(test)]
mod tests {
    use protocol::message::node_status::{HealthStatus, ServiceState};
    use protocol::time::Instant;

    use super::*;

    /// Main and alex, each in a process of its own.
    fn board() -> Scoreboard {
        let board = Scoreboard::create(Instant::from_micros(1), 0).unwrap();
        for (index, (name, port)) in [(MAIN, 8000), ("alex", 8002)].into_iter().enumerate() {
            board.roles()[index].assign(name, port);
            board.processes()[index].assign(name, [index]);
            board.loops()[index].assign(index, index);
            board.set_process_state(index, RoleState::Healthy);
        }
        board
    }

    #[test]
    fn a_user_is_sent_to_main_when_the_own_role_is_down_full_or_not_there() {
        let board = board();
        let config = Config::default();
        let place = |user_id: &str| Place::of(&board, &config, user_id);
        assert_eq!(place("alex"), Place::Own { port: 8002 });
        assert_eq!(place("jake"), Place::Main);
        // A connection waits in the backlog until the process is back.
        board.set_process_state(1, RoleState::Restarting);
        assert_eq!(place("alex"), Place::Own { port: 8002 });
        board.set_process_state(1, RoleState::Down);
        assert_eq!(place("alex"), Place::Main);
        board.set_process_state(1, RoleState::Healthy);
        board.loops()[1]
            .sessions
            .set(config.tests_per_process.get());
        assert_eq!(place("alex"), Place::Main);
    }

    #[test]
    fn one_process_for_all_is_no_isolation() {
        let config = Config {
            multiprocess: false,
            ..Config::default()
        };
        let place = Place::of(&board(), &config, "alex");
        assert_eq!(place, Place::Shared { port: 8002 });
        assert!(!place.is_isolated());
    }

    #[test]
    fn the_households_health_tells_who_serves_each_user() {
        let board = board();
        let config = Config::default();
        let health = household_health(&board, &config);
        assert_eq!(health.status, HealthStatus::Ok);
        assert!(health.users[0].process_isolation && !health.users[1].process_isolation);
        assert_eq!((health.users[0].port, health.users[1].port), (8002, 8000));
        board.set_process_state(1, RoleState::Down);
        let health = household_health(&board, &config);
        assert_eq!(health.status, HealthStatus::Degraded);
        assert_eq!(health.users[0].state, ServiceState::Healthy);
        assert_eq!(health.users[0].port, 8000);
        board.set_process_state(1, RoleState::Healthy);
        board.loops()[1].sessions.set(1_000);
        assert_eq!(
            household_health(&board, &config).reasons,
            ["role alex is full: main serves its users"]
        );
    }
}
