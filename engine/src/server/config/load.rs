//! From what was given to a [`Config`]: every value is parsed, every fault is reported at once.

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use protocol::profile::Profile;

use super::acme;
use super::error::{ConfigError, ConfigErrors};
use super::profiles::{self, RolePorts};
use super::proxies::networks;
use super::setting::Setting;
use super::settings::Key;
use super::sources::{Given, GivenProfiles, Source, Sources};
use super::{
    Acme, AcmeChallenge, Bounded, Config, CorsOrigins, ForwardedField, Limits, Listen,
    LogAddresses, LogFormat, LogLevel, Proxies, TlsFiles, TlsVersion,
};

/// Longest node name, bytes.
const NODE_NAME_BYTES_MAX: usize = 64;

/// The defaults of the main port and of the redirection's.
const HTTP_PORT: &str = "8000";
const HTTPS_PORT: &str = "443";
const HTTP_REDIRECT_PORT: &str = "80";

/// Longest user name that Linux has, bytes.
const USER_BYTES_MAX: usize = 32;

/// Every Linux has it and allows it to everybody.
const LOSS_BASED_EVERYWHERE: &str = "reno";

/// What the machine says, asked by the caller.
pub struct Kernel<'a> {
    /// The default node name.
    pub host_name: String,
    /// The default number of loops: cores that this process may use.
    pub cores: usize,
    /// Whether a congestion control can be used; if not, why, and which can.
    pub offers_congestion_control: &'a dyn Fn(&str) -> Result<(), String>,
    /// A file that the configuration names and that is read with it; else why not, in words.
    pub read_file: &'a dyn Fn(&Path) -> Result<Vec<u8>, String>,
}

/// A valid configuration with the text and source of each value.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// What the node goes by.
    pub config: Config,
    /// In the order of the table.
    pub values: Vec<(Key, Given)>,
    /// The profiles that the file changes or adds.
    pub profiles: GivenProfiles,
}

/// Parses everything.
///
/// # Errors
/// Every fault, with its key, value, source and what would be right.
pub fn load(sources: &Sources, kernel: &Kernel<'_>) -> Result<Loaded, ConfigErrors> {
    let mut parser = Parser {
        sources,
        errors: Vec::new(),
        values: Vec::new(),
    };
    let config = parser.config(kernel);
    match (config, parser.errors.is_empty()) {
        (Some(config), true) => {
            let mut values = parser.values;
            values.sort_by_key(|(key, _)| *key);
            let profiles = sources.profiles().clone();
            Ok(Loaded {
                config,
                values,
                profiles,
            })
        }
        (Some(_) | None, _) => Err(ConfigErrors(parser.errors)),
    }
}

pub(super) struct Parser<'a> {
    sources: &'a Sources,
    errors: Vec<ConfigError>,
    values: Vec<(Key, Given)>,
}

