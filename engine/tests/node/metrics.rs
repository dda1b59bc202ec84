//! What the packaged dashboard and alert rules ask Prometheus for is what a node exposes.

use std::collections::BTreeSet;

use crate::acme;
use crate::harness::Node;
use crate::http::get;
use crate::pebble::{Folder, free_port};
use crate::tls_client;

const DASHBOARD: &str = include_str!("../../../tools/packaging/grafana-dashboard.json");
const ALERTS: &str = include_str!("../../../tools/packaging/alerts.yml");

/// Every word of ours in `text`.
fn named(text: &str) -> BTreeSet<String> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
        .filter(|word| word.starts_with("bufferbloatd_"))
        .map(str::to_owned)
        .collect()
}

/// The `expr` of every query of every panel.
fn queries(value: &serde_json::Value, found: &mut Vec<String>) {
    match value {
        serde_json::Value::Object(fields) => {
            for (name, value) in fields {
                match (name.as_str(), value.as_str()) {
                    ("expr", Some(query)) => found.push(query.to_owned()),
                    _ => queries(value, found),
                }
            }
        }
        serde_json::Value::Array(items) => items.iter().for_each(|item| queries(item, found)),
        _ => {}
    }
}

#[test]
fn every_metric_of_the_dashboard_and_the_alerts_is_exposed() {
    // All families are there where the node gets its certificate by itself; from nobody here.
    let folder = Folder::new("metrics");
    let stored = acme::store_old(&folder);
    let ports = [
        "--port",
        "0",
        "--http-redirect-port",
        "0",
        "--acme-directory",
    ];
    let directory = format!("https://localhost:{}/", free_port());
    let flags = ports.map(str::to_owned).into_iter().chain([directory]);
    let node = acme::start("localhost", &folder, &flags.collect::<Vec<_>>());
    let client = tls_client::client_of(&stored);
    let mut stream = tls_client::connect(&client, node.main_port).expect("TLS");
    let (_, body) = tls_client::get(&mut stream, "/metrics");
    let exposed: BTreeSet<String> = String::from_utf8_lossy(&body)
        .lines()
        .filter(|line| !line.starts_with('#'))
        .filter_map(|line| line.split(['{', ' ']).next().map(str::to_owned))
        .collect();
    let dashboard: serde_json::Value = serde_json::from_str(DASHBOARD).expect("JSON");
    let mut found = Vec::new();
    queries(&dashboard, &mut found);
    assert!(found.len() > 20, "{found:?}");
    for query in &found {
        assert!(!named(query).is_empty(), "{query}");
    }
    let alerts = named(ALERTS);
    assert!(alerts.len() > 7, "{alerts:?}");
    let wanted: BTreeSet<String> = named(&found.join(" ")).union(&alerts).cloned().collect();
    let missing: Vec<&String> = wanted.difference(&exposed).collect();
    assert!(missing.is_empty(), "{missing:?} of {exposed:?}");
}

#[test]
fn every_label_that_a_query_goes_by_is_one_that_its_metrics_have() {
    let node = Node::start(&[]);
    let metrics = get(node.main_port, "/metrics").body;
    let labels = |metric: &str| -> BTreeSet<String> {
        let line = metrics
            .lines()
            .find(|line| line.starts_with(&format!("{metric}{{")));
        let inner = line
            .and_then(|line| line.split_once('{'))
            .and_then(|(_, rest)| rest.split_once('}'));
        let pairs = inner.map_or("", |(pairs, _)| pairs);
        let names = pairs.split("\",").filter_map(|pair| pair.split_once('='));
        // Prometheus adds the node's own.
        let own = ["instance".to_owned()];
        names.map(|(name, _)| name.to_owned()).chain(own).collect()
    };
    let dashboard: serde_json::Value = serde_json::from_str(DASHBOARD).expect("JSON");
    let mut found = Vec::new();
    queries(&dashboard, &mut found);
    for query in found {
        let has: BTreeSet<String> = named(&query).iter().flat_map(|name| labels(name)).collect();
        let by = query
            .split(" by (")
            .skip(1)
            .filter_map(|rest| rest.split_once(')'));
        for label in by.flat_map(|(list, _)| list.split(',')) {
            assert!(has.contains(label.trim()), "{label} in {query}: {has:?}");
        }
    }
}
