//! The server's side of TLS: which versions and ciphers, which protocols, and the credentials in force, which can be
//! replaced at any time without a connection noticing.

use std::sync::{Arc, LazyLock};

use arc_swap::ArcSwap;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::server::{ClientHello, NoServerSessionStorage, ProducesTickets, ResolvesServerCert};
use rustls::sign::CertifiedKey;
use rustls::{ServerConfig, SupportedProtocolVersion, version};

use super::credentials::Credentials;
use super::tickets::{TICKET_LIFETIME, TicketKey};

/// The protocol in which an authority asks for the answer to its challenge (RFC 8737, section 6.1).
const ACME_PROTOCOL: &[u8] = b"acme-tls/1";

/// The oldest version that is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MinVersion {
    /// TLS 1.2, and 1.3 with those that know it.
    Tls12,
    /// TLS 1.3 alone.
    Tls13,
}

impl MinVersion {
    pub(super) const fn versions(self) -> &'static [&'static SupportedProtocolVersion] {
        static BOTH: [&SupportedProtocolVersion; 2] = [&version::TLS13, &version::TLS12];
        match self {
            Self::Tls12 => &BOTH,
            Self::Tls13 => BOTH.split_at(1).0,
        }
    }
}

/// Accepts handshakes; one for all loops of a process.
#[derive(Debug)]
pub struct Acceptor {
    pub(super) config: Arc<ServerConfig>,
    in_force: Arc<InForce>,
}

impl Acceptor {
    /// Speaks one of `protocols` (ALPN, the best first) with whoever asks for any.
    ///
    /// # Errors
    /// When the library refuses its own ciphers, which a build without them would show.
    pub fn new(
        min_version: MinVersion,
        protocols: &[&[u8]],
        credentials: Credentials,
    ) -> Result<Self, rustls::Error> {
        let in_force = Arc::new(InForce(ArcSwap::from_pointee(credentials)));
        let mut config = ServerConfig::builder_with_provider(provider())
            .with_protocol_versions(min_version.versions())?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(&in_force) as Arc<dyn ResolvesServerCert>);
        config.alpn_protocols = alpn(protocols);
        // Sessions are kept in tickets, which every process of the node can open, and nowhere else.
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.ticketer = Arc::clone(&in_force) as Arc<dyn ProducesTickets>;
        // Clients of TLS 1.2 may put a weaker cipher first; all of 1.3's are as good as each other, and a phone knows best
        // which of them it is fast at.
        config.ignore_client_order = min_version == MinVersion::Tls12;
        config.enable_secret_extraction = true;
        Ok(Self {
            config: Arc::new(config),
            in_force,
        })
    }

    /// The same, with its credentials now and later, for peers that are spoken to in one of these protocols.
    #[must_use]
    pub fn with_protocols(&self, protocols: &[&[u8]]) -> Self {
        let mut config = ServerConfig::clone(&self.config);
        config.alpn_protocols = alpn(protocols);
        Self {
            config: Arc::new(config),
            in_force: Arc::clone(&self.in_force),
        }
    }

    /// From now on handshakes use these; connections that stand are not touched.
    pub fn replace(&self, credentials: Credentials) {
        self.in_force.0.store(Arc::new(credentials));
    }
}

/// What is offered, the best first.
fn alpn(protocols: &[&[u8]]) -> Vec<Vec<u8>> {
    let all = protocols.iter().chain([&ACME_PROTOCOL]);
    all.map(|name| name.to_vec()).collect()
}

/// rustls's default: AES-GCM and ChaCha20-Poly1305 alone, in TLS 1.2 with ephemeral key exchange alone.
pub(super) fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: LazyLock<Arc<CryptoProvider>> =
        LazyLock::new(|| Arc::new(aws_lc_rs::default_provider()));
    Arc::clone(&PROVIDER)
}

/// The credentials that the next handshake uses.
#[derive(Debug)]
struct InForce(ArcSwap<Credentials>);

impl ResolvesServerCert for InForce {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let credentials = self.0.load();
        let is_challenge = hello
            .alpn()
            .is_some_and(|mut protocols| protocols.any(|name| name == ACME_PROTOCOL));
        if is_challenge {
            let name = hello.server_name()?;
            let mut answers = credentials.challenges.iter();
            return answers.find_map(|challenge| challenge.answers(name));
        }
        Some(Arc::clone(&credentials.certificate))
    }
}

impl ProducesTickets for InForce {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        // Half a day in seconds.
        TICKET_LIFETIME.as_secs() as u32
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.0.load().ticket_keys.first()?.seal(plain)
    }

    fn decrypt(&self, cipher: &[u8]) -> Option<Vec<u8>> {
        let credentials = self.0.load();
        let mut keys = credentials.ticket_keys.iter();
        keys.find_map(|key: &TicketKey| key.open(cipher))
    }
}
