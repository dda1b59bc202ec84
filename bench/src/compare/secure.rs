//! What both sides of TLS need: a certificate that the servers share, and the client's side with one cipher alone.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, anyhow, ensure};
use engine::runtime::tls::{Connector, Trust};

/// What the connections of one purpose are to speak (ALPN).
pub(crate) const HTTP1: &[&[u8]] = &[b"http/1.1"];
/// The same.
pub(crate) const HTTP2: &[&[u8]] = &[b"h2"];

/// A certificate signed by itself, in a folder that goes with it.
#[derive(Debug)]
pub(crate) struct Certificate {
    folder: PathBuf,
}

impl Certificate {
    /// Has the node's program make one.
    ///
    /// # Errors
    /// When it doesn't.
    pub(crate) fn make(program: &Path) -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("bench-certificate-{}", std::process::id()));
        // Nothing is overwritten, and an earlier bench may have had this number.
        let _ = std::fs::remove_dir_all(&folder);
        let made = Command::new(program)
            .arg("make-test-certificate")
            .arg(&folder)
            .args(["localhost", "127.0.0.1"])
            .output()
            .with_context(|| program.display().to_string())?;
        let fault = String::from_utf8_lossy(&made.stderr);
        ensure!(made.status.success(), "no certificate: {}", fault.trim());
        Ok(Self { folder })
    }

    pub(crate) fn chain(&self) -> PathBuf {
        self.folder.join("certificate.pem")
    }

    pub(crate) fn key(&self) -> PathBuf {
        self.folder.join("key.pem")
    }

    /// The node's arguments that make every port speak TLS, and main HTTP/2 too.
    pub(crate) fn node_arguments(&self) -> Vec<String> {
        vec![
            "--ssl-certfile".to_owned(),
            self.chain().display().to_string(),
            "--ssl-keyfile".to_owned(),
            self.key().display().to_string(),
            "--http2".to_owned(),
            "true".to_owned(),
        ]
    }
}

impl Drop for Certificate {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

/// A client of TLS 1.3 with `TLS_AES_128_GCM_SHA256` and nothing else: a handshake that comes about has agreed on it.
///
/// # Errors
/// When the library refuses.
pub(crate) fn connector(protocols: &[&[u8]]) -> Result<Connector> {
    Connector::with_aes_128_gcm_alone("localhost", Trust::Anybody, protocols)
        .map_err(|fault| anyhow!(fault))
}
