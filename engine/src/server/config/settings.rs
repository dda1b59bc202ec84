//! The table of settings: one row for each key with its flag, its environment variable, its default and its help.
//! `--help`, the file's keys, error messages and `check-config` are all made from it.
//!
//! Long because every key has its row in the one table.

use super::setting::{Group, Kind, Setting};
use super::{Bounded, Config, Limits};

/// Every key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each is described by its row in SETTINGS")]
pub enum Key {
    Port,
    PingPort,
    ProfilePorts,
    Listen,
    CongestionControl,
    CorsOrigins,
    NodeName,
    PortsFile,
    Production,
    Loops,
    Multiprocess,
    ProcessesMax,
    TestsPerProcess,
    User,
    Sandbox,
    SslCertfile,
    SslKeyfile,
    TlsMin,
    Http2,
    HttpRedirectPort,
    Acme,
    AcmeEmail,
    AcmeDirectory,
    AcmeDirectoryCa,
    AcmeStorage,
    AcmeChallenge,
    LogLevel,
    LogFormat,
    LogAddresses,
    TrustedProxies,
    ProxyProtocol,
    ForwardedField,
    TestsMax,
    TestsPerAddressMax,
    FlowsPerAddressMax,
    FlowsMax,
    ConnectionsMax,
    InactivityS,
    SessionMaxS,
    WriteStallS,
    SponsorName,
    SponsorLink,
    SponsorCity,
    Logo,
    AccentColour,
}

impl Setting {
    /// The row of `key`.
    #[must_use]
    pub fn of(key: Key) -> &'static Self {
        &SETTINGS[key as usize]
    }
}

/// The range of a configuration field's own type, so that table and type cannot disagree.
const fn range_of<T, const MIN: u64, const MAX: u64>(_field: fn(&T) -> Bounded<MIN, MAX>) -> Kind {
    Kind::Integer { min: MIN, max: MAX }
}

const PORT: Kind = Kind::Integer {
    min: 0,
    max: u16::MAX as u64,
};

const BASE: Setting = Setting {
    key: Key::Port,
    table: "",
    name: "",
    flag: "",
    env: "",
    value_name: "N",
    group: Group::Network,
    kind: Kind::Text,
    default: None,
    default_note: "",
    help: "",
    example: "",
    is_live: false,
};

const LIMIT: Setting = Setting {
    table: "limits",
    group: Group::Limits,
    is_live: true,
    ..BASE
};

const ACME: Setting = Setting {
    table: "acme",
    group: Group::Tls,
    ..BASE
};

const PROXY: Setting = Setting {
    table: "proxy",
    is_live: true,
    ..BASE
};

const BRANDING: Setting = Setting {
    table: "branding",
    group: Group::Branding,
    default: Some(""),
    default_note: "none",
    is_live: true,
    ..BASE
};

