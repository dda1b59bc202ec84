//! What an operator installs: the Debian package is whole, the unit is one that systemd takes, the scripts are readable.

use std::process::Command;
use std::time::Duration;

use anyhow::{Result, ensure};

use super::count::Counts;
use crate::deb;
use crate::process::{capture, is_installed, output, quiet};
use crate::workspace;

/// Exposure that `systemd-analyze security` may find at most, in tenths: 0 is none, 100 all.
const EXPOSURE_TENTHS_MAX: u32 = 20;

const LIMIT: Duration = Duration::from_secs(60);

type Check = fn() -> Result<()>;

pub(crate) fn run() -> Result<Counts> {
    let checks: [(&str, &[&str], Check); 3] = [
        ("the_package_is_whole", &["dpkg-deb"], package),
        ("systemd_takes_the_unit", &["systemd-analyze"], unit),
        ("the_scripts_are_scripts", &["sh"], scripts),
    ];
    let mut counts = Vec::new();
    for (name, programs, check) in checks {
        let absent = programs.iter().find(|program| !is_installed(program));
        let outcome = match absent {
            Some(program) => {
                println!("{name} ... not run: no {program} here");
                Counts::skip()
            }
            None => match check() {
                Ok(()) => {
                    println!("{name} ... ok");
                    Counts::of(true)
                }
                Err(error) => {
                    println!("{name} ... FAILED: {error:#}");
                    Counts::failure()
                }
            },
        };
        counts.push(outcome);
    }
    Ok(counts.into_iter().sum())
}

fn package() -> Result<()> {
    let package = deb::build()?;
    let listed = output(
        Command::new("dpkg-deb").arg("--contents").arg(&package),
        LIMIT,
    )?;
    for line in [
        "-rwxr-xr-x root/root",
        "./usr/bin/bufferbloatd\n",
        "./usr/bin/bufferbloat\n",
        "./etc/libreqos-bufferbloat/config.toml",
        "./usr/lib/systemd/system/libreqos-bufferbloat.service",
    ] {
        ensure!(listed.contains(line), "{line} is not in\n{listed}");
    }
    let information = output(Command::new("dpkg-deb").arg("--info").arg(&package), LIMIT)?;
    for part in [
        "conffiles",
        "postinst",
        "prerm",
        "postrm",
        "Depends: libc6 (>= 2.",
    ] {
        ensure!(
            information.contains(part),
            "{part} is not in\n{information}"
        );
    }
    Ok(())
}

/// With the daemon where it was built: nothing is installed here.
fn unit() -> Result<()> {
    let folder = workspace::scratch("unit")?;
    let packaging = workspace::root().join("tools/packaging");
    let daemon = workspace::release_daemon();
    for name in [
        "libreqos-bufferbloat.service",
        "libreqos-bufferbloat.socket",
    ] {
        let text = std::fs::read_to_string(packaging.join(name))?;
        let text = text.replace("/usr/bin/bufferbloatd", &daemon.to_string_lossy());
        std::fs::write(folder.join(name), text)?;
    }
    let service = folder.join("libreqos-bufferbloat.service");
    let socket = folder.join("libreqos-bufferbloat.socket");
    let verified = capture(
        Command::new("systemd-analyze")
            .args(["verify", "--man=no"])
            .args([&service, &socket]),
        LIMIT,
    )?;
    let complaints: Vec<&str> = verified
        .stderr
        .lines()
        .filter(|line| line.contains(deb::PACKAGE))
        .collect();
    ensure!(complaints.is_empty(), "{}", complaints.join("\n"));
    let judged = output(
        Command::new("systemd-analyze")
            .args(["security", "--offline=true"])
            .arg(&service),
        LIMIT,
    )?;
    let exposure = judged
        .lines()
        .find_map(|line| line.split_once("Overall exposure level for"))
        .and_then(|(_, rest)| rest.split_once(": "))
        .and_then(|(_, rest)| rest.split_whitespace().next())
        .map(|figure| figure.replace('.', ""))
        .and_then(|tenths| tenths.parse::<u32>().ok());
    println!("exposure: {exposure:?} tenths of 10");
    ensure!(
        exposure.is_some_and(|tenths| tenths <= EXPOSURE_TENTHS_MAX),
        "the unit is too open"
    );
    Ok(())
}

fn scripts() -> Result<()> {
    let tools = workspace::root().join("tools");
    for script in [
        "install_service.sh",
        "setup_ssl_certificates.sh",
        "create_test_certificates.sh",
        "start_https.sh",
        "packaging/debian/postinst",
        "packaging/debian/prerm",
        "packaging/debian/postrm",
    ] {
        quiet(Command::new("sh").arg("-n").arg(tools.join(script)))?;
        if is_installed("shellcheck") {
            quiet(Command::new("shellcheck").arg(tools.join(script)))?;
        }
    }
    Ok(())
}
