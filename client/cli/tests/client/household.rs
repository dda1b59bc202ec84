//! A household on a real node: what each user gets, and what is left when something comes between.

use engine::runtime::sys::process::send_signal;
use serde_json::Value;

use crate::harness::{Node, client, finish, run};

const SIGINT: i32 = 2;

/// One more user than the catalogue has.
const MARIA: &str = r#"
[[profile]]
user_id = "maria"
name = "Maria"
activity = "Cloud gaming"
description = "A game that is computed elsewhere."
model = "gaming"

[[profile.flow]]
direction = "down"
rate_mbps = 4.0
pattern = "frames"
frames_per_second = 60
"#;

#[test]
fn every_user_of_the_node_gets_what_they_want_on_a_line_that_carries_it() {
    let name = format!("bufferbloat-household-{}", std::process::id());
    let config = std::env::temp_dir().join(format!("{name}.toml"));
    let picture = std::env::temp_dir().join(format!("{name}.svg"));
    std::fs::write(&config, MARIA).expect("a folder for temporary files");
    let path = |path: &std::path::Path| path.to_str().expect("a path of ours").to_owned();
    let node = Node::start(&["--config", &path(&config)]);
    let (code, stdout, stderr) = run(&[
        "test",
        &node.url,
        "--household",
        "--demand",
        "standard",
        "--duration",
        "7",
        "--json",
        "--svg",
        &path(&picture),
    ]);
    assert_eq!((code, stderr.as_str()), (0, ""));
    let report: Value = serde_json::from_str(&stdout).expect("JSON");
    assert_eq!(report["mode"], "household");
    assert_eq!(report["household"]["mode"], "standard");
    assert!(report["household"]["capacity_down_mbps"].is_null());
    let users = report["household"]["users"].as_array().expect("users");
    let ids: Vec<&str> = users
        .iter()
        .filter_map(|user| user["user_id"].as_str())
        .collect();
    assert_eq!(ids, ["alex", "sarah", "jake", "computer", "maria"]);
    for user in users {
        assert!(user["score"].is_number(), "{user}");
        for way in ["down", "up"] {
            let rate = |name: String| user[name].as_f64().unwrap_or(0.0);
            let (had, wanted) = (
                rate(format!("{way}_mbps")),
                rate(format!("demand_{way}_mbps")),
            );
            // Loopback carries it all; a busy machine may be late.
            assert!(had >= 0.7 * wanted, "{way} {had} of {wanted}: {user}");
        }
    }
    let drawn = std::fs::read_to_string(&picture).expect("a picture");
    assert!(drawn.contains(r#"<path class="user4""#) && drawn.contains(">Maria</text>"));
    let _ = std::fs::remove_file(picture);
    let _ = std::fs::remove_file(config);
}

#[test]
fn ctrl_c_keeps_and_marks_what_the_household_went_through() {
    let node = Node::start(&[]);
    let child = client(&["test", &node.url, "--household", "--duration", "9", "--csv"])
        .spawn()
        .expect("starts");
    // Computer asks for more than the 50 Mbit/s of the catalogue: the capacity is known, and the traffic runs.
    node.wait_until(|stats| {
        let computer = stats.roles.iter().find(|role| role.role == "computer");
        computer.is_some_and(|role| role.figures.down_mbps > 60.0)
    });
    send_signal(child.id(), SIGINT).expect("a child of ours");
    let (code, stdout, stderr) = finish(child);
    assert_eq!((code, stderr.as_str()), (130, ""));
    let lines: Vec<Vec<&str>> = stdout
        .lines()
        .map(|line| line.split(',').collect())
        .collect();
    let field = |name: &str| {
        let column = lines[0].iter().position(|column| *column == name);
        lines[1][column.unwrap_or_else(|| panic!("{name}: {stdout}"))]
    };
    assert!(field("partial").starts_with("interrupted"), "{stdout}");
    assert_eq!(field("mode"), "adaptive");
    for name in [
        "capacity_down_mbps",
        "capacity_up_mbps",
        "alex_score",
        "jake_down_mbps",
        "computer_demand_down_mbps",
    ] {
        assert!(field(name).parse::<f64>().is_ok(), "{name}: {stdout}");
    }
}

#[test]
fn a_node_without_room_for_the_users_refuses() {
    // A process for each user and one session in each: the first household has these, and main has room for one more.
    let node = Node::start(&[
        "--processes-max",
        "4",
        "--loops",
        "1",
        "--tests-per-process",
        "1",
    ]);
    let household = ["test", &node.url, "--household", "--quiet"];
    let mut first = client(&household).spawn().expect("starts");
    node.wait_until(|stats| stats.total.sessions == 4);
    let (code, stdout, stderr) = run(&household);
    first.kill().expect("a child of ours");
    first.wait().expect("a child to wait for");
    assert_eq!((code, stdout.as_str()), (5, ""), "{stderr}");
    assert!(
        stderr.contains("the node refuses: no session for "),
        "{stderr}"
    );
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
}
