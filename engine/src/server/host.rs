//! The Host field: the node as the client sees it. It comes from the peer, so nothing but a name, an IPv4 address or a
//! bracketed IPv6 address passes: it goes into URLs and into the content security policy.

use std::net::Ipv6Addr;

/// A host with the port that the client used, if it named one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Host<'a> {
    /// A name or an address; an IPv6 address keeps its brackets.
    pub name: &'a str,
    /// The port.
    pub port: Option<u16>,
}

impl<'a> Host<'a> {
    /// `None` when it's neither a name nor an address, with an optional port.
    #[must_use]
    pub fn parse(field: &'a str) -> Option<Self> {
        let (name, port) = match field.rfind(':') {
            Some(colon) if !field[colon..].contains(']') => {
                (&field[..colon], Some(&field[colon + 1..]))
            }
            _ => (field, None),
        };
        let port = match port {
            Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                Some(digits.parse().ok()?)
            }
            Some(_) => return None,
            None => None,
        };
        let is_valid = match name
            .strip_prefix('[')
            .and_then(|inner| inner.strip_suffix(']'))
        {
            Some(address) => address.parse::<Ipv6Addr>().is_ok(),
            None => is_name(name),
        };
        is_valid.then_some(Self { name, port })
    }

    /// The same host at another port.
    #[must_use]
    pub fn at_port(&self, port: u16) -> String {
        format!("{}:{port}", self.name)
    }
}

/// Letters, digits, dots, hyphens and underscores: what names and IPv4 addresses are made of.
fn is_name(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_');
    !name.is_empty() && name.len() <= 253 && name.bytes().all(is_allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_addresses_pass_with_and_without_a_port() {
        for (field, name, port) in [
            ("localhost:8000", "localhost", Some(8000)),
            ("test.example.net", "test.example.net", None),
            ("192.0.2.1:80", "192.0.2.1", Some(80)),
            ("[2001:db8::1]:8443", "[2001:db8::1]", Some(8443)),
            ("[::1]", "[::1]", None),
        ] {
            assert_eq!(Host::parse(field), Some(Host { name, port }), "{field}");
        }
        assert_eq!(
            Host::parse("[::1]:8000")
                .map(|host| host.at_port(8005))
                .as_deref(),
            Some("[::1]:8005")
        );
    }

    #[test]
    fn what_could_break_out_of_a_url_or_a_policy_does_not_pass() {
        for field in [
            "", ":80", "a b", "a;b", "a/b", "a@b", "[::1", "::1]", "[x]", "a:99999", "a:8x", "a,b",
            "a'",
        ] {
            assert_eq!(Host::parse(field), None, "{field}");
        }
    }
}
