//! Whose request it is that a proxy passes on, by the fields that it adds: `Forwarded` (RFC 7239), or `X-Forwarded-For`
//! with `X-Forwarded-Proto`.
//!
//! Every proxy on the way adds its entry at the end, and what stands before the first trusted one's entry may be anybody's
//! invention. So the entries are read from the end, and no further than the last that a trusted proxy wrote.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use protocol::http1::Request;

use super::config::{ForwardedField, Proxies};

/// What the proxies say of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forwarded {
    /// The client's address, or that of the first proxy that says nothing of whom it speaks for.
    pub client: IpAddr,
    /// Whether the client used https; `None` where nobody says.
    pub is_https: Option<bool>,
}

/// One proxy's entry.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Entry {
    /// `None` where it is hidden, unknown or nonsense.
    client: Option<IpAddr>,
    is_https: Option<bool>,
}

/// What the trusted proxies say of the request that `peer` sent: behind the PROXY protocol, whom its header names.
#[must_use]
pub fn forwarded(proxies: &Proxies, peer: IpAddr, request: &Request) -> Forwarded {
    let mut found = Forwarded {
        client: peer.to_canonical(),
        is_https: None,
    };
    if !proxies.trusts(peer) {
        return found;
    }
    let entries = match proxies.field {
        ForwardedField::Forwarded => entries_of_forwarded(&values(request, "forwarded")),
        ForwardedField::XForwarded => entries_of_x_forwarded(
            &values(request, "x-forwarded-for"),
            &values(request, "x-forwarded-proto"),
        ),
    };
    for entry in entries.iter().rev() {
        found.is_https = entry.is_https.or(found.is_https);
        let Some(client) = entry.client else {
            break;
        };
        found.client = client;
        if !proxies.trusts(client) {
            break;
        }
    }
    found
}

/// Every line of the field, joined as if it were one (RFC 9110, section 5.3).
fn values(request: &Request, name: &str) -> String {
    let lines: Vec<&str> = request
        .header_values(name)
        .map(|value| std::str::from_utf8(value).unwrap_or_default())
        .collect();
    lines.join(",")
}

fn entries_of_forwarded(text: &str) -> Vec<Entry> {
    split_unquoted(text, ',')
        .into_iter()
        .filter(|element| !element.trim().is_empty())
        .map(|element| {
            let mut entry = Entry::default();
            for pair in split_unquoted(element, ';') {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                let value = unquoted(value.trim());
                match name.trim().to_ascii_lowercase().as_str() {
                    "for" => entry.client = node_address(&value),
                    "proto" => entry.is_https = is_https(&value),
                    _ => {}
                }
            }
            entry
        })
        .collect()
}

fn entries_of_x_forwarded(addresses: &str, protocols: &str) -> Vec<Entry> {
    let mut entries: Vec<Entry> = addresses
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(|part| Entry {
            client: node_address(part),
            is_https: None,
        })
        .collect();
    // A proxy overwrites it; where one appended, its own word is the last.
    let protocol = protocols.rsplit(',').next().map(str::trim);
    if let Some(last) = entries.last_mut() {
        last.is_https = protocol.and_then(is_https);
    }
    entries
}

fn is_https(protocol: &str) -> Option<bool> {
    match protocol.to_ascii_lowercase().as_str() {
        "https" | "wss" => Some(true),
        "http" | "ws" => Some(false),
        _ => None,
    }
}

/// `192.0.2.1`, `192.0.2.1:4711`, `[2001:db8::1]`, `[2001:db8::1]:4711` or `2001:db8::1`; no name, and no `unknown`.
fn node_address(text: &str) -> Option<IpAddr> {
    let bracketed = || {
        let inner = text.strip_prefix('[')?.strip_suffix(']')?;
        inner.parse::<Ipv6Addr>().ok().map(IpAddr::V6)
    };
    let with_port = || text.parse::<SocketAddr>().ok().map(|address| address.ip());
    let address = text.parse().ok().or_else(bracketed).or_else(with_port)?;
    Some(address.to_canonical())
}