impl Parser<'_> {
    /// `None` when a value is missing because it was faulty; all others have been looked at all the same.
    fn config(&mut self, kernel: &Kernel<'_>) -> Option<Config> {
        let production = self.boolean(Key::Production);
        let names = self.parse(Key::Acme, acme::names);
        let is_public =
            production == Some(true) || names.as_ref().is_some_and(|names| !names.is_empty());
        let default_port = if is_public { HTTPS_PORT } else { HTTP_PORT };
        let port = self.parse_or(Key::Port, default_port, port);
        let ping_port = self.port(Key::PingPort);
        self.ports_differ(port, ping_port);
        let profiles = self.profiles(port, ping_port);
        let listen = self.parse(Key::Listen, listen);
        let tls = self.tls(production, names.as_deref());
        let tls_min = self.choice(Key::TlsMin, &[TlsVersion::Tls12, TlsVersion::Tls13]);
        let http2 = self.boolean(Key::Http2);
        let speaks_tls = match (&tls, &names) {
            (Some(Some(_)), _) => Some(true),
            (Some(None), Some(names)) => Some(!names.is_empty()),
            _ => None,
        };
        let http_redirect_port = self.http_redirect_port(is_public, speaks_tls);
        let acme = self.acme(names, http_redirect_port);
        let node_name = self.parse_or(Key::NodeName, &kernel.host_name, node_name);
        let cores = kernel.cores.clamp(1, 64).to_string();
        let loops = self.bounded_or(Key::Loops, &cores);
        let congestion_control = self.congestion_control(kernel);
        let log_level = self.choice(
            Key::LogLevel,
            &[
                LogLevel::Error,
                LogLevel::Warn,
                LogLevel::Info,
                LogLevel::Debug,
                LogLevel::Trace,
            ],
        );
        let log_format = self.choice(Key::LogFormat, &[LogFormat::Text, LogFormat::Json]);
        let log_addresses = self.choice(
            Key::LogAddresses,
            &[
                LogAddresses::Nothing,
                LogAddresses::Truncated,
                LogAddresses::Full,
            ],
        );
        let cors_origins = self.parse(Key::CorsOrigins, cors_origins);
        let proxies = self.proxies();
        let limits = self.limits();
        let multiprocess = self.boolean(Key::Multiprocess);
        let processes_max = self.bounded(Key::ProcessesMax);
        let tests_per_process = self.bounded(Key::TestsPerProcess);
        let user = self.parse(Key::User, user);
        let sandbox = self.boolean(Key::Sandbox);
        let ports_file = self.parse(Key::PortsFile, |path| {
            Ok((!path.is_empty()).then(|| PathBuf::from(path)))
        });
        let branding = self.branding(kernel);
        Some(Config {
            port: port?,
            ping_port: ping_port?,
            profiles: profiles?,
            listen: listen?,
            tls: tls?,
            acme: acme?,
            tls_min: tls_min?,
            http2: http2?,
            http_redirect_port: http_redirect_port?,
            node_name: node_name?,
            loops: loops?,
            congestion_control: congestion_control?,
            log_level: log_level?,
            log_format: log_format?,
            log_addresses: log_addresses?,
            cors_origins: cors_origins?,
            proxies: proxies?,
            limits: limits?,
            multiprocess: multiprocess?,
            processes_max: processes_max?,
            tests_per_process: tests_per_process?,
            user: user?,
            sandbox: sandbox?,
            ports_file: ports_file?,
            branding: branding?,
        })
    }

    fn proxies(&mut self) -> Option<Proxies> {
        let trusted = self.parse(Key::TrustedProxies, networks);
        let speak_proxy_protocol = self.boolean(Key::ProxyProtocol);
        let fields = [ForwardedField::Forwarded, ForwardedField::XForwarded];
        let field = self.choice(Key::ForwardedField, &fields);
        if trusted.as_ref().is_some_and(Vec::is_empty) && speak_proxy_protocol == Some(true) {
            let trusted = Setting::of(Key::TrustedProxies);
            let reason = format!(
                "needs {} (--{}): nobody else may say who a client is",
                trusted.path(),
                trusted.flag
            );
            self.fault(Key::ProxyProtocol, reason);
        }
        Some(Proxies {
            trusted: trusted?,
            speak_proxy_protocol: speak_proxy_protocol?,
            field: field?,
        })
    }

    fn limits(&mut self) -> Option<Limits> {
        let tests_max = self.bounded(Key::TestsMax);
        let tests_per_address_max = self.bounded(Key::TestsPerAddressMax);
        let flows_per_address_max = self.bounded(Key::FlowsPerAddressMax);
        let flows_max = self.bounded(Key::FlowsMax);
        let connections_max = self.bounded(Key::ConnectionsMax);
        let inactivity_s = self.bounded(Key::InactivityS);
        let session_max_s = self.bounded(Key::SessionMaxS);
        let write_stall_s = self.bounded(Key::WriteStallS);
        Some(Limits {
            tests_max: tests_max?,
            tests_per_address_max: tests_per_address_max?,
            flows_per_address_max: flows_per_address_max?,
            flows_max: flows_max?,
            connections_max: connections_max?,
            inactivity_s: inactivity_s?,
            session_max_s: session_max_s?,
            write_stall_s: write_stall_s?,
        })
    }

    fn port(&mut self, key: Key) -> Option<u16> {
        self.parse(key, port)
    }

    /// The outer `None` when the two files were not given together, or not at all where they must be.
    fn tls(
        &mut self,
        production: Option<bool>,
        acme_names: Option<&[String]>,
    ) -> Option<Option<TlsFiles>> {
        let path = |text: &str| Ok((!text.is_empty()).then(|| PathBuf::from(text)));
        let certificate = self.parse(Key::SslCertfile, path)?;
        let key = self.parse(Key::SslKeyfile, path)?;
        // Faulty names are told as such; whoever gave any wants them.
        let has_acme = acme_names.is_none_or(|names| !names.is_empty());
        match (certificate, key) {
            (Some(_), _) | (_, Some(_)) if acme_names.is_some() && has_acme => {
                let reason = "is one certificate and --ssl-certfile another; give one of the two";
                self.fault(Key::Acme, reason.to_owned());
                None
            }
            (Some(certificate), Some(key)) => Some(Some(TlsFiles { certificate, key })),
            (None, None) if production == Some(true) && !has_acme => {
                let reason =
                    "needs a certificate: give --acme, or --ssl-certfile and --ssl-keyfile";
                self.fault(Key::Production, reason.to_owned());
                None
            }
            (None, None) => Some(None),
            (Some(_), None) => {
                let reason = "needs its key: give --ssl-keyfile, too";
                self.fault(Key::SslCertfile, reason.to_owned());
                None
            }
            (None, Some(_)) => {
                let reason = "needs its certificate: give --ssl-certfile, too";
                self.fault(Key::SslKeyfile, reason.to_owned());
                None
            }
        }
    }

    fn http_redirect_port(
        &mut self,
        is_public: bool,
        speaks_tls: Option<bool>,
    ) -> Option<Option<u16>> {
        let default = if is_public { HTTP_REDIRECT_PORT } else { "" };
        let port = self.parse_or(Key::HttpRedirectPort, default, |text| {
            if text.is_empty() {
                return Ok(None);
            }
            port(text).map(Some)
        })?;
        if port.is_some() && speaks_tls == Some(false) {
            let reason =
                "has nowhere to redirect to: without a certificate the node speaks plain HTTP";
            self.fault(Key::HttpRedirectPort, reason.to_owned());
            return None;
        }
        Some(port)
    }

    /// The outer `None` when a value was faulty; the inner one when no certificate is wanted.
    fn acme(
        &mut self,
        names: Option<Vec<String>>,
        http_redirect_port: Option<Option<u16>>,
    ) -> Option<Option<Acme>> {
        let path = |text: &str| Ok((!text.is_empty()).then(|| PathBuf::from(text)));
        let email = self.parse(Key::AcmeEmail, acme::email);
        let directory = self.parse(Key::AcmeDirectory, acme::directory);
        let directory_ca = self.parse(Key::AcmeDirectoryCa, path);
        let storage = self.parse(Key::AcmeStorage, path);
        let challenges = [
            None,
            Some(AcmeChallenge::TlsAlpn01),
            Some(AcmeChallenge::Http01),
        ];
        let challenge = self.choice(Key::AcmeChallenge, &challenges);
        let has_http = http_redirect_port?.is_some();
        let (names, challenge) = (names?, challenge?);
        if !names.is_empty() && challenge == Some(AcmeChallenge::Http01) && !has_http {
            let reason = "needs a port that speaks HTTP: give --http-redirect-port, too";
            self.fault(Key::AcmeChallenge, reason.to_owned());
            return None;
        }
        let acme = Acme {
            email: email?,
            directory: directory?,
            directory_ca: directory_ca?,
            storage: storage?,
            challenge: challenge.unwrap_or(if has_http {
                AcmeChallenge::Http01
            } else {
                AcmeChallenge::TlsAlpn01
            }),
            names,
        };
        Some((!acme.names.is_empty()).then_some(acme))
    }

    /// Any free ports beside a main port of 0: who doesn't mind the one doesn't mind the others.
    fn profiles(&mut self, port: Option<u16>, ping_port: Option<u16>) -> Option<Vec<Profile>> {
        let default = match port {
            Some(0) => "0".to_owned(),
            Some(_) | None => profiles::PORTS_FROM.to_string(),
        };
        let first = self.parse_or(Key::ProfilePorts, &default, |text| {
            text.parse()
                .map_err(|_| Setting::of(Key::ProfilePorts).requirement())
        })?;
        let given = self.sources.profiles();
        let ports = RolePorts {
            main: port?,
            ping: ping_port?,
            first,
        };
        match profiles::resolve(&given.definitions, &ports) {
            Ok(profiles) => Some(profiles),
            Err(faults) => {
                let file = given.file.clone();
                for reason in faults {
                    if file.is_empty() {
                        // Without a file there is nothing but the first port that can be at fault.
                        self.fault(Key::ProfilePorts, reason);
                    } else {
                        let file = file.clone();
                        self.errors.push(ConfigError::Profile { file, reason });
                    }
                }
                None
            }
        }
    }

    /// One that was asked for must be there. The default gives way, but to a loss-based one only: a load that
    /// avoids queues by itself (bbr) would hide what the node is to find.
    fn congestion_control(&mut self, kernel: &Kernel<'_>) -> Option<String> {
        let offers = kernel.offers_congestion_control;
        let key = Key::CongestionControl;
        let is_default =
            (self.sources.value(key)).is_some_and(|given| given.source == Source::Default);
        let name = self.parse(key, |name| match offers(name) {
            Err(_) if is_default && offers(LOSS_BASED_EVERYWHERE).is_ok() => {
                Ok(LOSS_BASED_EVERYWHERE.to_owned())
            }
            offered => offered.map(|()| name.to_owned()),
        })?;
        if let Some((_, given)) = self.values.iter_mut().find(|(known, _)| *known == key) {
            given.text.clone_from(&name);
        }
        Some(name)
    }

    fn ports_differ(&mut self, port: Option<u16>, ping_port: Option<u16>) {
        if let (Some(port), Some(ping_port)) = (port, ping_port)
            && port == ping_port
            && port != 0
        {
            // Blames the one that somebody gave.
            let key = match self.sources.value(Key::PingPort) {
                Some(given) if given.source != Source::Default => Key::PingPort,
                Some(_) | None => Key::Port,
            };
            let other = if key == Key::Port { "ping" } else { "main" };
            self.fault(
                key,
                format!("is the port of the {other} role already; they must differ"),
            );
        }
    }

    fn bounded<const MIN: u64, const MAX: u64>(&mut self, key: Key) -> Option<Bounded<MIN, MAX>> {
        self.bounded_or(key, "")
    }

    fn bounded_or<const MIN: u64, const MAX: u64>(
        &mut self,
        key: Key,
        default: &str,
    ) -> Option<Bounded<MIN, MAX>> {
        self.parse_or(key, default, |text| {
            u64::from_str(text)
                .ok()
                .and_then(Bounded::new)
                .ok_or_else(|| Setting::of(key).requirement())
        })
    }

    fn boolean(&mut self, key: Key) -> Option<bool> {
        self.parse(key, |text| match text.to_ascii_lowercase().as_str() {
            "true" | "1" | "yes" | "on" => Ok(true),
            "false" | "0" | "no" | "off" => Ok(false),
            _ => Err(Setting::of(key).requirement()),
        })
    }

    /// One of the words that the table lists, in the order of `values`.
    fn choice<T: Copy>(&mut self, key: Key, values: &[T]) -> Option<T> {
        let setting = Setting::of(key);
        let super::Kind::Choice(words) = setting.kind else {
            unreachable!("only keys of this kind are parsed by it");
        };
        self.parse(key, |text| {
            words
                .iter()
                .position(|word| *word == text)
                .and_then(|index| values.get(index).copied())
                .ok_or_else(|| setting.requirement())
        })
    }

    pub(super) fn parse<T>(
        &mut self,
        key: Key,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        self.parse_or(key, "", parse)
    }

    /// Parses the value of `key`, or `default` where the table has none; keeps the fault if there is one.
    fn parse_or<T>(
        &mut self,
        key: Key,
        default: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let given = self.sources.value(key).unwrap_or_else(|| Given {
            text: default.to_owned(),
            source: Source::Default,
        });
        let parsed = parse(given.text.trim());
        self.values.push((key, given));
        match parsed {
            Ok(value) => Some(value),
            Err(reason) => {
                self.fault(key, reason);
                None
            }
        }
    }

    pub(super) fn fault(&mut self, key: Key, reason: String) {
        if let Some((_, given)) = self.values.iter().find(|(known, _)| *known == key) {
            let error = ConfigError::value(Setting::of(key), given, reason);
            self.errors.push(error);
        }
    }
}

