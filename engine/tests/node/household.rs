//! The household's endpoints of the real node: who is there, where they are served, and what is told of it.

use std::net::TcpListener;

use serde_json::Value;

use crate::harness::{Node, PATIENCE, eventually, run_to_end};
use crate::http::{first_frame, get, get_with, upgrade};

const USERS: [&str; 4] = ["alex", "sarah", "jake", "computer"];

/// A configuration file that is gone with its test.
struct ConfigFile(std::path::PathBuf);

impl ConfigFile {
    fn new(name: &str, text: &str) -> Self {
        let file = format!("bufferbloatd-{name}-{}.toml", std::process::id());
        let path = std::env::temp_dir().join(file);
        std::fs::write(&path, text).unwrap();
        Self(path)
    }

    fn path(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for ConfigFile {
    fn drop(&mut self) {
        // A leftover in the temporary folder is no fault of the node's.
        let _ = std::fs::remove_file(&self.0);
    }
}

const MARIA: &str = r#"
[[profile]]
user_id = "maria"
name = "Maria"
activity = "Cloud gaming"
model = "gaming"

[[profile.flow]]
direction = "down"
rate_mbps = 20.0
pattern = "frames"
frames_per_second = 60
keyframe_ratio = 1
"#;

/// The rows of `list` whose `key` is `value`.
fn rows<'a>(list: &'a Value, key: &str, value: &str) -> Vec<&'a Value> {
    let rows = list.as_array().unwrap().iter();
    rows.filter(|row| row[key] == value).collect()
}

#[test]
fn every_user_is_described_and_redirected_to_a_process_of_their_own() {
    let node = Node::start(&[]);
    let catalogue = get(node.main_port, "/virtual-household/profiles").json();
    for user in USERS {
        let port = node.port(user);
        assert_eq!(
            rows(&catalogue["profiles"], "user_id", user)[0]["port"],
            port
        );
        let path = format!("/ws/virtual-household/{user}");
        for host in [
            "node.example.net:9",
            "[2001:db8::1]:9",
            "192.0.2.1",
            "[::1]",
        ] {
            let answer = get_with(node.main_port, &path, &[("Host", host)]);
            assert_eq!(answer.status, 200);
            let name = host.strip_suffix(":9").unwrap_or(host);
            let expected = serde_json::json!({
                "redirect": true,
                "websocket_url": format!("ws://{name}:{port}/ws/virtual-household/{user}"),
                "port": port,
                "user_id": user,
                "architecture": "simple_multiprocess",
                "process_isolation": true,
            });
            assert_eq!(answer.json(), expected);
            assert_eq!(answer.field("access-control-allow-origin"), Some("*"));
        }
        let own = get(port, &path);
        assert_eq!(own.status, 426, "the role itself takes WebSockets only");
    }
    assert_eq!(catalogue["standard_phases"].as_array().unwrap().len(), 2);
    assert_eq!(catalogue["adaptive_phases"].as_array().unwrap().len(), 4);
}

#[test]
fn a_user_that_does_not_exist_is_told_with_those_that_do() {
    let node = Node::start(&[]);
    let answer = get(node.main_port, "/ws/virtual-household/tom");
    assert_eq!(answer.status, 404);
    assert_eq!(
        answer.json()["error"]["message"],
        "there is no user \"tom\"; there are alex, sarah, jake, computer"
    );
    let answer = get_with(
        node.main_port,
        "/ws/virtual-household/jake",
        &[("Host", "a;b")],
    );
    assert_eq!(answer.status, 400);
}

