//! Debian's `pebble`, a certificate authority for tests (RFC 8555), on loopback: its names are resolved by its own
//! `pebble-challtestsrv`, and it looks at whatever ports it is told. It convinces itself as a real one does; nothing is
//! waved through.

use std::fs::File;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use crate::harness::{PATIENCE, daemon, eventually, is_listening};
use crate::tls_client::{client_of, connect, get};

/// A port that nobody has now.
pub(crate) fn free_port() -> u16 {
    let listener = TcpListener::bind("[::]:0").expect("a port");
    listener.local_addr().expect("its number").port()
}

/// A folder that is gone with its test.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new(name: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("bufferbloatd-test-{}-{name}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&folder).expect("a folder");
        Self(folder)
    }

    pub(crate) fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// A running authority.
pub(crate) struct Pebble {
    processes: Vec<Child>,
    port: u16,
    folder: Folder,
    /// The root of what it issues, PEM.
    pub(crate) root_pem: String,
}

impl Pebble {
    /// Looks at these ports, and issues certificates that live so long. `None`, and the reason is printed, where there is no
    /// pebble.
    pub(crate) fn start(http_port: u16, tls_port: u16, life_s: u32) -> Option<Self> {
        let found = Command::new("pebble").arg("-help").output();
        if found.is_err() {
            println!("skipped: no pebble; `apt-get install pebble` brings it");
            return None;
        }
        let folder = Folder::new("pebble");
        let certificates = folder.path("own");
        let made = daemon(&["make-test-certificate", &certificates, "localhost"]).status();
        assert!(made.expect("the daemon starts").success());
        let (port, management_port) = (free_port(), free_port());
        let name_server = format!("127.0.0.1:{}", free_port());
        let config = serde_json::json!({"pebble": {
            "listenAddress": format!("127.0.0.1:{port}"),
            "managementListenAddress": format!("127.0.0.1:{management_port}"),
            "certificate": folder.path("own/certificate.pem"),
            "privateKey": folder.path("own/key.pem"),
            "httpPort": http_port,
            "tlsPort": tls_port,
            "certificateValidityPeriod": life_s,
        }});
        std::fs::write(folder.path("pebble.json"), config.to_string()).expect("a file");
        let log = |name: &str| File::create(folder.path(name)).expect("a log");
        let names = Command::new("pebble-challtestsrv")
            .args([
                "-dns01",
                &name_server,
                "-defaultIPv6",
                "",
                "-defaultIPv4",
                "127.0.0.1",
            ])
            .args(["-http01", "", "-https01", "", "-tlsalpn01", ""])
            .args(["-management", &format!("127.0.0.1:{}", free_port())])
            .stdin(Stdio::null())
            .stdout(log("names.log"))
            .stderr(log("names.err"))
            .spawn()
            .expect("it comes with pebble");
        let authority = Command::new("pebble")
            .args([
                "-config",
                &folder.path("pebble.json"),
                "-dnsserver",
                &name_server,
            ])
            // At full speed: else it waits up to 15 s before it looks.
            .env("PEBBLE_VA_NOSLEEP", "1")
            .env_remove("PEBBLE_VA_ALWAYS_VALID")
            .stdin(Stdio::null())
            .stdout(log("pebble.log"))
            .stderr(log("pebble.err"))
            .spawn()
            .expect("pebble starts");
        let mut pebble = Self {
            processes: vec![names, authority],
            port,
            folder,
            root_pem: String::new(),
        };
        eventually("pebble listens", PATIENCE, || {
            is_listening(port) && is_listening(management_port)
        });
        let own = std::fs::read_to_string(pebble.folder.path("own/certificate.pem"));
        let client = client_of(&own.expect("a file"));
        let mut stream = connect(&client, management_port).expect("a handshake");
        let (_, root) = get(&mut stream, "/roots/0");
        pebble.root_pem = String::from_utf8(root).expect("PEM");
        Some(pebble)
    }

    /// What a node is to be told of it.
    pub(crate) fn flags(&self) -> Vec<String> {
        vec![
            "--acme-directory".to_owned(),
            format!("https://localhost:{}/dir", self.port),
            "--acme-directory-ca".to_owned(),
            self.folder.path("own/certificate.pem"),
        ]
    }

    /// What it has said so far.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path("pebble.log")).unwrap_or_default()
    }
}

impl Drop for Pebble {
    fn drop(&mut self) {
        for process in &mut self.processes {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}
