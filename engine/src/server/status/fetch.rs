//! Some GETs on one connection, blocking, by the same state machine that every other client here is built on.

use std::fmt;
use std::io::{self, Read as _, Write as _};
use std::net::{TcpStream, ToSocketAddrs as _};
use std::time::Duration;

use protocol::connection::{BodySink, Connection, Event, RequestBody};
use protocol::http1::{Method, RequestHead};
use protocol::time::Instant;
use serde::de::DeserializeOwned;

use super::StatusFault;
use crate::runtime::sys::clock::monotonic_now;
use crate::runtime::tls::{BlockingStream, Connector, Trust};
use crate::server::host::Host;
use crate::server::os_error;
use crate::server::scheme::Scheme;

/// A node answers within milliseconds, a busy one within a second.
const PATIENCE: Duration = Duration::from_secs(5);
/// Far above any answer of a node.
const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Where a node is: `http://host:port` or `https://host:port`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct NodeUrl {
    /// Without brackets.
    name: String,
    port: u16,
    /// As the Host field has it.
    host: String,
    scheme: Scheme,
}

impl NodeUrl {
    /// Takes `http://host`, `https://host:port`, `host:port` and the like, with or without a slash at the end.
    pub(super) fn parse(text: &str) -> Result<Self, StatusFault> {
        let (scheme, rest) = match text.split_once("://") {
            None => (Scheme::Plain, text),
            Some(("http", rest)) => (Scheme::Plain, rest),
            Some(("https", rest)) => (Scheme::Tls, rest),
            Some((scheme, _)) => {
                return Err(StatusFault(format!(
                    "{text}: status speaks http and https, not {scheme}"
                )));
            }
        };
        let host = rest.strip_suffix('/').unwrap_or(rest);
        let parsed = Host::parse(host).ok_or_else(|| {
            StatusFault(format!(
                "{text}: not the URL of a node; write http://localhost:8000"
            ))
        })?;
        Ok(Self {
            name: parsed.name.trim_matches(['[', ']']).to_owned(),
            port: parsed.port.unwrap_or(scheme.default_port()),
            host: host.to_owned(),
            scheme,
        })
    }
}

impl fmt::Display for NodeUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}/", self.scheme.http(), self.host)
    }
}

/// What a node is spoken to through.
#[derive(Debug)]
enum Stream {
    Plain(TcpStream),
    Tls(Box<BlockingStream>),
}

impl Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(buffer),
            Self::Tls(stream) => stream.read(buffer),
        }
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.write_all(bytes),
            Self::Tls(stream) => stream.write_all(bytes).and_then(|()| stream.flush()),
        }
    }
}

/// A connection to a node.
#[derive(Debug)]
pub(super) struct Fetcher {
    url: NodeUrl,
    stream: Stream,
    connection: Connection,
}

impl Fetcher {
    /// Tries every address that the name has; a node that speaks TLS must be one that `trust` trusts.
    pub(super) fn connect(url: &NodeUrl, trust: Trust<'_>) -> Result<Self, StatusFault> {
        let connector = match url.scheme {
            Scheme::Plain => None,
            Scheme::Tls => Some(
                Connector::new(&url.name, trust, &[b"http/1.1"])
                    .map_err(|reason| StatusFault(format!("{url}: {reason}")))?,
            ),
        };
        let fault = |reason: String| {
            StatusFault(format!(
                "{url}: {reason}; does the node run? `--url` names another"
            ))
        };
        let addresses = (url.name.as_str(), url.port)
            .to_socket_addrs()
            .map_err(|error| fault(os_error::reason(&error)))?;
        let mut reason = "the name has no address".to_owned();
        for address in addresses {
            let connected = TcpStream::connect_timeout(&address, PATIENCE).and_then(|stream| {
                stream.set_read_timeout(Some(PATIENCE))?;
                stream.set_write_timeout(Some(PATIENCE))?;
                Ok(match &connector {
                    None => Stream::Plain(stream),
                    Some(connector) => Stream::Tls(Box::new(connector.connect_blocking(stream)?)),
                })
            });
            match connected {
                Ok(stream) => {
                    return Ok(Self {
                        url: url.clone(),
                        stream,
                        connection: Connection::client(monotonic_now()),
                    });
                }
                Err(error) => reason = os_error::reason(&error),
            }
        }
        Err(fault(reason))
    }

