//! Where a node is: what the user typed, the addresses behind it, and the way to each of its URLs.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs as _};

use engine::runtime::tls::{Connector, Trust};
use http::Uri;
use http::uri::Authority;

use crate::fault::Fault;

/// The addresses that may be used.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Family {
    /// Both.
    #[default]
    Any,
    /// IPv4 alone.
    V4,
    /// IPv6 alone.
    V6,
}

/// A node's URL as the user gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeUrl {
    authority: Authority,
    is_https: bool,
}

/// A node at one of its addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Site {
    url: NodeUrl,
    ip: IpAddr,
    local: Option<IpAddr>,
    /// Makes the handshakes of an `https` node.
    connector: Option<Connector>,
}

/// The way to one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Route {
    /// Whom to connect to.
    pub peer: SocketAddr,
    /// From which of this machine's addresses; `None` leaves it to the kernel.
    pub local: Option<IpAddr>,
    /// With what a TLS handshake is made; `None` speaks plain.
    pub connector: Option<Connector>,
    /// What the Host field says.
    pub host: String,
    /// Path and query.
    pub target: String,
}

impl NodeUrl {
    /// Reads `http://HOST[:PORT]` or `https://HOST[:PORT]`; without a scheme it is `http`.
    ///
    /// # Errors
    /// It is something else.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        let usage = |why: &str| Fault::Usage(why.to_owned());
        let whole = if text.contains("://") {
            text.to_owned()
        } else {
            format!("http://{text}")
        };
        let uri: Uri = whole
            .parse()
            .map_err(|_| usage("not a URL; give it as http://HOST:PORT"))?;
        let is_https = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(usage("neither an http:// nor an https:// URL")),
        };
        if uri.path() != "/" || uri.query().is_some() {
            return Err(usage("give the node's address alone, without a path"));
        }
        match uri.into_parts().authority {
            Some(authority) if is_host_and_port(&authority) => Ok(Self {
                authority,
                is_https,
            }),
            _ => Err(usage("no host and port; give it as http://HOST:PORT")),
        }
    }

    /// The URL in its full form, without a path.
    #[must_use]
    pub fn text(&self) -> String {
        let scheme = if self.is_https { "https" } else { "http" };
        format!("{scheme}://{}", self.authority)
    }

    /// What makes the handshakes of an `https` node.
    ///
    /// # Errors
    /// The system has no authorities to trust.
    fn connector(&self, trust: Trust<'_>) -> Result<Option<Connector>, Fault> {
        if !self.is_https {
            return Ok(None);
        }
        Connector::new(self.authority.host(), trust, &[b"http/1.1"])
            .map(Some)
            .map_err(Fault::System)
    }

    /// The node at each of its addresses, in the resolver's order.
    ///
    /// # Errors
    /// The name is unknown, or has no address of that family, or none that `local` can reach; the system has no
    /// authorities to trust.
    pub fn sites(
        &self,
        family: Family,
        local: Option<IpAddr>,
        trust: Trust<'_>,
    ) -> Result<Vec<Site>, Fault> {
        let connector = self.connector(trust)?;
        let addresses = resolve(&self.authority, self.is_https)?;
        let sites: Vec<Site> = addresses
            .into_iter()
            .map(|address| address.ip())
            .filter(|ip| match family {
                Family::Any => true,
                Family::V4 => ip.is_ipv4(),
                Family::V6 => ip.is_ipv6(),
            })
            .filter(|ip| local.is_none_or(|local| local.is_ipv4() == ip.is_ipv4()))
            .map(|ip| Site {
                url: self.clone(),
                ip,
                local,
                connector: connector.clone(),
            })
            .collect();
        if sites.is_empty() {
            let host = self.authority.host();
            let wanted = match (family, local) {
                (Family::V4, _) => "IPv4 address",
                (Family::V6, _) => "IPv6 address",
                (Family::Any, _) => "address of the same family as --bind",
            };
            return Err(Fault::NoAnswer(format!("{host} has no {wanted}")));
        }
        Ok(sites)
    }
}

impl Site {
    /// The address in use.
    #[must_use]
    pub const fn ip(&self) -> IpAddr {
        self.ip
    }

    /// The URL that led here.
    #[must_use]
    pub const fn url(&self) -> &NodeUrl {
        &self.url
    }

    /// The way to a path of the node's main role.
    #[must_use]
    pub fn path(&self, target: &str) -> Route {
        Route {
            peer: SocketAddr::new(self.ip, port_of(&self.url.authority, self.url.is_https)),
            local: self.local,
            connector: self.connector.clone(),
            host: self.url.authority.to_string(),
            target: target.to_owned(),
        }
    }

    /// The way to an absolute URL that the node gave: at the same address where it names the same host.
    ///
    /// # Errors
    /// It is no URL of the kinds that a node gives, or its host is unknown.
    pub fn route(&self, url: &str) -> Result<Route, Fault> {
        let unexpected =
            || Fault::Unexpected(format!("the node names the URL {url}, which can't be used"));
        let uri: Uri = url.parse().map_err(|_| unexpected())?;
        let is_https = match uri.scheme_str() {
            Some("http" | "ws") => false,
            Some("https" | "wss") => true,
            _ => return Err(unexpected()),
        };
        // What begins encrypted is not to go on without, and plain HTTP has no certificate to begin with.
        if is_https != self.url.is_https {
            return Err(unexpected());
        }
        let authority = uri.authority().ok_or_else(unexpected)?;
        let is_same_host = authority.host() == self.url.authority.host();
        let connector = match &self.connector {
            Some(connector) if !is_same_host => {
                Some(connector.to_host(authority.host()).ok_or_else(unexpected)?)
            }
            connector => connector.clone(),
        };
        let peer = if is_same_host {
            SocketAddr::new(self.ip, port_of(authority, is_https))
        } else {
            let addresses = resolve(authority, is_https)?;
            let same_family = |peer: &SocketAddr| peer.is_ipv4() == self.ip.is_ipv4();
            addresses
                .into_iter()
                .find(same_family)
                .ok_or_else(unexpected)?
        };
        Ok(Route {
            peer,
            local: self.local,
            connector,
            host: authority.to_string(),
            target: uri
                .path_and_query()
                .map_or("/", |target| target.as_str())
                .to_owned(),
        })
    }

