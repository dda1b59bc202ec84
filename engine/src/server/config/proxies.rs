//! The proxies that the node stands behind, if any: whose word about a client is taken, and in which form.

use std::net::IpAddr;

use ipnet::IpNet;
use serde::{Deserialize, Serialize};

/// Whom the node believes about the address of a client. By default nobody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proxies {
    /// Their addresses.
    pub trusted: Vec<IpNet>,
    /// Whether each of their connections begins with a PROXY protocol header, version 2.
    pub speak_proxy_protocol: bool,
    /// The header field in which they name the client.
    pub field: ForwardedField,
}

/// The header field in which a proxy names the client of a request. One alone: whichever the proxy does not write itself,
/// it passes on as the client wrote it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ForwardedField {
    /// `Forwarded` (RFC 7239).
    Forwarded,
    /// `X-Forwarded-For`, with `X-Forwarded-Proto`.
    XForwarded,
}

impl Proxies {
    /// Whether this address is one of theirs.
    #[must_use]
    pub fn trusts(&self, address: IpAddr) -> bool {
        let address = address.to_canonical();
        self.trusted.iter().any(|net| net.contains(&address))
    }
}

/// Networks and addresses, separated by commas.
pub(super) fn networks(text: &str) -> Result<Vec<IpNet>, String> {
    let parts = text
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty());
    parts.map(network).collect()
}

fn network(part: &str) -> Result<IpNet, String> {
    let address = part.parse::<IpAddr>().ok().map(IpNet::from);
    let net = address
        .or_else(|| part.parse::<IpNet>().ok())
        .ok_or_else(|| {
            format!("{part:?} is no network; write 192.0.2.1, 192.0.2.0/24 or 2001:db8::/32")
        })?;
    if net.prefix_len() == 0 {
        return Err(format!(
            "{part:?} is everybody: any client could pass itself off as another"
        ));
    }
    if net.addr() != net.network() {
        return Err(format!(
            "{part:?} has bits beyond its prefix; the network is {}",
            net.trunc()
        ));
    }
    Ok(net)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_networks_of_both_families_are_trusted_and_no_others() {
        let proxies = Proxies {
            trusted: networks("192.0.2.1, 198.51.100.0/24,2001:db8::/32").unwrap(),
            speak_proxy_protocol: false,
            field: ForwardedField::Forwarded,
        };
        for (address, is_trusted) in [
            ("192.0.2.1", true),
            ("::ffff:192.0.2.1", true),
            ("192.0.2.2", false),
            ("198.51.100.255", true),
            ("2001:db8:1::1", true),
            ("2001:db9::1", false),
        ] {
            assert_eq!(
                proxies.trusts(address.parse().unwrap()),
                is_trusted,
                "{address}"
            );
        }
        assert_eq!(networks(""), Ok(vec![]));
    }

    #[test]
    fn what_is_no_network_or_is_everybody_is_refused() {
        for part in [
            "192.0.2.0/33",
            "proxy.example.net",
            "192.0.2.1:80",
            "0.0.0.0/0",
            "::/0",
            "192.0.2.1/24",
        ] {
            assert!(networks(part).is_err(), "{part}");
        }
    }
}
