//! The way to HTTPS, for those who came by HTTP: every path at the main port.

use protocol::http1::{Method, Request};

use crate::server::host::Host;
use crate::server::node::Node;
use crate::server::reply::Reply;
use crate::server::roles::MAIN;
use crate::server::scoreboard::RoleSlot;

/// 308 keeps the method and the body; 301 is what the oldest clients know.
#[must_use]
pub fn to_https(node: &Node, request: &Request) -> Reply {
    let port = node
        .scoreboard()
        .role_named(MAIN)
        .map_or(0, |(_, role)| RoleSlot::port(role));
    let status = match request.method() {
        Method::Get | Method::Head => 301,
        _ => 308,
    };
    match location(request.host().unwrap_or_default(), port, request.target()) {
        Some(location) => Reply::empty(status).with("Location", location),
        None => Reply::error(
            400,
            "invalid_host",
            "the Host field is neither a name nor an address",
        ),
    }
}

fn location(host: &str, port: u16, target: &str) -> Option<String> {
    let host = Host::parse(host)?;
    let authority = match port {
        443 => host.name.to_owned(),
        port => host.at_port(port),
    };
    // Only a path may follow: anything else could lead elsewhere.
    let target = if target.starts_with('/') { target } else { "/" };
    Some(format!("https://{authority}{target}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_path_is_kept_and_the_host_checked() {
        let to = |host: &str, port: u16, target: &str| location(host, port, target);
        assert_eq!(
            to("node.example", 443, "/a?b=1").as_deref(),
            Some("https://node.example/a?b=1")
        );
        assert_eq!(
            to("[::1]:8080", 8443, "/").as_deref(),
            Some("https://[::1]:8443/")
        );
        assert_eq!(
            to("node.example:80", 443, "*").as_deref(),
            Some("https://node.example/")
        );
        assert_eq!(to("a/b", 443, "/"), None);
    }
}