fn port(text: &str) -> Result<u16, String> {
    text.parse()
        .map_err(|_| Setting::of(Key::Port).requirement())
}

fn listen(text: &str) -> Result<Listen, String> {
    if text.is_empty() {
        return Ok(Listen::DualStack);
    }
    let mut addresses = Vec::new();
    for part in text.split(',').map(str::trim) {
        let bare = part
            .strip_prefix('[')
            .and_then(|rest| rest.strip_suffix(']'))
            .unwrap_or(part);
        let address: IpAddr = bare.parse().map_err(|_| {
            format!("{part:?} is not an IP address; write 192.0.2.1 or 2001:db8::1, without a port")
        })?;
        if addresses.contains(&address) {
            return Err(format!("{address} is there twice"));
        }
        addresses.push(address);
    }
    Ok(Listen::Addresses(addresses))
}

fn node_name(text: &str) -> Result<String, String> {
    if text.is_empty() || text.len() > NODE_NAME_BYTES_MAX || text.contains(char::is_control) {
        return Err(format!(
            "must be 1 to {NODE_NAME_BYTES_MAX} bytes without control characters"
        ));
    }
    Ok(text.to_owned())
}

/// Whether there is such a user is asked when the node starts.
fn user(text: &str) -> Result<Option<String>, String> {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if text.len() > USER_BYTES_MAX || !text.chars().all(is_allowed) {
        return Err(format!(
            "must be 1 to {USER_BYTES_MAX} letters, digits, dots, hyphens or underscores"
        ));
    }
    Ok((!text.is_empty()).then(|| text.to_owned()))
}

fn cors_origins(text: &str) -> Result<CorsOrigins, String> {
    if text == "*" {
        return Ok(CorsOrigins::Any);
    }
    let parts = text
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty());
    let mut origins = Vec::new();
    for origin in parts {
        let host = origin
            .strip_prefix("https://")
            .or_else(|| origin.strip_prefix("http://"));
        let is_origin = host.is_some_and(|host| {
            !host.is_empty()
                && !host.contains(|c: char| c == '/' || c.is_whitespace() || c.is_control())
        });
        if !is_origin {
            return Err(format!(
                "{origin:?} is not an origin; write * or https://example.net, without a path"
            ));
        }
        origins.push(origin.to_owned());
    }
    Ok(CorsOrigins::Listed(origins))
}

#[cfg(test)]
#[path = "load_tests.rs"]
mod tests;

#[cfg(test)]
#[path = "error_tests.rs"]
mod error_tests;
