//! A TLS client for tests, which is rustls's own buffered one, and certificates of an authority made for the occasion.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair, date_time_ymd};
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{
    ClientConfig, ClientConnection, HandshakeKind, RootCertStore, StreamOwned,
    SupportedProtocolVersion,
};

use crate::harness::PATIENCE;

/// A folder of certificates that is gone with its test.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: PathBuf,
}

impl Authority {
    pub(crate) fn new() -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!(
            "bufferbloatd-test-{}-tls-{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed)
        );
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).expect("a folder");
        let mut params = CertificateParams::new(Vec::<String>::new()).expect("no names");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("randomness");
        let issuer = CertifiedIssuer::self_signed(params, key).expect("signs");
        Self { issuer, folder }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// A chain and a key for localhost, both PEM.
    pub(crate) fn issue(&self, from_year: i32, to_year: i32) -> (String, String) {
        let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut params = CertificateParams::new(names).expect("names");
        params.not_before = date_time_ymd(from_year, 1, 1);
        params.not_after = date_time_ymd(to_year, 1, 1);
        let key = KeyPair::generate().expect("randomness");
        let certificate = params.signed_by(&key, &self.issuer).expect("signs");
        (certificate.pem(), key.serialize_pem())
    }

    /// Writes `node.pem` and `node.key`, and gives the flags that name them.
    pub(crate) fn write(&self, (chain, key): &(String, String)) -> Vec<String> {
        let (chain_path, key_path) = (self.path("node.pem"), self.path("node.key"));
        replace(&key_path, key);
        replace(&chain_path, chain);
        vec![
            "--ssl-certfile".to_owned(),
            chain_path.display().to_string(),
            "--ssl-keyfile".to_owned(),
            key_path.display().to_string(),
        ]
    }

    /// A configuration that trusts this authority alone.
    pub(crate) fn client(
        &self,
        provider: CryptoProvider,
        versions: &[&'static SupportedProtocolVersion],
    ) -> ClientConfig {
        client(&self.issuer.pem(), provider, versions)
    }

    /// The same with everything that rustls knows.
    pub(crate) fn any_client(&self) -> Arc<ClientConfig> {
        Arc::new(self.client(aws_lc_rs::default_provider(), rustls::ALL_VERSIONS))
    }
}

/// A configuration that trusts this root alone.
fn client(
    root_pem: &str,
    provider: CryptoProvider,
    versions: &[&'static SupportedProtocolVersion],
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    let root = CertificateDer::from_pem_slice(root_pem.as_bytes());
    roots.add(root.expect("PEM")).expect("a root");
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(versions)
        .expect("versions that the suites know")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    config
}

/// A client of everything that rustls knows, which trusts this root alone.
pub(crate) fn client_of(root_pem: &str) -> Arc<ClientConfig> {
    let provider = aws_lc_rs::default_provider();
    Arc::new(client(root_pem, provider, rustls::ALL_VERSIONS))
}

impl Drop for Authority {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// In one piece, as certificates are replaced.
pub(crate) fn replace(path: &Path, text: &str) {
    let temporary = path.with_extension("new");
    std::fs::write(&temporary, text).expect("a file");
    std::fs::rename(&temporary, path).expect("the same folder");
}

pub(crate) type Stream = StreamOwned<ClientConnection, TcpStream>;

/// Makes a handshake with a port of this machine.
pub(crate) fn connect(config: &Arc<ClientConfig>, port: u16) -> std::io::Result<Stream> {
    let socket = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    connect_over(config, socket)
}

/// Makes a handshake on a connection on which all that comes before it has been said.
pub(crate) fn connect_over(
    config: &Arc<ClientConfig>,
    socket: TcpStream,
) -> std::io::Result<Stream> {
    let name = ServerName::try_from("localhost").expect("a name");
    let tls = ClientConnection::new(Arc::clone(config), name).map_err(std::io::Error::other)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    let mut stream = StreamOwned::new(tls, socket);
    while stream.conn.is_handshaking() {
        stream.conn.complete_io(&mut stream.sock)?;
    }
    Ok(stream)
}

/// One request on a connection of its own: head and body. The end must have been told by TLS itself.
pub(crate) fn exchange(stream: &mut Stream, request: &str, body: &[u8]) -> (String, Vec<u8>) {
    stream
        .write_all(request.as_bytes())
        .expect("an open socket");
    stream.write_all(body).expect("an open socket");
    stream.flush().expect("an open socket");
    let mut answer = Vec::new();
    // Without a close_notify this is an error.
    stream.read_to_end(&mut answer).expect("a whole answer");
    let end = answer.windows(4).position(|bytes| bytes == b"\r\n\r\n");
    let end = end.expect("a head");
    let head = String::from_utf8(answer[..end].to_vec()).expect("text");
    (head, answer.split_off(end + 4))
}

pub(crate) fn get(stream: &mut Stream, path: &str) -> (String, Vec<u8>) {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    exchange(stream, &request, &[])
}

/// Whether the session of an earlier connection was resumed.
pub(crate) fn is_resumed(stream: &Stream) -> bool {
    stream.conn.handshake_kind() == Some(HandshakeKind::Resumed)
}