    /// The same, as a flow of the test of that id.
    ///
    /// # Errors
    /// As [`Site::route`].
    pub fn route_in_test(&self, url: &str, test_id: &str) -> Result<Route, Fault> {
        Ok(self.route(url)?.with_query("test_id", test_id))
    }
}

impl Route {
    /// The same with `name=value` added to the query.
    #[must_use]
    pub fn with_query(&self, name: &str, value: &str) -> Self {
        let sign = if self.target.contains('?') { '&' } else { '?' };
        Self {
            target: format!("{}{sign}{name}={value}", self.target),
            ..self.clone()
        }
    }
}

/// A URL may hold more between its slashes: a user's name, or a port that is none.
fn is_host_and_port(authority: &Authority) -> bool {
    let host = authority.host();
    match authority.as_str().strip_prefix(host) {
        Some("") => !host.is_empty(),
        Some(_) => !host.is_empty() && authority.port_u16().is_some(),
        None => false,
    }
}

fn port_of(authority: &Authority, is_https: bool) -> u16 {
    let default = if is_https { 443 } else { 80 };
    authority.port_u16().unwrap_or(default)
}

fn resolve(authority: &Authority, is_https: bool) -> Result<Vec<SocketAddr>, Fault> {
    let host = authority.host();
    let name = host.trim_start_matches('[').trim_end_matches(']');
    (name, port_of(authority, is_https))
        .to_socket_addrs()
        .map(Iterator::collect)
        .map_err(|_| Fault::NoAnswer(format!("{host}: no address is known for this name")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn site(text: &str) -> Site {
        let url = NodeUrl::parse(text).expect("a URL");
        let sites = url.sites(Family::Any, None, Trust::Anybody);
        let sites = sites.expect("an address");
        sites.into_iter().next().expect("not empty")
    }

    #[test]
    fn a_url_may_lack_its_scheme_and_its_port() {
        for (text, host, port) in [
            ("http://127.0.0.1:8000", "127.0.0.1:8000", 8000),
            ("http://127.0.0.1:8000/", "127.0.0.1:8000", 8000),
            ("127.0.0.1:8000", "127.0.0.1:8000", 8000),
            ("127.0.0.1", "127.0.0.1", 80),
            ("http://[::1]:8000", "[::1]:8000", 8000),
            ("https://127.0.0.1", "127.0.0.1", 443),
            ("https://[::1]:8443", "[::1]:8443", 8443),
        ] {
            let route = site(text).path("/ping");
            assert_eq!(
                (route.host.as_str(), route.peer.port()),
                (host, port),
                "{text}"
            );
        }
    }

    #[test]
    fn what_is_no_address_of_a_node_is_refused() {
        for text in [
            "",
            "http://",
            "ftp://127.0.0.1",
            "http://127.0.0.1/page",
            "http://127.0.0.1/?x=1",
            "http://user@127.0.0.1",
            "http://127.0.0.1:port",
            "two words",
        ] {
            assert!(
                matches!(NodeUrl::parse(text), Err(Fault::Usage(_))),
                "{text}"
            );
        }
    }

    #[test]
    fn a_url_of_the_node_leads_to_the_same_address() {
        let route = site("127.0.0.1:8000")
            .route("ws://127.0.0.1:8005/ws/ping")
            .expect("a route");
        assert_eq!(route.peer, "127.0.0.1:8005".parse().expect("an address"));
        assert_eq!(route.target, "/ws/ping");
        assert_eq!(
            route.with_query("test_id", "7").target,
            "/ws/ping?test_id=7"
        );
        assert_eq!(
            route.with_query("a", "1").with_query("b", "2").target,
            "/ws/ping?a=1&b=2"
        );
    }

    #[test]
    fn what_begins_with_tls_goes_on_with_it() {
        let secure = site("https://127.0.0.1:8000");
        let plain = site("http://127.0.0.1:8000");
        assert!(secure.path("/").connector.is_some() && plain.path("/").connector.is_none());
        let route = secure.route("wss://127.0.0.1:8005/ws/ping");
        assert!(route.expect("a route").connector.is_some());
        let elsewhere = secure.route("https://127.0.0.2/download").expect("a route");
        assert_ne!(elsewhere.connector, secure.path("/").connector);
        assert!(secure.route("ws://127.0.0.1:8005/ws/ping").is_err());
        assert!(plain.route("wss://127.0.0.1:8005/ws/ping").is_err());
    }

    #[test]
    fn a_family_without_an_address_is_no_answer() {
        let url = NodeUrl::parse("127.0.0.1").expect("a URL");
        assert!(matches!(
            url.sites(Family::V6, None, Trust::Anybody),
            Err(Fault::NoAnswer(_))
        ));
        let local = Some("::1".parse().expect("an address"));
        assert!(matches!(
            url.sites(Family::Any, local, Trust::Anybody),
            Err(Fault::NoAnswer(_))
        ));
    }
}
