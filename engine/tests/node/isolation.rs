//! Every role of the real node under `kill -9` and `SIGSTOP`, in turn: it is back in time, and nobody else notices.

use engine::runtime::sys::process::{send_signal, set_thread_nice};

use crate::harness::{Node, PATIENCE, eventually, is_alive, is_listening};
use crate::http::{get, try_get};

/// One process for each role, so that a role's end is a process's.
const ONE_EACH: [&str; 2] = ["--processes-max", "4"];
const ROLES: [&str; 6] = ["main", "ping", "alex", "sarah", "jake", "computer"];

fn port(node: &Node, role: &str) -> u16 {
    match role {
        "main" => node.main_port,
        other => node.port(other),
    }
}

/// The row of a process in `/virtual-household/process-health`.
fn process_health(node: &Node, process: &str) -> serde_json::Value {
    let report = get(node.main_port, "/virtual-household/process-health").json();
    let rows = report["processes"].as_array().cloned().unwrap_or_default();
    rows.into_iter()
        .find(|row| row["process"] == process)
        .unwrap_or_default()
}

/// The first pause before a process that ended is started again, ms.
const FIRST_PAUSE_MS: u64 = 100;

/// Ends each role in turn by `signal`; it must serve again after the first and shortest pause, the others untouched. How
/// long that takes in all is the machine's, and printed.
fn end_each_in_turn(signal: i32, reason: &str) {
    let node = Node::start(&ONE_EACH);
    for role in ROLES {
        let before = node.children();
        let pid = node.child(role).unwrap();
        send_signal(pid, signal).unwrap();
        let took = eventually("another process of the role serves", PATIENCE, || {
            // A connection made meanwhile waits in the backlog; it is never refused.
            assert!(is_listening(port(&node, role)));
            !is_alive(pid) && try_get(port(&node, role), "/health", &[], PATIENCE).is_some()
        });
        println!("{role} served again after {took:?}");
        let ends = node.log_lines("ended unasked");
        let mut ends = ends.iter().filter(|line| line["process"] == role);
        let pause_ms = ends
            .next()
            .and_then(|line| line["restart_after_ms"].as_u64());
        assert!(pause_ms.is_some_and(|pause_ms| pause_ms <= FIRST_PAUSE_MS));
        assert_eq!(ends.next(), None, "it ended once");
        let after = node.children();
        for other in before.iter().filter(|(other, _)| *other != pid) {
            assert!(
                after.contains(other),
                "{other:?} was touched by the end of {role}"
            );
        }
        eventually("the node is well again", PATIENCE, || {
            get(node.main_port, "/health").status == 200
        });
        let health = process_health(&node, role);
        assert_eq!(health["last_exit_reason"], reason, "{health}");
        assert_eq!(health["restarts"], 1);
        assert_eq!(health["state"], "healthy");
        assert_eq!(health["pid"], node.child(role).unwrap());
        assert!(health["last_heartbeat_age_ms"].as_u64().unwrap() < 2_000);
    }
}

#[test]
fn a_killed_process_of_any_role_is_started_again_and_the_others_are_untouched() {
    end_each_in_turn(libc::SIGKILL, "killed by signal 9");
}

#[test]
fn a_hung_process_of_any_role_is_replaced_and_the_others_are_untouched() {
    let reason = "hung: killed after 2 s without a heartbeat";
    end_each_in_turn(libc::SIGSTOP, reason);
}

/// Kills a process as often as it takes.
fn keep_killing(node: &Node, process: &str) {
    eventually("the process is given up", PATIENCE, || {
        if let Some(pid) = node.child(process) {
            send_signal(pid, libc::SIGKILL).unwrap();
        }
        process_health(node, process)["state"] == "down"
    });
}

#[test]
fn the_users_of_a_role_that_is_down_are_sent_to_main() {
    let node = Node::start(&ONE_EACH);
    keep_killing(&node, "jake");
    let redirect = get(node.main_port, "/ws/virtual-household/jake").json();
    let main_port = node.main_port;
    assert_eq!(redirect["port"], main_port);
    assert_eq!(redirect["process_isolation"], false);
    let url = format!("ws://localhost:{main_port}/ws/virtual-household/jake");
    assert_eq!(redirect["websocket_url"], url);
    assert!(
        !is_listening(node.port("jake")),
        "nobody waits there in vain"
    );
    for path in ["/health", "/virtual-household/health"] {
        let health = get(node.main_port, path);
        assert_eq!(health.status, 503);
        let health = health.json();
        assert_eq!(health["status"], "degraded");
        assert_eq!(
            health["reasons"][0],
            "process jake is down after five failures in a minute (killed by signal 9)"
        );
    }
    let redirect = get(node.main_port, "/ws/virtual-household/alex").json();
    assert_eq!(redirect["process_isolation"], true);
    let metrics = get(node.main_port, "/metrics").body;
    assert!(metrics.contains("bufferbloatd_role_up{role=\"jake\"} 0"));
}

#[test]
fn a_role_with_one_of_two_processes_down_serves_every_connection() {
    let node = Node::start(&["--processes-max", "8"]);
    keep_killing(&node, "jake/2");
    let redirect = get(node.main_port, "/ws/virtual-household/jake").json();
    assert_eq!(redirect["process_isolation"], true);
    for _ in 0..32 {
        assert_eq!(get(node.port("jake"), "/health").status, 503);
    }
}

/// The lowest priority number of a process's threads, as `nice` counts.
fn lowest_nice(pid: u32) -> Option<i64> {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).ok()?;
    let nice_of = |task: std::fs::DirEntry| {
        let stat = std::fs::read_to_string(task.path().join("stat")).ok()?;
        // Field 19 of proc(5); the name before it may hold blanks.
        stat.rsplit(") ").next()?.split(' ').nth(16)?.parse().ok()
    };
    tasks.flatten().filter_map(nice_of).min()
}

#[test]
fn echoes_go_before_paced_sessions_and_those_before_bulk_where_it_is_allowed() {
    // Whoever runs the tests may be nice.
    let usual = lowest_nice(std::process::id()).unwrap();
    // In a thread that ends with the question.
    let may_raise = std::thread::spawn(|| set_thread_nice(-1).is_ok());
    if !may_raise.join().unwrap() {
        println!("skipped: this test may not raise priorities");
        return;
    }
    let node = Node::start(&ONE_EACH);
    for (role, nice) in [
        ("main", usual),
        ("ping", -10),
        ("alex", -5),
        ("computer", usual),
    ] {
        assert_eq!(lowest_nice(node.child(role).unwrap()), Some(nice), "{role}");
    }
}
