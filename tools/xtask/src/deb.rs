//! The Debian package: the daemon, the terminal client, the unit and the configuration, as `dpkg-deb` packs them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::process::{is_installed, output, quiet};
use crate::suite::step::{one, release_build_command};
use crate::workspace;

/// The package's name, and the service's.
pub(crate) const PACKAGE: &str = "libreqos-bufferbloat";

/// What is packed as it is in the project: from, to, mode.
const FILES: &[(&str, &str, u32)] = &[
    (
        "tools/packaging/libreqos-bufferbloat.service",
        "usr/lib/systemd/system/libreqos-bufferbloat.service",
        0o644,
    ),
    (
        "tools/packaging/libreqos-bufferbloat.socket",
        "usr/lib/systemd/system/libreqos-bufferbloat.socket",
        0o644,
    ),
    (
        "tools/packaging/config.toml",
        "etc/libreqos-bufferbloat/config.toml",
        0o644,
    ),
    (
        "tools/setup_ssl_certificates.sh",
        "usr/share/libreqos-bufferbloat/setup_ssl_certificates.sh",
        0o755,
    ),
    (
        "tools/create_test_certificates.sh",
        "usr/share/libreqos-bufferbloat/create_test_certificates.sh",
        0o755,
    ),
    (
        "README.md",
        "usr/share/doc/libreqos-bufferbloat/README.md",
        0o644,
    ),
    (
        "LICENSE",
        "usr/share/doc/libreqos-bufferbloat/copyright",
        0o644,
    ),
    ("tools/packaging/debian/postinst", "DEBIAN/postinst", 0o755),
    ("tools/packaging/debian/prerm", "DEBIAN/prerm", 0o755),
    ("tools/packaging/debian/postrm", "DEBIAN/postrm", 0o755),
];

/// The chore: builds the daemon and the package.
///
/// # Errors
/// As [`build`].
pub(crate) fn print() -> Result<ExitCode> {
    ensure!(
        one(&mut release_build_command())?.failed == 0,
        "the programs could not be built"
    );
    println!("{}", build()?.display());
    Ok(ExitCode::SUCCESS)
}

/// Packs the release daemon, which has to be built already; the package's path.
///
/// # Errors
/// What is missing: the daemon, `dpkg-deb`, a file of the project.
pub(crate) fn build() -> Result<PathBuf> {
    ensure!(
        is_installed("dpkg-deb"),
        "dpkg-deb is missing: `apt-get install dpkg` on Debian and Ubuntu brings it"
    );
    let daemon = workspace::release_daemon();
    let stage = workspace::scratch("deb")?.join("stage");
    install(&daemon, &stage.join("usr/bin/bufferbloatd"), 0o755)?;
    let client = daemon.with_file_name("bufferbloat");
    install(&client, &stage.join("usr/bin/bufferbloat"), 0o755)?;
    for (from, to, mode) in FILES {
        install(&workspace::root().join(from), &stage.join(to), *mode)?;
    }
    write(
        &stage.join("DEBIAN/conffiles"),
        "/etc/libreqos-bufferbloat/config.toml\n",
    )?;
    let architecture = output(
        Command::new("dpkg").arg("--print-architecture"),
        Duration::from_secs(20),
    )?;
    let architecture = architecture.trim();
    let glibc = glibc_version(&[&daemon, &client])?;
    let control = control(architecture, &glibc, size_kib(&stage)?);
    write(&stage.join("DEBIAN/control"), &control)?;
    let version = env!("CARGO_PKG_VERSION");
    let package = workspace::target().join(format!("{PACKAGE}_{version}_{architecture}.deb"));
    quiet(
        Command::new("dpkg-deb")
            .args(["--root-owner-group", "-Zxz", "--build"])
            .args([&stage, &package]),
    )?;
    Ok(package)
}

fn control(architecture: &str, glibc: &str, size_kib: u64) -> String {
    let version = env!("CARGO_PKG_VERSION");
    format!(
        "Package: {PACKAGE}\n\
         Version: {version}\n\
         Architecture: {architecture}\n\
         Maintainer: LibreQoS <support@libreqos.io>\n\
         Installed-Size: {size_kib}\n\
         Depends: libc6 (>= {glibc}), libgcc-s1\n\
         Recommends: ca-certificates, systemd\n\
         Section: net\n\
         Priority: optional\n\
         Description: bufferbloat test node\n \
         Serves a web page by which people find out what load does to the latency\n \
         of their line, and generates all the traffic for it.\n"
    )
}

/// The newest symbol version that the programs need of the C library, as their files name them.
fn glibc_version(programs: &[&Path]) -> Result<String> {
    const PREFIX: &[u8] = b"GLIBC_2.";
    let mut bytes = Vec::new();
    for program in programs {
        bytes.extend(fs::read(program)?);
    }
    let newest = bytes
        .windows(PREFIX.len() + 4)
        .filter_map(|window| window.strip_prefix(PREFIX))
        .filter_map(|rest| {
            let digits: String = rest
                .iter()
                .map(|byte| char::from(*byte))
                .take_while(char::is_ascii_digit)
                .collect();
            digits.parse::<u32>().ok()
        })
        .max()
        .context("the programs name no version of the C library")?;
    Ok(format!("2.{newest}"))
}

fn size_kib(folder: &Path) -> Result<u64> {
    let printed = output(
        Command::new("du")
            .args(["-sk", "--apparent-size"])
            .arg(folder),
        Duration::from_secs(20),
    )?;
    let size = printed.split_whitespace().next().unwrap_or_default();
    size.parse().context("du prints no number")
}

fn install(from: &Path, to: &Path, mode: u32) -> Result<()> {
    if let Some(folder) = to.parent() {
        make_folder(folder)?;
    }
    fs::copy(from, to).with_context(|| format!("{} cannot be packed", from.display()))?;
    fs::set_permissions(to, fs::Permissions::from_mode(mode))?;
    Ok(())
}

fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text)?;
    fs::set_permissions(path, fs::Permissions::from_mode(0o644))?;
    Ok(())
}

/// With the mode that the folder shall have where it is installed, whatever this user's mask is.
fn make_folder(folder: &Path) -> Result<()> {
    let mut missing = Vec::new();
    for ancestor in folder.ancestors().take_while(|ancestor| !ancestor.exists()) {
        missing.push(ancestor);
    }
    for ancestor in missing.iter().rev() {
        fs::create_dir(ancestor)?;
        fs::set_permissions(ancestor, fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_names_what_dpkg_wants() {
        let control = control("amd64", "2.34", 9);
        assert!(control.contains("\nDepends: libc6 (>= 2.34), libgcc-s1\n"));
        assert!(control.lines().all(|line| !line.is_empty()));
        let continued = control.lines().filter(|line| line.starts_with(' ')).count();
        assert_eq!(continued, 2);
    }
}