#[test]
fn one_profile_table_is_one_more_user_in_every_endpoint_without_code() {
    let file = ConfigFile::new("maria", MARIA);
    let node = Node::start(&["--config", file.path(), "--processes-max", "5"]);
    let (main, port) = (node.main_port, node.port("maria"));
    let expected = format!("bufferbloatd maria :{port} ");
    assert!(
        node.children()
            .iter()
            .any(|(_, arguments)| *arguments == expected)
    );
    assert_eq!(node.children().len(), 7);
    let redirect = get(main, "/ws/virtual-household/maria").json();
    assert_eq!(
        (&redirect["port"], &redirect["process_isolation"]),
        (&port.into(), &true.into())
    );
    let catalogue = get(main, "/virtual-household/profiles").json();
    let maria = rows(&catalogue["profiles"], "user_id", "maria")[0];
    assert_eq!(
        (&maria["port"], &maria["down_mbps"]),
        (&port.into(), &20.0.into())
    );
    let stats = get(main, "/virtual-household/stats").json();
    assert_eq!(
        rows(&stats["roles"], "role", "maria")[0]["state"],
        "healthy"
    );
    assert_eq!(rows(&stats["processes"], "role", "maria").len(), 1);
    let processes = get(main, "/virtual-household/process-health").json();
    let process = rows(&processes["processes"], "process", "maria")[0];
    assert_eq!(process["pid"], node.child("maria").unwrap());
    let health = get(main, "/virtual-household/health");
    assert_eq!(health.status, 200);
    let user = health.json();
    assert_eq!(
        rows(&user["users"], "user_id", "maria")[0]["process_isolation"],
        true
    );
    let metrics = get(main, "/metrics").body;
    assert!(metrics.contains("bufferbloatd_role_up{role=\"maria\"} 1"));
    assert_eq!(get(port, "/health").status, 200);
}

#[test]
fn users_beyond_the_bound_on_processes_are_served_by_main() {
    let node = Node::start(&["--processes-max", "2"]);
    assert_eq!(node.children().len(), 4);
    for (user, is_isolated) in [("alex", true), ("sarah", true), ("jake", false)] {
        let redirect = get(node.main_port, &format!("/ws/virtual-household/{user}")).json();
        assert_eq!(redirect["process_isolation"], is_isolated, "{user}");
        let port = if is_isolated {
            node.port(user)
        } else {
            node.main_port
        };
        assert_eq!(redirect["port"], port);
    }
    assert_eq!(get(node.main_port, "/virtual-household/health").status, 200);
}

#[test]
fn one_process_for_all_roles_serves_every_port_and_says_that_it_isolates_nobody() {
    let node = Node::start(&["--multiprocess", "false"]);
    let pid = node.children()[0].0;
    for user in USERS {
        assert_eq!(get(node.port(user), "/health").status, 200);
        let redirect = get(node.main_port, &format!("/ws/virtual-household/{user}")).json();
        assert_eq!(redirect["port"], node.port(user));
        assert_eq!(redirect["process_isolation"], false);
    }
    let report = get(node.main_port, "/virtual-household/process-health").json();
    assert_eq!(report["multiprocess"], false);
    let processes = report["processes"].as_array().unwrap();
    assert_eq!(processes.len(), 6);
    assert!(processes.iter().all(|process| process["pid"] == pid));
}

#[test]
fn the_operators_endpoints_are_on_main_only_and_closed_to_other_origins() {
    let node = Node::start(&[]);
    for path in [
        "/virtual-household/stats",
        "/virtual-household/process-health",
        "/metrics",
    ] {
        let origin = [("Origin", "https://elsewhere.example")];
        let answer = get_with(node.main_port, path, &origin);
        assert_eq!(answer.status, 200);
        assert_eq!(answer.field("access-control-allow-origin"), None);
        assert_eq!(answer.field("cache-control"), Some("no-store"));
        assert_eq!(get(node.ping_port, path).status, 404);
        assert_eq!(get(node.port("jake"), path).status, 404);
    }
    let open = [(
        "Accept",
        "application/openmetrics-text;version=1.0.0,text/plain;q=0.5",
    )];
    let metrics = get_with(node.main_port, "/metrics", &open);
    assert_eq!(
        metrics.field("content-type"),
        Some("application/openmetrics-text; version=1.0.0; charset=utf-8")
    );
    assert!(metrics.body.ends_with("# EOF\n"));
    assert_eq!(get(node.main_port, "/health").json()["status"], "ok");
}

