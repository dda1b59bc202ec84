//! The way to HTTPS, for those who came by HTTP: every path at the main port.

use protocol::connection::ResponseBody;
use protocol::http1::{Method, Request, ResponseHead};

use crate::server::host::Host;
use crate::server::node::Node;
use crate::server::reply::Reply;
use crate::server::roles::MAIN;
use crate::server::scoreboard::RoleSlot;

const CHALLENGE_PATH: &str = "/.well-known/acme-challenge/";
/// Let's Encrypt's have 43.
const TOKEN_BYTES_MAX: usize = 128;

/// 308 keeps the method and the body; 301 is what the oldest clients know.
#[must_use]
pub fn to_https(node: &Node, request: &Request) -> Reply {
    if let Some(reply) = challenge(node, request) {
        return reply;
    }
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

/// The answer to a certificate authority that looks whether a name is this node's (RFC 8555, section 8.3): the token and
/// the account's thumbprint, by which nobody but the account's owner gets a certificate. Only while an order is open.
fn challenge(node: &Node, request: &Request) -> Option<Reply> {
    let token = request.path().strip_prefix(CHALLENGE_PATH)?;
    let thumbprint = node.scoreboard().acme().answering()?;
    if !matches!(request.method(), Method::Get | Method::Head) || !is_token(token) {
        return None;
    }
    Some(Reply {
        head: ResponseHead::new(200)
            .field("Content-Type", "application/octet-stream")
            .field("X-Content-Type-Options", "nosniff"),
        body: ResponseBody::Owned(format!("{token}.{thumbprint}").into_bytes()),
    })
}

/// In the base64url alphabet, as section 8.3 has it.
fn is_token(token: &str) -> bool {
    let is_base64url = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    (1..=TOKEN_BYTES_MAX).contains(&token.len()) && token.chars().all(is_base64url)
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
    fn a_token_is_of_the_alphabet_that_the_rfc_has() {
        assert!(is_token("evaGxfADs6pSRb2LAv9IZf17Dt3juxGJ-PCt92wr_oA"));
        let long = "a".repeat(TOKEN_BYTES_MAX + 1);
        for wrong in ["", "a/b", "a.b", "<a>", "a%20b", "../x", long.as_str()] {
            assert!(!is_token(wrong), "{wrong}");
        }
    }

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
