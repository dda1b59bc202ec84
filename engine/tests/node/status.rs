//! `bufferbloatd status`, as a person and a script meet it.

use std::net::TcpListener;

use crate::harness::{Node, run_to_end};
use crate::tls_client::Authority;

fn status(port: u16) -> (i32, String, String) {
    run_to_end(&["status", "--url", &format!("http://127.0.0.1:{port}")])
}

#[test]
fn a_running_node_is_shown_with_its_roles_and_without_colours_in_a_pipe() {
    let node = Node::start(&[]);
    let (code, out, error) = status(node.main_port);
    assert_eq!((code, error.as_str()), (0, ""), "{out}");
    assert!(out.contains(" is ok: version "), "{out}");
    for role in ["main", "ping", "jake"] {
        let line = out.lines().find(|line| line.starts_with(role));
        assert!(line.is_some_and(|line| line.contains("healthy")), "{out}");
    }
    assert!(!out.contains('\u{1b}'), "{out:?}");
    // The ping role has no statistics of the node: what answers is a node, and not the whole of it.
    let (code, _, error) = status(node.ping_port);
    assert_eq!(code, 3);
    assert!(error.contains("/virtual-household/stats: "), "{error}");
}

#[test]
fn a_port_where_nobody_answers_is_told_with_what_to_do() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("its number").port();
    drop(listener);
    let (code, out, error) = status(port);
    assert_eq!((code, out.as_str()), (3, ""));
    let expected = format!(
        "http://127.0.0.1:{port}/: Connection refused; does the node run? `--url` names another\n"
    );
    assert_eq!(error, expected);
}

#[test]
fn the_node_of_the_configuration_is_the_one_that_is_asked() {
    let node = Node::start(&[]);
    let port = node.main_port.to_string();
    let (code, out, _) = run_to_end(&["status", "--port", &port, "--config", ""]);
    assert_eq!(code, 0);
    assert!(
        out.starts_with(&format!("http://localhost:{port}/ is ok")),
        "{out}"
    );
    let (code, _, error) =
        run_to_end(&["status", "--port", "0", "--ping-port", "0", "--config", ""]);
    assert_eq!(code, 2);
    assert!(error.contains("--url"), "{error}");
}

#[test]
fn a_node_with_tls_is_asked_by_https() {
    let authority = Authority::new();
    let mut flags = authority.write(&authority.issue(2020, 2090));
    let node = Node::start(&flags.iter().map(String::as_str).collect::<Vec<_>>());
    let url = format!("https://localhost:{}", node.main_port);
    let (code, _, error) = run_to_end(&["status", "--url", &url]);
    assert_eq!(code, 3);
    assert!(error.contains("certificate"), "{error}");
    let (code, out, error) = run_to_end(&["status", "--url", &url, "--insecure"]);
    assert_eq!((code, error.as_str()), (0, ""), "{out}");
    flags.extend([
        "--port".to_owned(),
        node.main_port.to_string(),
        "--config".to_owned(),
        String::new(),
    ]);
    let arguments: Vec<&str> = ["status"]
        .into_iter()
        .chain(flags.iter().map(String::as_str))
        .collect();
    let (code, out, _) = run_to_end(&arguments);
    assert_eq!(code, 0);
    assert!(out.starts_with(&format!("{url}/ is ok")), "{out}");
}