/// All rows, in the order of [`Key`].
pub const SETTINGS: &[Setting] = &[
    Setting {
        key: Key::Port,
        name: "port",
        flag: "port",
        env: "BUFFERBLOATD_PORT",
        value_name: "PORT",
        kind: PORT,
        example: "8000",
        default_note: "8000; 443 with --production or --acme",
        help: "Port of the page, the API and the load; 0 takes any free port",
        ..BASE
    },
    Setting {
        key: Key::PingPort,
        name: "ping_port",
        flag: "ping-port",
        env: "BUFFERBLOATD_PING_PORT",
        value_name: "PORT",
        kind: PORT,
        default: Some("8005"),
        help: "Port of the latency probes, which have a process of their own; 0 takes any free port",
        ..BASE
    },
    Setting {
        key: Key::ProfilePorts,
        name: "profile_ports",
        flag: "profile-ports",
        env: "BUFFERBLOATD_PROFILE_PORTS",
        value_name: "PORT",
        kind: PORT,
        example: "8001",
        default_note: "8001; any free ports where --port is 0",
        help: "First port of the profiles' processes, the others follow on, but for those that the file gives one; 0 takes \
               any free ports",
        ..BASE
    },
    Setting {
        key: Key::Listen,
        name: "listen",
        flag: "listen",
        env: "BUFFERBLOATD_LISTEN",
        value_name: "ADDRESS,...",
        kind: Kind::List,
        default: Some(""),
        default_note: "all, IPv4 and IPv6",
        help: "Addresses to listen on",
        ..BASE
    },
    Setting {
        key: Key::CongestionControl,
        name: "congestion_control",
        flag: "congestion-control",
        env: "BUFFERBLOATD_CONGESTION_CONTROL",
        value_name: "NAME",
        default: Some("cubic"),
        default_note: "cubic, or reno where the kernel does not allow it",
        help: "TCP congestion control of the load; the kernel must offer it",
        is_live: true,
        ..BASE
    },
    Setting {
        key: Key::CorsOrigins,
        name: "cors_origins",
        flag: "cors-origins",
        env: "BUFFERBLOATD_CORS_ORIGINS",
        value_name: "ORIGIN,...",
        kind: Kind::List,
        default: Some("*"),
        default_note: "*, everybody",
        help: "Origins whose pages may use the test endpoints",
        is_live: true,
        ..BASE
    },
    Setting {
        key: Key::NodeName,
        name: "node_name",
        flag: "node-name",
        env: "BUFFERBLOATD_NODE_NAME",
        value_name: "NAME",
        example: "test.example.net",
        default_note: "the host's name",
        help: "Name of this node in reports, at most 64 bytes",
        is_live: true,
        ..BASE
    },
    Setting {
        key: Key::PortsFile,
        name: "ports_file",
        flag: "ports-file",
        env: "BUFFERBLOATD_PORTS_FILE",
        value_name: "FILE",
        default: Some(""),
        default_note: "none",
        help: "Write the ports in use to this file, as JSON, when the node is ready",
        ..BASE
    },
    Setting {
        key: Key::Production,
        name: "production",
        flag: "production",
        env: "BUFFERBLOATD_PRODUCTION",
        value_name: "BOOL",
        group: Group::Tls,
        kind: Kind::Boolean,
        default: Some("false"),
        help: "Serve the public: HTTPS on port 443, a redirection to it on port 80, and no start without a certificate",
        ..BASE
    },
    Setting {
        key: Key::Loops,
        name: "loops",
        flag: "loops",
        env: "BUFFERBLOATD_LOOPS",
        group: Group::Processes,
        kind: range_of(|config: &Config| config.loops),
        example: "4",
        default_note: "one for each core",
        help: "Event loops of the main process",
        ..BASE
    },
    Setting {
        key: Key::Multiprocess,
        name: "multiprocess",
        flag: "multiprocess",
        env: "VH_ENABLE_MULTIPROCESS",
        value_name: "BOOL",
        group: Group::Processes,
        kind: Kind::Boolean,
        default: Some("true"),
        help: "Give each role a process of its own; false runs all roles in one",
        ..BASE
    },
    Setting {
        key: Key::ProcessesMax,
        name: "processes_max",
        flag: "processes-max",
        env: "MAX_PROCESSES",
        group: Group::Processes,
        kind: range_of(|config: &Config| config.processes_max),
        default: Some("8"),
        help: "Most profile processes, shared evenly among the profiles",
        ..BASE
    },
    Setting {
        key: Key::TestsPerProcess,
        name: "tests_per_process",
        flag: "tests-per-process",
        env: "TESTS_PER_PROCESS",
        group: Group::Processes,
        kind: range_of(|config: &Config| config.tests_per_process),
        default: Some("128"),
        help: "Most sessions that one profile process admits",
        is_live: true,
        ..BASE
    },
    Setting {
        key: Key::User,
        name: "user",
        flag: "user",
        env: "BUFFERBLOATD_USER",
        value_name: "NAME",
        group: Group::Processes,
        default: Some(""),
        default_note: "whoever starts it",
        help: "Unprivileged user to become once the ports are open, where the node is started as root",
        ..BASE
    },
    Setting {
        key: Key::Sandbox,
        name: "sandbox",
        flag: "sandbox",
        env: "BUFFERBLOATD_SANDBOX",
        value_name: "BOOL",
        group: Group::Processes,
        kind: Kind::Boolean,
        default: Some("true"),
        help: "Take files, new connections and needless system calls from the processes that serve traffic",
        ..BASE
    },
    Setting {
        key: Key::SslCertfile,
        table: "tls",
        name: "certificate",
        flag: "ssl-certfile",
        env: "SSL_CERTFILE",
        value_name: "FILE",
        group: Group::Tls,
        default: Some(""),
        default_note: "none, plain HTTP",
        help: "Certificate chain of the node, PEM; with it every port speaks HTTPS. Read again on SIGHUP and when it changes",
        is_live: true,
        ..BASE
    },
    Setting {
        key: Key::SslKeyfile,
        table: "tls",
        name: "key",
        flag: "ssl-keyfile",
        env: "SSL_KEYFILE",
        value_name: "FILE",
        group: Group::Tls,
        default: Some(""),
        default_note: "none, plain HTTP",
        help: "Private key of the certificate, PEM, not encrypted",
        is_live: true,
        ..BASE
    },
    Setting {
        key: Key::TlsMin,
        table: "tls",
        name: "min_version",
        flag: "tls-min",
        env: "BUFFERBLOATD_TLS_MIN",
        value_name: "VERSION",
        group: Group::Tls,
        kind: Kind::Choice(&["1.2", "1.3"]),
        default: Some("1.3"),
        help: "Oldest version of TLS that is spoken: 1.2 or 1.3",
        ..BASE
    },
    Setting {
        key: Key::Http2,
        table: "tls",
        name: "http2",
        flag: "http2",
        env: "BUFFERBLOATD_HTTP2",
        value_name: "BOOL",
        group: Group::Tls,
        kind: Kind::Boolean,
        default: Some("false"),
        help: "Offer HTTP/2 on the main port; browsers then load by WebSocket, which costs them more",
        ..BASE
    },
    Setting {
        key: Key::HttpRedirectPort,
        table: "tls",
        name: "http_redirect_port",
        flag: "http-redirect-port",
        env: "BUFFERBLOATD_HTTP_REDIRECT_PORT",
        value_name: "PORT",
        group: Group::Tls,
        kind: PORT,
        example: "80",
        default_note: "none; 80 with --production or --acme",
        help: "Port that speaks plain HTTP and sends everybody to HTTPS; 0 takes any free port",
        ..BASE
    },
    Setting {
        key: Key::Acme,
        name: "names",
        flag: "acme",
        env: "BUFFERBLOATD_ACME",
        value_name: "NAME,...",
        kind: Kind::List,
        default: Some(""),
        default_note: "none",
        help: "Names of the node on the internet: it gets a certificate for them from Let's Encrypt and renews it by itself, \
               which is to agree to the terms of that service",
        ..ACME
    },
    Setting {
        key: Key::AcmeEmail,
        name: "email",
        flag: "acme-email",
        env: "BUFFERBLOATD_ACME_EMAIL",
        value_name: "ADDRESS",
        default: Some(""),
        default_note: "none",
        help: "Address that the certificate authority may write to",
        ..ACME
    },
    Setting {
        key: Key::AcmeDirectory,
        name: "directory",
        flag: "acme-directory",
        env: "BUFFERBLOATD_ACME_DIRECTORY",
        value_name: "URL",
        default: Some("https://acme-v02.api.letsencrypt.org/directory"),
        default_note: "Let's Encrypt",
        help: "Directory of another certificate authority; for trials https://acme-staging-v02.api.letsencrypt.org/directory",
        ..ACME
    },
    Setting {
        key: Key::AcmeDirectoryCa,
        name: "directory_ca",
        flag: "acme-directory-ca",
        env: "BUFFERBLOATD_ACME_DIRECTORY_CA",
        value_name: "FILE",
        default: Some(""),
        default_note: "the system's",
        help: "Root certificate, PEM, that the directory's own HTTPS is checked by, for an authority of one's own",
        ..ACME
    },
    Setting {
        key: Key::AcmeStorage,
        name: "storage",
        flag: "acme-storage",
        env: "BUFFERBLOATD_ACME_STORAGE",
        value_name: "FOLDER",
        default: Some(""),
        default_note: "the service's state folder, /var/lib/libreqos-bufferbloat/acme for root, else the user's own",
        help: "Where certificate and account are kept; nobody else should be able to read it",
        ..ACME
    },
    Setting {
        key: Key::AcmeChallenge,
        name: "challenge",
        flag: "acme-challenge",
        env: "BUFFERBLOATD_ACME_CHALLENGE",
        value_name: "HOW",
        kind: Kind::Choice(&["auto", "tls-alpn-01", "http-01"]),
        default: Some("auto"),
        default_note: "auto: http-01 where there is an HTTP port",
        help: "How the authority checks the names: http-01 on port 80, or tls-alpn-01 on port 443",
        ..ACME
    },
    Setting {
        key: Key::LogLevel,
        table: "log",
        name: "level",
        flag: "log-level",
        env: "BUFFERBLOATD_LOG_LEVEL",
        value_name: "LEVEL",
        group: Group::Log,
        kind: Kind::Choice(&["error", "warn", "info", "debug", "trace"]),
        default: Some("info"),
        help: "What to log, to standard error: error, warn, info, debug or trace",
        is_live: true,
        ..BASE
    },
    Setting {
        key: Key::LogFormat,
        table: "log",
        name: "format",
        flag: "log-format",
        env: "BUFFERBLOATD_LOG_FORMAT",
        value_name: "FORMAT",
        group: Group::Log,
        kind: Kind::Choice(&["text", "json"]),
        default: Some("text"),
        help: "How to log: text or json",
        ..BASE
    },
    Setting {
        key: Key::LogAddresses,
        table: "log",
        name: "addresses",
        flag: "log-addresses",
        env: "BUFFERBLOATD_LOG_ADDRESSES",
        value_name: "HOW",
        group: Group::Log,
        kind: Kind::Choice(&["none", "truncated", "full"]),
        default: Some("none"),
        help: "What the log says of clients' addresses: none, truncated (to /24, IPv6 to /48) or full",
        is_live: true,
        ..BASE
    },
    Setting {
        key: Key::TrustedProxies,
        name: "trusted",
        flag: "trusted-proxies",
        env: "BUFFERBLOATD_TRUSTED_PROXIES",
        value_name: "CIDR,...",
        kind: Kind::List,
        default: Some(""),
        default_note: "nobody",
        help: "Addresses of the proxies that are believed when they say whose connection or request it is",
        ..PROXY
    },
    Setting {
        key: Key::ProxyProtocol,
        name: "protocol",
        flag: "proxy-protocol",
        env: "BUFFERBLOATD_PROXY_PROTOCOL",
        value_name: "BOOL",
        kind: Kind::Boolean,
        default: Some("false"),
        help: "Whether each connection of a trusted proxy begins with a PROXY protocol header, version 2",
        ..PROXY
    },
    Setting {
        key: Key::ForwardedField,
        name: "field",
        flag: "forwarded-field",
        env: "BUFFERBLOATD_FORWARDED_FIELD",
        value_name: "FIELD",
        kind: Kind::Choice(&["forwarded", "x-forwarded"]),
        default: Some("forwarded"),
        help: "Where a trusted proxy names the client: forwarded (RFC 7239) or x-forwarded (X-Forwarded-For and -Proto)",
        ..PROXY
    },
    Setting {
        key: Key::TestsMax,
        name: "tests_max",
        flag: "tests-max",
        env: "BUFFERBLOATD_TESTS_MAX",
        kind: range_of(|limits: &Limits| limits.tests_max),
        default: Some("128"),
        help: "Tests at once",
        ..LIMIT
    },
    Setting {
        key: Key::TestsPerAddressMax,
        name: "tests_per_address_max",
        flag: "tests-per-address-max",
        env: "BUFFERBLOATD_TESTS_PER_ADDRESS_MAX",
        kind: range_of(|limits: &Limits| limits.tests_per_address_max),
        default: Some("64"),
        help: "Tests at once from one IPv4 address or IPv6 /64; many subscribers may share one",
        ..LIMIT
    },
    Setting {
        key: Key::FlowsPerAddressMax,
        name: "flows_per_address_max",
        flag: "flows-per-address-max",
        env: "BUFFERBLOATD_FLOWS_PER_ADDRESS_MAX",
        kind: range_of(|limits: &Limits| limits.flows_per_address_max),
        default: Some("1024"),
        help: "Load flows at once from one IPv4 address or IPv6 /64",
        ..LIMIT
    },
    Setting {
        key: Key::FlowsMax,
        name: "flows_max",
        flag: "flows-max",
        env: "BUFFERBLOATD_FLOWS_MAX",
        kind: range_of(|limits: &Limits| limits.flows_max),
        default: Some("4096"),
        help: "Load flows at once",
        ..LIMIT
    },
    Setting {
        key: Key::ConnectionsMax,
        name: "connections_max",
        flag: "connections-max",
        env: "BUFFERBLOATD_CONNECTIONS_MAX",
        kind: range_of(|limits: &Limits| limits.connections_max),
        default: Some("8192"),
        help: "Connections at once",
        ..LIMIT
    },
    Setting {
        key: Key::InactivityS,
        name: "inactivity_s",
        flag: "inactivity-s",
        env: "BUFFERBLOATD_INACTIVITY_S",
        value_name: "SECONDS",
        kind: range_of(|limits: &Limits| limits.inactivity_s),
        default: Some("30"),
        help: "End a transfer on which nothing moves for this long",
        ..LIMIT
    },
    Setting {
        key: Key::SessionMaxS,
        name: "session_max_s",
        flag: "session-max-s",
        env: "BUFFERBLOATD_SESSION_MAX_S",
        value_name: "SECONDS",
        kind: range_of(|limits: &Limits| limits.session_max_s),
        default: Some("300"),
        help: "Longest test, session or unbounded transfer",
        ..LIMIT
    },
    Setting {
        key: Key::WriteStallS,
        name: "write_stall_s",
        flag: "write-stall-s",
        env: "BUFFERBLOATD_WRITE_STALL_S",
        value_name: "SECONDS",
        kind: range_of(|limits: &Limits| limits.write_stall_s),
        default: Some("10"),
        help: "End a peer that does not read for this long",
        ..LIMIT
    },
    Setting {
        key: Key::SponsorName,
        name: "sponsor_name",
        flag: "sponsor-name",
        env: "BUFFERBLOATD_SPONSOR_NAME",
        value_name: "NAME",
        help: "Who runs this node, on its page; at most 64 bytes",
        ..BRANDING
    },
    Setting {
        key: Key::SponsorLink,
        name: "sponsor_link",
        flag: "sponsor-link",
        env: "BUFFERBLOATD_SPONSOR_LINK",
        value_name: "URL",
        help: "Where the sponsor's name leads, http:// or https://",
        ..BRANDING
    },
    Setting {
        key: Key::SponsorCity,
        name: "sponsor_city",
        flag: "sponsor-city",
        env: "BUFFERBLOATD_SPONSOR_CITY",
        value_name: "CITY",
        help: "Where this node is, behind the sponsor's name; at most 64 bytes",
        ..BRANDING
    },
    Setting {
        key: Key::Logo,
        name: "logo",
        flag: "logo",
        env: "BUFFERBLOATD_LOGO",
        value_name: "FILE",
        help: "Logo in place of the page's own, PNG, SVG or WebP of at most 256 KiB; it stands on a light ground and on a \
               dark one. Read again on SIGHUP",
        ..BRANDING
    },
    Setting {
        key: Key::AccentColour,
        name: "accent_colour",
        flag: "accent-colour",
        env: "BUFFERBLOATD_ACCENT_COLOUR",
        value_name: "#RRGGBB",
        help: "Colour of the page's buttons; the page sees to it that all of it can be read. Grades keep theirs",
        ..BRANDING
    },
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_is_at_its_own_row() {
        for (index, setting) in SETTINGS.iter().enumerate() {
            assert_eq!(setting.key as usize, index, "{}", setting.name);
            assert!(!setting.default_text().is_empty(), "{}", setting.name);
        }
        assert_eq!(SETTINGS.len(), Key::AccentColour as usize + 1);
    }
}