#[test]
fn the_port_of_a_profile_that_another_program_has_is_told_before_anything_is_started() {
    let other = TcpListener::bind("[::]:0")
        .or_else(|_| TcpListener::bind("0.0.0.0:0"))
        .unwrap();
    let port = other.local_addr().unwrap().port();
    let text = MARIA.replace("name =", &format!("port = {port}\nname ="));
    let file = ConfigFile::new("port", &text);
    let arguments = ["--port", "0", "--ping-port", "0", "--config", file.path()];
    let (code, out, error) = run_to_end(&arguments);
    assert_eq!((code, out.as_str()), (1, ""));
    assert_eq!(
        error,
        format!(
            "port {port}: already in use by another program; stop it or choose another with --profile-ports or the \
             profile's port in the file\n"
        )
    );
}

#[test]
fn a_faulty_profile_is_told_with_its_file_key_value_and_range() {
    let file = ConfigFile::new("faulty", &MARIA.replace("20.0", "-1"));
    let (code, _, error) = run_to_end(&["--config", file.path()]);
    assert_eq!(code, 2);
    let expected = "profile \"maria\", flow 1: rate_mbps = -1: must be from";
    assert!(
        error.starts_with(file.path()) && error.contains(expected),
        "{error}"
    );
}

/// Sessions that are open on the whole node, as it counts them.
fn open_sessions(node: &Node) -> u64 {
    let stats = get(node.main_port, "/virtual-household/stats").json();
    stats["total"]["sessions"].as_u64().unwrap()
}

#[test]
fn a_session_opens_at_its_own_role_and_at_main_and_nowhere_else() {
    let node = Node::start(&[]);
    let path = "/ws/virtual-household/jake";
    let mut open = Vec::new();
    for port in [node.port("jake"), node.main_port] {
        let (status, mut stream) = upgrade(port, path);
        assert_eq!(status, 101);
        let (opcode, payload) = first_frame(&mut stream);
        let welcome: Value = serde_json::from_slice(&payload).unwrap();
        assert_eq!((opcode, &welcome["type"]), (1, &"welcome".into()));
        assert_eq!(welcome["profile"]["user_id"], "jake");
        open.push(stream);
    }
    assert_eq!(upgrade(node.port("alex"), path).0, 404);
    assert_eq!(upgrade(node.ping_port, path).0, 404);
    assert_eq!(open_sessions(&node), 2);
    drop(open);
    eventually("the node counts none", PATIENCE, || {
        open_sessions(&node) == 0
    });
    let stats = get(node.main_port, "/virtual-household/stats").json();
    assert_eq!(stats["total"]["sessions_begun"], 2);
    let ended = stats["sessions_ended"].as_object().unwrap();
    let sum: u64 = ended.values().filter_map(Value::as_u64).sum();
    assert_eq!(sum, 2, "{ended:?}");
}

#[test]
fn a_full_process_refuses_and_its_users_are_sent_to_main() {
    let node = Node::start(&["--processes-max", "4", "--tests-per-process", "1"]);
    let path = "/ws/virtual-household/jake";
    let redirect = || get(node.main_port, path).json();
    assert_eq!(redirect()["process_isolation"], true);
    let (status, first) = upgrade(node.port("jake"), path);
    assert_eq!(status, 101);
    let (_, mut second) = upgrade(node.port("jake"), path);
    let (opcode, payload) = first_frame(&mut second);
    assert_eq!((opcode, &payload[..2]), (8, &1013_u16.to_be_bytes()[..]));
    assert_eq!(redirect()["process_isolation"], false);
    assert_eq!(redirect()["port"], node.main_port);
    let health = get(node.main_port, "/virtual-household/health").json();
    assert_eq!(
        health["reasons"][0],
        "role jake is full: main serves its users"
    );
    let (status, _third) = upgrade(node.main_port, path);
    assert_eq!(status, 101);
    drop(first);
    eventually("there is room again", PATIENCE, || {
        redirect()["process_isolation"] == true
    });
}
