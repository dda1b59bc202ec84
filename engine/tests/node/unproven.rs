//! A certificate authority that is never convinced, and says why in its very answer to the order to look. Pebble tells it
//! there only when its look is over before the answer is written, which chance decides.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::{Value, json};

use crate::harness::daemon;
use crate::pebble::Folder;

/// Serves for as long as the test's process lives.
pub(crate) struct Unproven {
    folder: Folder,
    port: u16,
}

impl Unproven {
    pub(crate) fn start() -> Self {
        let folder = Folder::new("unproven");
        let made = daemon(&["make-test-certificate", &folder.path("own"), "localhost"]).status();
        assert!(made.expect("the daemon starts").success());
        let read = |name| std::fs::read(folder.path(name)).expect("a file");
        let chain = CertificateDer::from_pem_slice(&read("own/certificate.pem")).expect("PEM");
        let key = PrivateKeyDer::from_pem_slice(&read("own/key.pem")).expect("PEM");
        let config = ServerConfig::builder_with_provider(aws_lc_rs::default_provider().into())
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![chain], key)
            .expect("a pair");
        let config = Arc::new(config);
        let listener = TcpListener::bind("localhost:0").expect("a port");
        let port = listener.local_addr().expect("its number").port();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let tls = ServerConnection::new(Arc::clone(&config)).expect("a configuration");
                thread::spawn(move || serve(StreamOwned::new(tls, stream), port));
            }
        });
        Self { folder, port }
    }

    /// The node's flags.
    pub(crate) fn flags(&self) -> Vec<String> {
        vec![
            "--acme-directory".to_owned(),
            format!("https://localhost:{}/directory", self.port),
            "--acme-directory-ca".to_owned(),
            self.folder.path("own/certificate.pem"),
        ]
    }
}

/// Answers one request after the other until the client goes; whatever it signs is believed.
fn serve(stream: StreamOwned<ServerConnection, TcpStream>, port: u16) {
    let mut stream = BufReader::new(stream);
    let mut has_looked = false;
    loop {
        let (mut request, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).unwrap_or(0) == 0 {
                return;
            }
            if request.is_empty() {
                request.clone_from(&line);
            }
            if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
                length = value.trim().parse().expect("a length");
            }
            if line == "\r\n" {
                break;
            }
        }
        stream.read_exact(&mut vec![0; length]).expect("a body");
        let path = request.split(' ').nth(1).expect("a path");
        has_looked |= path == "/challenge";
        let body = if request.starts_with("HEAD") {
            String::new()
        } else {
            answer(path, port, has_looked).to_string()
        };
        let head = format!(
            "HTTP/1.1 200 OK\r\nReplay-Nonce: once\r\nLocation: https://localhost:{port}{path}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        if stream.get_mut().write_all(head.as_bytes()).is_err() {
            return;
        }
    }
}

/// RFC 8555, section 7, as far as a client comes with this authority.
fn answer(path: &str, port: u16, has_looked: bool) -> Value {
    let at = |path: &str| format!("https://localhost:{port}{path}");
    let (status, error) = if has_looked {
        let kind = "urn:ietf:params:acme:error:connection";
        (
            "invalid",
            json!({"type": kind, "detail": "nobody was there", "status": 400}),
        )
    } else {
        ("pending", Value::Null)
    };
    let challenge = json!({
        "type": "http-01", "url": at("/challenge"), "token": "dG9rZW4", "status": status, "error": error,
    });
    match path {
        "/directory" => json!({
            "newNonce": at("/nonce"), "newAccount": at("/account"), "newOrder": at("/order"),
        }),
        "/account" => json!({"status": "valid"}),
        "/order" => json!({
            "status": status, "finalize": at("/finalize"), "authorizations": [at("/authorization")],
        }),
        "/authorization" => json!({
            "status": status, "challenges": [challenge],
            "identifier": {"type": "dns", "value": "localhost"},
        }),
        "/challenge" => challenge,
        _ => Value::Null,
    }
}
