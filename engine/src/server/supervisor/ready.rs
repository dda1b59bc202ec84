//! Telling that the node is ready: a line for people, a file for programs.

use std::io::{self, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::server::config::{Config, Listen};
use crate::server::context::RolePort;
use crate::server::roles::MAIN;

/// The line: `Ready: http://localhost:8000/ (ping on port 8005). Press Ctrl-C to stop.`
pub(super) fn line(config: &Config, ports: &[RolePort]) -> String {
    let host = host_of(config);
    let main = ports
        .iter()
        .find(|port| port.role == MAIN)
        .map_or(config.port, |port| port.port);
    let others: Vec<String> = ports
        .iter()
        .filter(|port| port.role != MAIN)
        .map(|port| format!("{} on port {}", port.role, port.port))
        .collect();
    format!(
        "Ready: {}://{host}:{main}/ ({}). Press Ctrl-C to stop.",
        config.scheme().http(),
        others.join(", ")
    )
}

/// Where a program on this machine finds the node's page; `None` when its port is not known before it has started.
#[must_use]
pub fn url_of(config: &Config) -> Option<String> {
    (config.port != 0).then(|| {
        format!(
            "{}://{}:{}/",
            config.scheme().http(),
            host_of(config),
            config.port
        )
    })
}

fn host_of(config: &Config) -> String {
    match &config.listen {
        Listen::DualStack => "localhost".to_owned(),
        Listen::Addresses(addresses) => match addresses.first() {
            Some(IpAddr::V6(address)) if !address.is_unspecified() => format!("[{address}]"),
            Some(IpAddr::V4(address)) if !address.is_unspecified() => address.to_string(),
            Some(_) | None => "localhost".to_owned(),
        },
    }
}

/// The ports in use, as `systemctl status` shows them: `Serving main :8000, ping :8005`.
pub(super) fn status(ports: &[RolePort]) -> String {
    let ports: Vec<String> = ports
        .iter()
        .map(|port| format!("{} :{}", port.role, port.port))
        .collect();
    format!("Serving {}", ports.join(", "))
}

#[derive(Serialize)]
struct PortsFile<'a> {
    pid: u32,
    ports: &'a [RolePort],
}

/// Writes `{"pid":…,"ports":[{"role":"main","port":…},…]}` so that a reader sees all of it or nothing.
///
/// # Errors
/// The directory cannot be written to.
pub(super) fn write_ports_file(path: &Path, ports: &[RolePort]) -> io::Result<()> {
    let pid = std::process::id();
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(format!(".{pid}"));
    let temporary = PathBuf::from(temporary);
    let mut text = serde_json::to_vec(&PortsFile { pid, ports })?;
    text.push(b'\n');
    let mut file = std::fs::File::create(&temporary)?;
    file.write_all(&text)
        .and_then(|()| std::fs::rename(&temporary, path))
        .inspect_err(|_| {
            // The fault that is reported is the first one.
            let _ = std::fs::remove_file(&temporary);
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ports() -> Vec<RolePort> {
        [("main", 8000), ("ping", 8005)]
            .map(|(role, port)| RolePort {
                role: role.to_owned(),
                port,
            })
            .to_vec()
    }

    #[test]
    fn the_line_tells_where_to_go() {
        let mut config = Config::default();
        assert_eq!(
            line(&config, &ports()),
            "Ready: http://localhost:8000/ (ping on port 8005). Press Ctrl-C to stop."
        );
        config.listen = Listen::Addresses(vec!["2001:db8::1".parse().unwrap()]);
        assert!(line(&config, &ports()).starts_with("Ready: http://[2001:db8::1]:8000/ "));
    }
}
