//! `GET /virtual-household/stats` and `/virtual-household/process-health`, from the scoreboard alone: no busy process is
//! asked for anything.

use std::collections::BTreeMap;

use protocol::http1::Request;
use protocol::message::node_status::{
    LoadFigures, NodeStats, ProcessHealth, ProcessHealthReport, ProcessStats, RoleStats,
};
use protocol::time::Instant;

use super::{Answer, Parameters};
use crate::runtime::application::Context;
use crate::server::node::Node;
use crate::server::reply::Reply;
use crate::server::scoreboard::{
    Closed, Counter, Gauge, LoopSlot, ProcessSlot, RoleSlot, SESSION_END_REASONS, Scoreboard,
    second_of, session_end_name,
};
use crate::server::visitor::Visitor;

/// Quantiles are over so many seconds, the running one included.
const QUANTILE_SECONDS: u64 = 10;

/// `GET /virtual-household/stats`.
pub fn stats(
    node: &mut Node,
    context: &mut Context<'_>,
    _: &mut Visitor,
    _: &Request,
    _: &Parameters<'_>,
) -> Answer {
    Answer::Reply(Reply::json(
        200,
        &node_stats(node.scoreboard(), context.now),
    ))
}

/// `GET /virtual-household/process-health`.
pub fn process_health(
    node: &mut Node,
    context: &mut Context<'_>,
    _: &mut Visitor,
    _: &Request,
    _: &Parameters<'_>,
) -> Answer {
    let report = ProcessHealthReport {
        multiprocess: node.config().multiprocess,
        processes: placements(node.scoreboard())
            .map(|placement| placement.health(node.scoreboard(), context.now))
            .collect(),
    };
    Answer::Reply(Reply::json(200, &report))
}

fn node_stats(scoreboard: &Scoreboard, now: Instant) -> NodeStats {
    let roles = scoreboard
        .roles()
        .iter()
        .enumerate()
        .filter(|(_, role)| role.is_used());
    NodeStats {
        uptime_s: (now - scoreboard.started_at()).as_secs(),
        tests: scoreboard.tests().live_tests(),
        total: figures(scoreboard, now, |_| true),
        roles: roles
            .map(|(index, role)| RoleStats {
                role: role.name(),
                port: role.port(),
                state: role.state().into(),
                processes: u32::try_from(scoreboard.processes_of(index).count()).unwrap_or(0),
                figures: figures(scoreboard, now, |slot| slot.role() == Some(index)),
            })
            .collect(),
        processes: placements(scoreboard)
            .map(|placement| ProcessStats {
                process: placement.process.name(),
                role: placement.role.name(),
                figures: figures(scoreboard, now, |slot| placement.has(slot)),
            })
            .collect(),
        sessions_ended: SESSION_END_REASONS
            .into_iter()
            .map(|reason| {
                let ended = scoreboard.total(|slot| slot.sessions_ended(reason));
                (session_end_name(reason).to_owned(), ended)
            })
            .collect(),
        connections_closed: Closed::ALL
            .into_iter()
            .map(|reason| {
                let closed = scoreboard.total(|slot| slot.closed(reason));
                (reason.name().to_owned(), closed)
            })
            .collect::<BTreeMap<_, _>>(),
    }
}

/// A role in a process that serves it.
struct Placement<'a> {
    role_index: usize,
    role: &'a RoleSlot,
    process_index: usize,
    process: &'a ProcessSlot,
}

/// All of them, in the order of the processes.
fn placements(scoreboard: &Scoreboard) -> impl Iterator<Item = Placement<'_>> {
    let processes = scoreboard.processes().iter().enumerate();
    processes.flat_map(|(process_index, process)| {
        let roles = scoreboard.roles().iter().enumerate();
        roles
            .filter(|(role_index, _)| process.serves(*role_index))
            .map(move |(role_index, role)| Placement {
                role_index,
                role,
                process_index,
                process,
            })
    })
}

impl Placement<'_> {
    fn has(&self, slot: &LoopSlot) -> bool {
        slot.role() == Some(self.role_index) && slot.process() == self.process_index
    }

    fn health(&self, scoreboard: &Scoreboard, now: Instant) -> ProcessHealth {
        let process = self.process;
        // A loop that has not beaten yet makes the whole process one that has not.
        let oldest_beat = scoreboard
            .loops_of(self.role_index)
            .filter(|(_, slot)| self.has(slot))
            .map(|(_, slot)| slot.heartbeat())
            .min()
            .flatten();
        let since = |moment: Instant| now.saturating_since(moment);
        ProcessHealth {
            process: process.name(),
            role: self.role.name(),
            port: self.role.port(),
            pid: Some(process.pid()).filter(|pid| *pid != 0),
            state: process.state().into(),
            uptime_s: process.started_at().map(|at| since(at).as_secs()),
            restarts: process.restarts(),
            last_heartbeat_age_ms: oldest_beat
                .map(|beat| u64::try_from(since(beat).as_millis()).unwrap_or(u64::MAX)),
            last_exit_reason: process.last_exit().map(|reason| reason.to_string()),
        }
    }
}

