//! The real node under `kill -9`, `SIGSTOP`, `SIGTERM` and worse.

use std::net::{Ipv6Addr, TcpStream};
use std::time::Duration;

use engine::runtime::sys::process::send_signal;

/// Main, ping, and two for each of the four profiles.
const CHILDREN: usize = 10;

use crate::harness::{Node, PATIENCE, eventually, is_alive, is_listening};

#[test]
fn each_role_has_a_process_of_its_own_and_ps_tells_which() {
    let node = Node::start(&[]);
    let (main, ping) = (node.child("main").unwrap(), node.child("ping").unwrap());
    assert_ne!(main, ping);
    assert_eq!(node.children().len(), CHILDREN);
    let expected = format!("bufferbloatd main :{} ", node.main_port);
    assert!(node.children().contains(&(main, expected)));
    assert!(is_listening(node.main_port) && is_listening(node.ping_port));
    if std::fs::exists("/proc/net/if_inet6").is_ok_and(|exists| exists) {
        assert!(TcpStream::connect((Ipv6Addr::LOCALHOST, node.ping_port)).is_ok());
    }
}

#[test]
fn a_killed_ping_process_is_back_within_a_second_and_main_is_untouched() {
    let node = Node::start(&[]);
    let (main, ping) = (node.child("main").unwrap(), node.child("ping").unwrap());
    send_signal(ping, libc::SIGKILL).unwrap();
    let took = eventually("ping is ready again", Duration::from_secs(1), || {
        // A connection made meanwhile waits in the backlog; it is never refused.
        assert!(is_listening(node.ping_port));
        node.times_ready("ping") == 2
    });
    println!("ping was back after {took:?}");
    assert_eq!(node.child("main"), Some(main));
    assert_ne!(node.child("ping"), Some(ping));
    assert!(node.log_text().contains("killed by signal 9"));
}

#[test]
fn a_stopped_process_is_replaced() {
    let node = Node::start(&[]);
    let ping = node.child("ping").unwrap();
    send_signal(ping, libc::SIGSTOP).unwrap();
    let took = eventually("ping is replaced", Duration::from_millis(3_500), || {
        node.times_ready("ping") == 2
    });
    println!("ping was replaced after {took:?}");
    assert!(!is_alive(ping));
    assert!(node.log_text().contains("hung"));
}

#[test]
fn sigterm_leaves_no_process_and_no_port() {
    for signal in [libc::SIGTERM, libc::SIGINT] {
        let mut node = Node::start(&[]);
        let children = node.children();
        assert_eq!(children.len(), CHILDREN);
        node.signal(signal);
        let status = node.wait(Duration::from_secs(6));
        assert_eq!(status.code(), Some(0));
        assert!(children.iter().all(|(pid, _)| !is_alive(*pid)));
        assert!(!is_listening(node.main_port) && !is_listening(node.ping_port));
    }
}

#[test]
fn a_second_sigterm_ends_at_once_what_does_not_drain() {
    let mut node = Node::start(&[]);
    let main = node.child("main").unwrap();
    // It cannot drain while it is stopped.
    send_signal(main, libc::SIGSTOP).unwrap();
    node.signal(libc::SIGTERM);
    eventually("the first signal was heard", PATIENCE, || {
        node.log().iter().any(|(message, _)| message == "stopping")
    });
    node.signal(libc::SIGTERM);
    let status = node.wait(Duration::from_secs(2));
    assert_eq!(status.code(), Some(1));
    assert!(!is_alive(main));
}

#[test]
fn what_does_not_drain_is_killed_after_five_seconds() {
    let mut node = Node::start(&[]);
    let main = node.child("main").unwrap();
    send_signal(main, libc::SIGSTOP).unwrap();
    node.signal(libc::SIGTERM);
    let status = node.wait(Duration::from_secs(7));
    assert_eq!(status.code(), Some(0));
    assert!(!is_alive(main));
    assert!(!is_listening(node.main_port));
}

#[test]
fn a_killed_supervisor_leaves_no_process_and_no_port() {
    let mut node = Node::start(&[]);
    let children = node.children();
    assert_eq!(children.len(), CHILDREN);
    node.signal(libc::SIGKILL);
    node.wait(PATIENCE);
    eventually("the children are gone", Duration::from_secs(2), || {
        children.iter().all(|(pid, _)| !is_alive(*pid))
    });
    // A process counts as gone when its first thread is; the last one to go closes the sockets.
    eventually("the ports are free", Duration::from_secs(2), || {
        !is_listening(node.main_port) && !is_listening(node.ping_port)
    });
}

#[test]
fn a_process_that_keeps_dying_is_marked_down_and_the_others_serve_on() {
    let node = Node::start(&[]);
    let main = node.child("main").unwrap();
    eventually("ping is down", PATIENCE, || {
        if let Some(ping) = node.child("ping") {
            send_signal(ping, libc::SIGKILL).unwrap();
        }
        node.log()
            .iter()
            .any(|(message, process)| message.starts_with("down") && process == "ping")
    });
    assert_eq!(node.child("ping"), None);
    assert_eq!(node.child("main"), Some(main));
}

#[test]
fn one_process_serves_all_roles_without_multiprocess() {
    let mut node = Node::start(&["--multiprocess", "false"]);
    let children = node.children();
    assert_eq!(children.len(), 1);
    assert!(children[0].1.contains(" main :") && children[0].1.contains(" ping :"));
    assert!(is_listening(node.main_port) && is_listening(node.ping_port));
    send_signal(children[0].0, libc::SIGKILL).unwrap();
    eventually("it is ready again", PATIENCE, || {
        node.times_ready("main+ping+alex+sarah+jake+computer") == 2
    });
    node.signal(libc::SIGTERM);
    assert_eq!(node.wait(Duration::from_secs(6)).code(), Some(0));
}

#[test]
fn the_ports_file_tells_programs_where_to_go_while_the_node_runs() {
    let path = std::env::temp_dir().join(format!("bufferbloatd-ports-{}.json", std::process::id()));
    let mut node = Node::start(&["--ports-file", path.to_str().unwrap()]);
    let text = std::fs::read_to_string(&path).unwrap();
    let told: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert_eq!(told["pid"], node.pid());
    assert_eq!(told["ports"][0]["role"], "main");
    assert_eq!(told["ports"][0]["port"], node.main_port);
    assert_eq!(told["ports"][1]["port"], node.ping_port);
    node.signal(libc::SIGTERM);
    node.wait(Duration::from_secs(6));
    assert!(!path.exists());
}

#[test]
fn each_profile_has_its_port_and_its_share_of_the_processes() {
    let node = Node::start(&["--processes-max", "11"]);
    for role in ["alex", "sarah", "jake", "computer"] {
        let port = node.port(role);
        for name in [role.to_owned(), format!("{role}/2")] {
            let expected = format!("bufferbloatd {name} :{port} ");
            let children = node.children();
            assert!(
                children.iter().any(|(_, arguments)| *arguments == expected),
                "{children:?}"
            );
        }
    }
    assert_eq!(node.children().len(), CHILDREN);
}
