//! In which schemes the node's URLs are: what a client must write to get TLS, or to go without.

/// With TLS or without.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scheme {
    /// `http` and `ws`.
    Plain,
    /// `https` and `wss`.
    Tls,
}

impl Scheme {
    /// Of HTTP.
    #[must_use]
    pub const fn http(self) -> &'static str {
        match self {
            Self::Plain => "http",
            Self::Tls => "https",
        }
    }

    /// Of WebSockets.
    #[must_use]
    pub const fn web_socket(self) -> &'static str {
        match self {
            Self::Plain => "ws",
            Self::Tls => "wss",
        }
    }

    /// The port of a URL that names none.
    #[must_use]
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Plain => 80,
            Self::Tls => 443,
        }
    }
}
