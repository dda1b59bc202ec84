//! Other people's programs: where they are, and a port for one that can't say which it took.

use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::Command;

/// The program of that name in `PATH`, and where administrators' programs are.
pub(crate) fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders =
        std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    folders
        .map(|folder| folder.join(name))
        .find(|candidate| candidate.is_file())
}

/// The first line that a program says of its version.
pub(crate) fn version(name: &str, flag: &str) -> Option<String> {
    let output = Command::new(find(name)?).arg(flag).output().ok()?;
    let text = if output.stdout.is_empty() {
        output.stderr
    } else {
        output.stdout
    };
    let text = String::from_utf8_lossy(&text);
    text.lines().next().map(|line| line.trim().to_owned())
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> io::Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?.port())
}

/// nginx as root would hand its workers to a user who may not read our folder.
pub(crate) fn nginx_user_line() -> &'static str {
    // The folder of a process belongs to its user.
    use std::os::unix::fs::MetadataExt as _;
    match std::fs::metadata("/proc/self") {
        Ok(own) if own.uid() == 0 => "user root;\n",
        Ok(_) | Err(_) => "",
    }
}
