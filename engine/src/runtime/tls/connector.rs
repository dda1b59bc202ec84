//! The client's side of TLS: whom it trusts, and what it speaks.

use std::io;
use std::net::{IpAddr, TcpStream};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256;
use rustls::crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
    StreamOwned,
};

use super::acceptor::{MinVersion, provider};

/// Whom a client trusts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trust<'a> {
    /// The authorities that the system trusts.
    System,
    /// These authorities alone, PEM.
    Authorities(&'a [u8]),
    /// Everybody: the connection is encrypted, and with whom is anybody's guess.
    Anybody,
}

/// Begins handshakes with one server; every one after the first may resume its session.
#[derive(Clone, Debug)]
pub struct Connector {
    pub(super) config: Arc<ClientConfig>,
    pub(super) name: ServerName<'static>,
}

impl Connector {
    /// Connects to `host`, a name or an address (IPv6 with or without brackets), speaking one of `protocols` (ALPN).
    ///
    /// # Errors
    /// In words: the host is neither name nor address, or there is no authority to trust.
    pub fn new(host: &str, trust: Trust<'_>, protocols: &[&[u8]]) -> Result<Self, String> {
        Self::with_ciphers(provider(), MinVersion::Tls12, host, trust, protocols)
    }

    /// The same with nothing but TLS 1.3's AES-128-GCM on offer, so that servers which are compared do equal work.
    ///
    /// # Errors
    /// As [`Connector::new`].
    pub fn with_aes_128_gcm_alone(
        host: &str,
        trust: Trust<'_>,
        protocols: &[&[u8]],
    ) -> Result<Self, String> {
        let ciphers = CryptoProvider {
            cipher_suites: vec![TLS13_AES_128_GCM_SHA256],
            ..CryptoProvider::clone(&provider())
        };
        Self::with_ciphers(Arc::new(ciphers), MinVersion::Tls13, host, trust, protocols)
    }

    fn with_ciphers(
        ciphers: Arc<CryptoProvider>,
        oldest: MinVersion,
        host: &str,
        trust: Trust<'_>,
        protocols: &[&[u8]],
    ) -> Result<Self, String> {
        let name = server_name(host)
            .ok_or_else(|| format!("{host:?} is neither a name nor an address"))?;
        let builder = ClientConfig::builder_with_provider(ciphers)
            .with_protocol_versions(oldest.versions())
            .map_err(|error| error.to_string())?;
        let mut config = match trust {
            Trust::System => builder.with_root_certificates(system_roots()?),
            Trust::Authorities(pem) => builder.with_root_certificates(roots(pem)?),
            Trust::Anybody => builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(TrustAnybody(provider()))),
        }
        .with_no_client_auth();
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        config.enable_secret_extraction = true;
        Ok(Self {
            config: Arc::new(config),
            name,
        })
    }

    /// The same for another server; `None` when `host` is neither a name nor an address.
    #[must_use]
    pub fn to_host(&self, host: &str) -> Option<Self> {
        Some(Self {
            config: Arc::clone(&self.config),
            name: server_name(host)?,
        })
    }
}

impl PartialEq for Connector {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.config, &other.config) && self.name == other.name
    }
}

impl Eq for Connector {}

fn server_name(host: &str) -> Option<ServerName<'static>> {
    let bare = host
        .strip_prefix('[')
        .and_then(|rest| rest.strip_suffix(']'))
        .unwrap_or(host);
    match bare.parse::<IpAddr>() {
        Ok(address) => Some(ServerName::IpAddress(address.into())),
        Err(_) => ServerName::try_from(bare.to_owned()).ok(),
    }
}

/// What is wrong with the certificate that a server showed, if a connection did not come about for that.
#[must_use]
pub fn certificate_fault(error: &io::Error) -> Option<String> {
    match error.get_ref()?.downcast_ref::<Error>()? {
        Error::InvalidCertificate(fault) => Some(fault.to_string()),
        _ => None,
    }
}

/// A connection that blocks, for programs that have no loop.
pub type BlockingStream = StreamOwned<ClientConnection, TcpStream>;

impl Connector {
    /// Makes the handshake on a connected socket, waiting as long as the socket does.
    ///
    /// # Errors
    /// As the socket's, or why the server is not trusted.
    pub fn connect_blocking(&self, mut socket: TcpStream) -> io::Result<BlockingStream> {
        let mut tls = ClientConnection::new(Arc::clone(&self.config), self.name.clone())
            .map_err(io::Error::other)?;
        while tls.is_handshaking() {
            tls.complete_io(&mut socket)?;
        }
        Ok(StreamOwned::new(tls, socket))
    }
}

fn system_roots() -> Result<RootCertStore, String> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // A system's store may hold certificates that are too old for us.
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        let reasons: Vec<String> = found.errors.iter().map(ToString::to_string).collect();
        return Err(format!(
            "this system has no authorities to trust (install ca-certificates, or name a file with SSL_CERT_FILE){}{}",
            if reasons.is_empty() { "" } else { ": " },
            reasons.join("; ")
        ));
    }
    Ok(roots)
}

fn roots(pem: &[u8]) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        certificate
            .map_err(|error| error.to_string())
            .and_then(|certificate| roots.add(certificate).map_err(|error| error.to_string()))
            .map_err(|reason| format!("not an authority's certificate: {reason}"))?;
    }
    if roots.is_empty() {
        return Err("no authority's certificate in it".to_owned());
    }
    Ok(roots)
}

/// Checks that the server has the key of the certificate that it shows, and nothing about the certificate.
#[derive(Debug)]
struct TrustAnybody(Arc<CryptoProvider>);

impl ServerCertVerifier for TrustAnybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
