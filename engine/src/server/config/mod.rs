//! The configuration: flags over environment over file over defaults, as one type in which a wrong state cannot be
//! written.
//!
//! Owns every key, its range and its source. Refuses to know what the values are used for.

mod acme;
mod bounded;
mod branding;
mod error;
mod live;
mod load;
mod profiles;
mod proxies;
mod sample;
mod setting;
mod settings;
mod show;
mod sources;

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use protocol::profile::Profile;
use serde::{Deserialize, Serialize};

pub use self::acme::{Acme, AcmeChallenge};
pub use self::bounded::Bounded;
pub use self::branding::{Branding, Logo, LogoContent, LogoFormat};
pub use self::error::{ConfigError, ConfigErrors};
pub use self::live::Change;
pub use self::load::{Kernel, Loaded, load};
pub use self::profiles::PROFILES_MAX;
pub use self::proxies::{ForwardedField, Proxies};
pub use self::sample::sample_toml;
pub use self::setting::{Group, Kind, Setting};
pub use self::settings::{Key, SETTINGS};
pub use self::show::effective_toml;
pub use self::sources::{Given, GivenProfiles, Source, Sources};
use super::scheme::Scheme;
use super::scoreboard::TestLimits;

/// Everything that can be set. Made by [`load`] only (or by [`Config::default`]).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Config {
    /// Port of the main role; 0 lets the kernel choose.
    pub port: u16,
    /// Port of the ping role; 0 lets the kernel choose. Differs from `port` unless both are 0.
    pub ping_port: u16,
    /// The virtual users, at least one, at most [`PROFILES_MAX`], no two of one name. A port of `None` lets the kernel
    /// choose; no two others are the same.
    pub profiles: Vec<Profile>,
    /// Where to listen.
    pub listen: Listen,
    /// Certificate and key; without them, and without `acme`, every port speaks plain HTTP.
    pub tls: Option<TlsFiles>,
    /// A certificate that the node gets by itself; never beside `tls`.
    pub acme: Option<Acme>,
    /// The oldest version of TLS that is spoken.
    pub tls_min: TlsVersion,
    /// Whether the main role offers HTTP/2; only with TLS.
    pub http2: bool,
    /// Port that speaks plain HTTP and sends everybody to HTTPS, 0 lets the kernel choose; only with TLS.
    pub http_redirect_port: Option<u16>,
    /// The node's name in reports.
    pub node_name: String,
    /// Event loops of the main role.
    pub loops: Bounded<1, 64>,
    /// Congestion control of load flows; the kernel offers it.
    pub congestion_control: String,
    /// What is logged.
    pub log_level: LogLevel,
    /// How it is written.
    pub log_format: LogFormat,
    /// What of a client's address is logged.
    pub log_addresses: LogAddresses,
    /// Who may read test endpoints from a page of another origin.
    pub cors_origins: CorsOrigins,
    /// The proxies that the node stands behind.
    pub proxies: Proxies,
    /// Bounds on what clients can use.
    pub limits: Limits,
    /// Whether each role has a process of its own.
    pub multiprocess: bool,
    /// Most profile processes, shared among the profile roles; see [`super::roles::roles`].
    pub processes_max: Bounded<1, 64>,
    /// Most profile sessions that one process admits. The earlier system's processes held 12; one of ours holds
    /// hundreds (a session is a timer and a socket), so this is a bound on memory and fairness, not on what works.
    pub tests_per_process: Bounded<1, 1024>,
    /// Whom to become once the sockets are open, if anybody.
    pub user: Option<String>,
    /// Whether the traffic processes give up what they do not need.
    pub sandbox: bool,
    /// Where the ports in use are written when the node is ready, as JSON.
    pub ports_file: Option<PathBuf>,
    /// The operator's own look of the page.
    pub branding: Branding,
}

impl Config {
    /// In which schemes the node's URLs are.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        if self.tls.is_some() || self.acme.is_some() {
            Scheme::Tls
        } else {
            Scheme::Plain
        }
    }
}

/// Bounds on what clients can use.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Tests at once on the node.
    pub tests_max: Bounded<1, 1024>,
    /// Tests at once from one IPv4 address or IPv6 /64.
    pub tests_per_address_max: Bounded<1, 1024>,
    /// Load flows at once from one IPv4 address or IPv6 /64.
    pub flows_per_address_max: Bounded<1, 100_000>,
    /// Load flows at once on the node.
    pub flows_max: Bounded<1, 100_000>,
    /// Connections at once on the node.
    pub connections_max: Bounded<16, 1_000_000>,
    /// Seconds after which a transfer on which nothing moves is ended.
    pub inactivity_s: Bounded<1, 3600>,
    /// Seconds that a test, a session or an unbounded transfer may last.
    pub session_max_s: Bounded<10, 3600>,
    /// Seconds after which a peer that does not read is ended.
    pub write_stall_s: Bounded<1, 600>,
}