/// What the loops that `is_chosen` picks do.
fn figures(
    scoreboard: &Scoreboard,
    now: Instant,
    is_chosen: impl Fn(&LoopSlot) -> bool,
) -> LoadFigures {
    let sum = |figure: &dyn Fn(&LoopSlot) -> u64| {
        scoreboard.total(|slot| if is_chosen(slot) { figure(slot) } else { 0 })
    };
    let open = |gauge: fn(&LoopSlot) -> &Gauge| sum(&|slot| gauge(slot).value());
    let counted = |counter: fn(&LoopSlot) -> &Counter| sum(&|slot| counter(slot).value());
    let mbps = |bytes_a_second: u64| bytes_a_second as f64 * 8.0 / 1e6;
    let to_s = second_of(now);
    let from_s = to_s.saturating_sub(QUANTILE_SECONDS - 1);
    let chosen = |_: usize, slot: &LoopSlot| is_chosen(slot);
    let lag = |q| scoreboard.lag_quantile_us(chosen, from_s, to_s, q);
    let turnaround = |q| scoreboard.echo_turnaround_quantile_us(chosen, from_s, to_s, q);
    LoadFigures {
        sessions: open(|slot| &slot.sessions),
        connections: open(|slot| &slot.connections),
        flows_down: open(|slot| &slot.flows_down),
        flows_up: open(|slot| &slot.flows_up),
        probes: open(|slot| &slot.probes),
        sent_bytes: sum(&LoopSlot::sent_bytes),
        received_bytes: sum(&LoopSlot::received_bytes),
        down_mbps: mbps(sum(&|slot| slot.bytes_last_second(now).1)),
        up_mbps: mbps(sum(&|slot| slot.bytes_last_second(now).0)),
        sessions_begun: counted(|slot| &slot.sessions_begun),
        connections_accepted: counted(|slot| &slot.accepted),
        echoes: counted(|slot| &slot.echoes),
        loop_lag_p50_us: lag(0.5),
        loop_lag_p99_us: lag(0.99),
        echo_turnaround_p50_us: turnaround(0.5),
        echo_turnaround_p99_us: turnaround(0.99),
    }
}

#[cfg(test)]
mod tests {
    use protocol::message::node_status::ServiceState;
    use protocol::message::profile::SessionEndReason;

    use super::*;
    use crate::server::scoreboard::{ExitReason, RoleState};

    fn at_ms(ms: u64) -> Instant {
        Instant::from_micros(ms * 1_000)
    }

    /// Jake in two processes with a loop each.
    fn board() -> Scoreboard {
        let board = Scoreboard::create(at_ms(1_000), 0).unwrap();
        board.roles()[0].assign("jake", 8001);
        for (process, name) in ["jake", "jake/2"].into_iter().enumerate() {
            board.processes()[process].assign(name, [0]);
            board.loops()[process].assign(0, process);
            board.set_process_state(process, RoleState::Healthy);
        }
        board
    }

    #[test]
    fn a_role_is_the_sum_of_its_processes() {
        let board = board();
        for (slot, sent) in [(0, 1_000_000), (1, 250_000)] {
            let slot = &board.loops()[slot];
            slot.count_bytes(at_ms(5_500), 125_000, sent);
            slot.sessions.increment();
            slot.lag.record_us(at_ms(5_500), 60);
            slot.count_session_ended(SessionEndReason::PeerStalled);
            slot.count_closed(Closed::WriteStalled);
        }
        let stats = node_stats(&board, at_ms(6_300));
        assert_eq!(stats.uptime_s, 5);
        let jake = &stats.roles[0];
        assert_eq!((jake.role.as_str(), jake.processes), ("jake", 2));
        assert_eq!(jake.figures, stats.total);
        assert_eq!((jake.figures.down_mbps, jake.figures.up_mbps), (10.0, 2.0));
        assert_eq!(jake.figures.sessions, 2);
        assert_eq!(jake.figures.loop_lag_p99_us, Some(70));
        assert_eq!(jake.figures.echo_turnaround_p99_us, None);
        assert_eq!(stats.processes[1].process, "jake/2");
        assert_eq!(stats.processes[1].figures.down_mbps, 2.0);
        assert_eq!(stats.sessions_ended["peer_stalled"], 2);
        assert_eq!(stats.sessions_ended["stopped"], 0);
        assert_eq!(stats.connections_closed["write_stalled"], 2);
        let json = serde_json::to_value(&stats).unwrap();
        assert_eq!(json["roles"][0]["down_mbps"], 10.0);
    }

    #[test]
    fn a_process_tells_its_age_its_restarts_and_why_it_ended() {
        let board = board();
        let process = &board.processes()[1];
        process.set_started(at_ms(2_000), 41, false);
        process.set_ended(ExitReason::Hung);
        process.set_started(at_ms(4_000), 42, true);
        board.loops()[1].beat(at_ms(9_950));
        let health = placements(&board)
            .nth(1)
            .unwrap()
            .health(&board, at_ms(10_000));
        assert_eq!(
            health,
            ProcessHealth {
                process: "jake/2".to_owned(),
                role: "jake".to_owned(),
                port: 8001,
                pid: Some(42),
                state: ServiceState::Healthy,
                uptime_s: Some(6),
                restarts: 1,
                last_heartbeat_age_ms: Some(50),
                last_exit_reason: Some("hung: killed after 2 s without a heartbeat".to_owned()),
            }
        );
        let first = placements(&board)
            .next()
            .unwrap()
            .health(&board, at_ms(10_000));
        assert_eq!((first.pid, first.uptime_s), (None, None));
        assert_eq!(first.last_heartbeat_age_ms, None);
    }
}