    /// What `GET path` answers, whatever the status.
    pub(super) fn json<T: DeserializeOwned>(&mut self, path: &str) -> Result<T, StatusFault> {
        let body = self
            .body(path)
            .map_err(|reason| self.fault(path, &reason))?;
        serde_json::from_slice(&body).map_err(|error| {
            self.fault(
                path,
                &format!("what answers is no node of this version ({error})"),
            )
        })
    }

    fn fault(&self, path: &str, reason: &str) -> StatusFault {
        StatusFault(format!(
            "{}{}: {reason}",
            self.url,
            path.trim_start_matches('/')
        ))
    }

    fn body(&mut self, path: &str) -> Result<Vec<u8>, String> {
        let deadline = monotonic_now() + PATIENCE;
        let head = RequestHead::new(Method::Get, path, self.url.host.clone());
        let sink = BodySink::Collect {
            limit_bytes: BODY_BYTES_MAX,
        };
        self.connection
            .request(monotonic_now(), head, RequestBody::Empty, sink)
            .map_err(|_| "the node closed the connection".to_owned())?;
        let mut scratch = Vec::new();
        loop {
            while let Some(event) = self.connection.poll_event(&mut scratch) {
                match event {
                    Event::BodyComplete { .. } => return Ok(scratch),
                    Event::Closed(reason) => {
                        return Err(format!("the connection ended: {reason}"));
                    }
                    _ => {}
                }
            }
            let now = monotonic_now();
            if now >= deadline {
                return Err(format!("no answer within {} s", PATIENCE.as_secs()));
            }
            self.exchange(now)?;
        }
    }

    /// Sends what waits, then reads once.
    fn exchange(&mut self, now: Instant) -> Result<(), String> {
        let in_words = |error: io::Error| match error.kind() {
            io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
                format!("no answer within {} s", PATIENCE.as_secs())
            }
            _ => os_error::reason(&error),
        };
        let mut out = Vec::new();
        if self.connection.poll_transmit(now, &mut out) {
            self.stream.write_all(&out).map_err(in_words)?;
            self.connection.handle_transmitted(now, out.len() as u64);
        }
        let mut buffer = [0; 16 * 1024];
        match self.stream.read(&mut buffer).map_err(in_words)? {
            0 => self.connection.handle_eof(now),
            count => self.connection.handle_input(now, &buffer[..count]),
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_with_and_without_its_parts() {
        for (text, name, port, shown) in [
            (
                "http://localhost:8000",
                "localhost",
                8000,
                "http://localhost:8000/",
            ),
            (
                "http://localhost:8000/",
                "localhost",
                8000,
                "http://localhost:8000/",
            ),
            (
                "https://node.example.net/",
                "node.example.net",
                443,
                "https://node.example.net/",
            ),
            (
                "node.example.net",
                "node.example.net",
                80,
                "http://node.example.net/",
            ),
            (
                "[2001:db8::1]:8443",
                "2001:db8::1",
                8443,
                "http://[2001:db8::1]:8443/",
            ),
        ] {
            let url = NodeUrl::parse(text).unwrap();
            assert_eq!((url.name.as_str(), url.port), (name, port), "{text}");
            assert_eq!(url.to_string(), shown);
        }
    }

    #[test]
    fn what_is_no_url_of_a_node_is_told() {
        for text in ["", "ftp://a", "http://a/b", "http://", "http://a b"] {
            let fault = NodeUrl::parse(text).unwrap_err().to_string();
            assert!(fault.starts_with(text), "{fault}");
        }
    }
}