impl Limits {
    /// What the test table admits by.
    #[must_use]
    pub fn tests(&self) -> TestLimits {
        // Both are at most 1024.
        TestLimits {
            tests_max: self.tests_max.get() as u32,
            tests_per_address_max: self.tests_per_address_max.get() as u32,
            lifetime: self.session_max(),
        }
    }

    /// The longest that a test, a session or an unbounded transfer may last.
    #[must_use]
    pub const fn session_max(&self) -> Duration {
        Duration::from_secs(self.session_max_s.get())
    }

    /// A transfer on which nothing moves for this long is ended.
    #[must_use]
    pub const fn inactivity(&self) -> Duration {
        Duration::from_secs(self.inactivity_s.get())
    }

    /// A peer that does not read for this long is ended.
    #[must_use]
    pub const fn write_stall(&self) -> Duration {
        Duration::from_secs(self.write_stall_s.get())
    }
}

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Listen {
    /// All addresses of both families: `[::]`, or `0.0.0.0` where IPv6 is off.
    DualStack,
    /// These addresses, at least one.
    Addresses(Vec<IpAddr>),
}

/// Where the node's certificate is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsFiles {
    /// The chain, PEM.
    pub certificate: PathBuf,
    /// The private key, PEM.
    pub key: PathBuf,
}

/// A version of TLS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TlsVersion {
    /// RFC 5246.
    #[serde(rename = "1.2")]
    Tls12,
    /// RFC 8446.
    #[serde(rename = "1.3")]
    Tls13,
}

/// Who may read test endpoints from a page of another origin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum CorsOrigins {
    /// Everybody.
    Any,
    /// These origins, as browsers send them (`https://example.net`); possibly none.
    Listed(Vec<String>),
}

/// What is logged, the quietest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    /// What an operator must look at.
    Error,
    /// What an operator should look at.
    Warn,
    /// What the node does.
    Info,
    /// What it does in detail.
    Debug,
    /// Every step.
    Trace,
}

impl LogLevel {
    /// Its name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

impl LogLevel {
    /// Every level, from the quietest to the loudest.
    const ALL: [Self; 5] = [
        Self::Error,
        Self::Warn,
        Self::Info,
        Self::Debug,
        Self::Trace,
    ];

    /// One step louder; the loudest stays.
    #[must_use]
    pub fn louder(self) -> Self {
        Self::ALL[(self as usize + 1).min(Self::ALL.len() - 1)]
    }

    /// One step quieter; the quietest stays.
    #[must_use]
    pub fn quieter(self) -> Self {
        Self::ALL[(self as usize).saturating_sub(1)]
    }

    /// For the scoreboard, where 0 says nothing.
    #[must_use]
    pub const fn to_word(self) -> u64 {
        self as u64 + 1
    }

    /// What [`LogLevel::to_word`] wrote; `None` for anything else.
    #[must_use]
    pub fn from_word(word: u64) -> Option<Self> {
        let index = usize::try_from(word).ok()?.checked_sub(1)?;
        Self::ALL.get(index).copied()
    }
}

/// How log lines are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// What the line of a test says of its client's address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogAddresses {
    /// Nothing.
    Nothing,
    /// The /24 of an IPv4 address, the /48 of an IPv6 address: the subscriber's neighbourhood.
    Truncated,
    /// All of it.
    Full,
}

impl LogAddresses {
    /// The address as far as it is logged; without the host's bits where it is truncated.
    #[must_use]
    pub fn of(self, address: IpAddr) -> Option<IpAddr> {
        let address = address.to_canonical();
        match self {
            Self::Nothing => None,
            Self::Full => Some(address),
            Self::Truncated => Some(match address {
                IpAddr::V4(address) => IpAddr::V4((address.to_bits() & !0xff).into()),
                IpAddr::V6(address) => IpAddr::V6((address.to_bits() >> 80 << 80).into()),
            }),
        }
    }
}

impl Default for Config {
    /// Every key at its default, with one event loop and without asking the kernel anything.
    fn default() -> Self {
        let kernel = Kernel {
            host_name: "localhost".to_owned(),
            cores: 1,
            offers_congestion_control: &|_| Ok(()),
            read_file: &|_| Err("the defaults name no file".to_owned()),
        };
        match load(&Sources::default(), &kernel) {
            Ok(loaded) => loaded.config,
            Err(errors) => unreachable!("the defaults are valid: {errors}"),
        }
    }
}