/// Splits at `separator` where it stands outside of quotes.
fn split_unquoted(text: &str, separator: char) -> Vec<&str> {
    let (mut parts, mut start) = (Vec::new(), 0);
    let (mut is_quoted, mut is_escaped) = (false, false);
    for (index, character) in text.char_indices() {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            _ if character == separator && !is_quoted => {
                parts.push(&text[start..index]);
                start = index + separator.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    parts
}

/// A quoted string's content, or the token as it is.
fn unquoted(text: &str) -> String {
    let Some(inner) = text
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
    else {
        return text.to_owned();
    };
    let mut content = String::with_capacity(inner.len());
    let mut characters = inner.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => match characters.next() {
                Some(escaped) => content.push(escaped),
                // The closing quote was none.
                None => return String::new(),
            },
            _ => content.push(character),
        }
    }
    content
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use protocol::connection::{Connection, Event};
    use protocol::time::Instant;

    use super::*;

    const PROXY: &str = "10.0.0.1";

    fn proxies(field: ForwardedField) -> Proxies {
        Proxies {
            trusted: vec!["10.0.0.0/8".parse().unwrap()],
            speak_proxy_protocol: false,
            field,
        }
    }

    fn request(fields: &str) -> Request {
        let mut connection = Connection::server(Instant::ORIGIN);
        let text = format!("GET / HTTP/1.1\r\nHost: a\r\n{fields}\r\n");
        connection.handle_input(Instant::ORIGIN, text.as_bytes());
        match connection.poll_event(&mut Vec::new()) {
            Some(Event::Request(request)) => request,
            other => panic!("{other:?}"),
        }
    }

    fn client(field: ForwardedField, peer: &str, fields: &str) -> (String, Option<bool>) {
        let peer = peer.parse().unwrap();
        let found = forwarded(&proxies(field), peer, &request(fields));
        (found.client.to_string(), found.is_https)
    }

    #[test]
    fn the_last_entry_that_a_trusted_proxy_wrote_is_believed_and_none_before_it() {
        for (fields, expected, is_https) in [
            (
                "Forwarded: for=192.0.2.60;proto=https;by=203.0.113.43\r\n",
                "192.0.2.60",
                Some(true),
            ),
            (
                "Forwarded: For=\"[2001:db8:cafe::17]:4711\"\r\n",
                "2001:db8:cafe::17",
                None,
            ),
            (
                "forwarded: for=192.0.2.60:80; proto=HTTP\r\n",
                "192.0.2.60",
                Some(false),
            ),
            // The client's own invention comes before what the proxy saw.
            (
                "Forwarded: for=1.2.3.4;proto=https, for=192.0.2.43;proto=http\r\n",
                "192.0.2.43",
                Some(false),
            ),
            (
                "Forwarded: for=1.2.3.4\r\nForwarded: for=192.0.2.43\r\n",
                "192.0.2.43",
                None,
            ),
            // Two trusted proxies in a row.
            (
                "Forwarded: for=192.0.2.43;proto=https, for=10.9.9.9;proto=http\r\n",
                "192.0.2.43",
                Some(true),
            ),
            (
                "Forwarded: for=10.8.8.8, for=10.9.9.9\r\n",
                "10.8.8.8",
                None,
            ),
            // Hidden, unknown and broken entries end the search where it stands.
            ("Forwarded: for=192.0.2.43, for=_hidden\r\n", PROXY, None),
            (
                "Forwarded: for=192.0.2.43, for=unknown, for=10.9.9.9\r\n",
                "10.9.9.9",
                None,
            ),
            (
                "Forwarded: for=192.0.2.43, proto=https\r\n",
                PROXY,
                Some(true),
            ),
            ("Forwarded: for=\"192.0.2.43, for=1.2.3.4\r\n", PROXY, None),
            ("Forwarded: for=\"192.0.2.43\\\"\r\n", PROXY, None),
            ("X-Forwarded-For: 1.2.3.4\r\n", PROXY, None),
            ("", PROXY, None),
        ] {
            let found = client(ForwardedField::Forwarded, PROXY, fields);
            assert_eq!(found, (expected.to_owned(), is_https), "{fields}");
        }
    }

    #[test]
    fn the_same_holds_for_the_older_fields() {
        for (fields, expected, is_https) in [
            (
                "X-Forwarded-For: 192.0.2.43\r\nX-Forwarded-Proto: https\r\n",
                "192.0.2.43",
                Some(true),
            ),
            (
                "X-Forwarded-For: 1.2.3.4, 192.0.2.43\r\n",
                "192.0.2.43",
                None,
            ),
            (
                "X-Forwarded-For: 192.0.2.43, 10.9.9.9\r\n",
                "192.0.2.43",
                None,
            ),
            ("X-Forwarded-For: 2001:db8::1\r\n", "2001:db8::1", None),
            ("X-Forwarded-For: nonsense\r\n", PROXY, None),
            ("Forwarded: for=1.2.3.4\r\n", PROXY, None),
        ] {
            let found = client(ForwardedField::XForwarded, PROXY, fields);
            assert_eq!(found, (expected.to_owned(), is_https), "{fields}");
        }
    }

    #[test]
    fn nobody_else_is_believed() {
        let fields = "Forwarded: for=192.0.2.60;proto=https\r\n";
        for peer in ["192.0.2.1", "::ffff:192.0.2.1", "2001:db8::1"] {
            let (found, is_https) = client(ForwardedField::Forwarded, peer, fields);
            let peer: IpAddr = peer.parse().unwrap();
            assert_eq!((found, is_https), (peer.to_canonical().to_string(), None));
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "\\PC{0,80}") {
            let _ = entries_of_forwarded(&text);
            let _ = entries_of_x_forwarded(&text, &text);
        }
    }
}
