//! nginx as a peer, set up for speed: a worker for each core, `sendfile` from the page cache, no log; an upload is read and
//! thrown away by nginx itself.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use engine::runtime::sys::process::send_signal;

use super::programs;
use super::secure::Certificate;

/// Large enough that requests are few, small enough to stay in memory.
const PAYLOAD_BYTES: usize = 256 << 20;
const START_LIMIT: Duration = Duration::from_secs(10);
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// nginx, running.
#[derive(Debug)]
pub(crate) struct Nginx {
    pub(crate) address: SocketAddr,
    /// Of HTTP/1.1 and HTTP/2 in TLS.
    pub(crate) secure_address: SocketAddr,
    child: Child,
    folder: PathBuf,
}

impl Nginx {
    /// Where the large file is.
    pub(crate) const PAYLOAD_TARGET: &str = "/payload";
    /// How long it is.
    pub(crate) const PAYLOAD_BYTES: u64 = PAYLOAD_BYTES as u64;

    /// Starts the nginx that `PATH` leads to; `None` where there is none.
    ///
    /// # Errors
    /// When it is there and does not start.
    pub(crate) fn start(certificate: &Certificate) -> Result<Option<Self>> {
        let Some(program) = programs::find("nginx") else {
            return Ok(None);
        };
        let folder = std::env::temp_dir().join(format!("bench-nginx-{}", std::process::id()));
        fs::create_dir_all(folder.join("files"))?;
        write_payload(&folder.join("files").join("payload"))?;
        let (port, secure_port) = (programs::free_port()?, programs::free_port()?);
        let configuration = folder.join("nginx.conf");
        fs::write(
            &configuration,
            configuration_text(&folder, port, secure_port, certificate),
        )?;
        let log = fs::File::create(folder.join("nginx.log"))?;
        let child = Command::new(&program)
            .arg("-p")
            .arg(&folder)
            .arg("-c")
            .arg(&configuration)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| program.display().to_string())?;
        let mut nginx = Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
            secure_address: SocketAddr::from((Ipv4Addr::LOCALHOST, secure_port)),
            child,
            folder,
        };
        nginx.wait_until_ready()?;
        Ok(Some(nginx))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + START_LIMIT;
        while TcpStream::connect(self.address).is_err() {
            if let Some(status) = self.child.try_wait()? {
                let log = fs::read_to_string(self.folder.join("nginx.log")).unwrap_or_default();
                bail!("nginx ended ({status}): {}", log.trim());
            }
            if Instant::now() > deadline {
                bail!("nginx was not ready in time");
            }
            sleep(Duration::from_millis(20));
        }
        Ok(())
    }
}

impl Drop for Nginx {
    fn drop(&mut self) {
        // A refusal leaves the kill below.
        let _ = send_signal(self.child.id(), libc::SIGTERM);
        let deadline = Instant::now() + STOP_LIMIT;
        while Instant::now() < deadline && !matches!(self.child.try_wait(), Ok(Some(_))) {
            sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = fs::remove_dir_all(&self.folder);
    }
}

/// `lingering_time` is how long nginx reads a body that it throws away; no run may end by it. Records of TLS are as long as
/// they may be (`ssl_buffer_size`, nginx's default too), and so are HTTP/2's frames (`http2_chunk_size`, 8 KiB by default).
fn configuration_text(
    folder: &Path,
    port: u16,
    secure_port: u16,
    certificate: &Certificate,
) -> String {
    let folder = folder.display();
    let chain = certificate.chain().display().to_string();
    let key = certificate.key().display().to_string();
    format!(
        "daemon off; pid {folder}/nginx.pid; error_log stderr crit;\n\
         worker_processes auto; worker_cpu_affinity auto; worker_rlimit_nofile 30000;\n\
         {}\
         events {{ worker_connections 15000; multi_accept on; }}\n\
         http {{\n\
           access_log off; sendfile on; tcp_nopush on; tcp_nodelay on;\n\
           keepalive_timeout 300s; keepalive_requests 1000000000;\n\
           client_max_body_size 0; lingering_time 1h; lingering_timeout 60s;\n\
           open_file_cache max=10 inactive=1h; open_file_cache_valid 1h;\n\
           client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;\n\
           uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;\n\
           server {{\n\
             listen 127.0.0.1:{port} reuseport backlog=4096; root {folder}/files;\n\
             listen 127.0.0.1:{secure_port} ssl http2 reuseport backlog=4096;\n\
             ssl_certificate {chain}; ssl_certificate_key {key};\n\
             ssl_protocols TLSv1.3; ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;\n\
             ssl_buffer_size 16k; http2_chunk_size 16k; \n\
             location = /upload {{ return 200; }}\n\
             location = /ping {{ return 200 pong; }}\n\
           }}\n\
         }}\n",
        programs::nginx_user_line()
    )
}

/// Random bytes, a mebibyte of them over and over.
fn write_payload(path: &Path) -> Result<()> {
    let mut piece = vec![0; 1 << 20];
    getrandom::fill(&mut piece)?;
    fs::write(path, piece.repeat(PAYLOAD_BYTES / piece.len()))
        .with_context(|| path.display().to_string())
}
