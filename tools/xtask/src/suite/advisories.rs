//! Known vulnerabilities: crates against a RustSec advisory database on this disk, the page's packages by `npm audit`.
//!
//! Neither is fetched here: without a database, or without npm's registry, that part is skipped and says so.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use semver::{Version, VersionReq};
use serde::Deserialize;
use serde_json::Value;

use super::count::Counts;
use super::step::npm;
use crate::process::capture;
use crate::workspace;

/// Names the folder of a checkout of the RustSec advisory database.
const DATABASE_VARIABLE: &str = "RUSTSEC_ADVISORY_DB";

/// The front matter of one advisory.
#[derive(Debug, Deserialize)]
struct Advisory {
    advisory: Heading,
    versions: Versions,
}

#[derive(Debug, Deserialize)]
struct Heading {
    id: String,
    package: String,
    #[serde(default)]
    informational: Option<String>,
    #[serde(default)]
    withdrawn: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Versions {
    #[serde(default)]
    patched: Vec<String>,
    #[serde(default)]
    unaffected: Vec<String>,
}

#[derive(Debug, Deserialize)]
struct Lock {
    package: Vec<Locked>,
}

#[derive(Debug, Deserialize)]
struct Locked {
    name: String,
    version: Version,
}

pub(crate) fn run() -> Result<Counts> {
    Ok([crates()?, page()?].into_iter().sum())
}

fn crates() -> Result<Counts> {
    let Some(database) = database().filter(|folder| folder.join("crates").is_dir()) else {
        println!(
            "crates skipped: no RustSec advisory database; {DATABASE_VARIABLE} or ~/.cargo/advisory-db may name a checkout"
        );
        return Ok(Counts::skip());
    };
    let lock_file = workspace::root().join("Cargo.lock");
    let lock: Lock = toml::from_str(&std::fs::read_to_string(lock_file)?).context("Cargo.lock")?;
    let mut failed = 0;
    for locked in &lock.package {
        for advisory in advisories(&database.join("crates").join(&locked.name))? {
            if advisory.affects(&locked.version) {
                println!(
                    "{} {}: {}",
                    locked.name, locked.version, advisory.advisory.id
                );
                failed += 1;
            }
        }
    }
    Ok(if failed == 0 {
        Counts::pass()
    } else {
        Counts {
            failed,
            ..Counts::default()
        }
    })
}

fn database() -> Option<PathBuf> {
    std::env::var_os(DATABASE_VARIABLE)
        .map(PathBuf::from)
        .or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo/advisory-db")))
}

/// The advisories on one crate; none when the database has no folder for it.
fn advisories(folder: &Path) -> Result<Vec<Advisory>> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Ok(Vec::new());
    };
    entries
        .map(|entry| {
            let path = entry?.path();
            let text = std::fs::read_to_string(&path)?;
            Advisory::parse(&text).with_context(|| path.display().to_string())
        })
        .collect()
}

impl Advisory {
    /// Reads the TOML block that an advisory begins with.
    fn parse(text: &str) -> Result<Self> {
        let after = text.split_once("```toml").context("no TOML block")?.1;
        let block = after
            .split_once("```")
            .context("no end of the TOML block")?
            .0;
        Ok(toml::from_str(block)?)
    }

    /// Whether this version is vulnerable; notices (unmaintained, …) and withdrawn advisories affect none.
    fn affects(&self, version: &Version) -> bool {
        let is_in = |ranges: &[String]| {
            ranges
                .iter()
                .filter_map(|range| VersionReq::parse(range).ok())
                .any(|range| range.matches(version))
        };
        self.advisory.informational.is_none()
            && self.advisory.withdrawn.is_none()
            && !self.advisory.package.is_empty()
            && !is_in(&self.versions.patched)
            && !is_in(&self.versions.unaffected)
    }
}

/// `npm audit` of what the page ships.
fn page() -> Result<Counts> {
    let audit = capture(
        &mut npm(&["audit", "--omit=dev", "--json"]),
        Duration::from_secs(120),
    )?;
    let json: Option<Value> = serde_json::from_str(&audit.stdout).ok();
    let total = json
        .as_ref()
        .and_then(|json| json.pointer("/metadata/vulnerabilities/total")?.as_u64());
    Ok(match total {
        Some(0) => Counts::pass(),
        Some(found) => {
            println!("npm audit: {found} vulnerabilities in what the page ships");
            Counts::failure()
        }
        None => {
            let status = json.and_then(|json| json.get("statusCode")?.as_u64());
            match status {
                Some(status) => {
                    println!("page skipped: the registry answers no audit (HTTP {status})");
                }
                None => println!("page skipped: the registry of `npm audit` can't be reached"),
            }
            Counts::skip()
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "```toml\n[advisory]\nid = \"RUSTSEC-2020-0001\"\npackage = \"x\"\ndate = \"2020-01-01\"\n\n[versions]\npatched = [\">= 1.2.3\"]\nunaffected = [\"< 1.0.0\"]\n```\n\n# Title\n";

    #[test]
    fn only_versions_between_unaffected_and_patched_are_affected() {
        let advisory = Advisory::parse(TEXT).expect("an advisory");
        for (version, is_affected) in [
            ("0.9.9", false),
            ("1.0.0", true),
            ("1.2.2", true),
            ("1.2.3", false),
        ] {
            let version = version.parse().expect("a version");
            assert_eq!(advisory.affects(&version), is_affected, "{version}");
        }
    }

    #[test]
    fn a_notice_is_not_a_vulnerability() {
        let text = TEXT.replace("package =", "informational = \"unmaintained\"\npackage =");
        let advisory = Advisory::parse(&text).expect("an advisory");
        assert!(!advisory.affects(&Version::new(1, 0, 0)));
    }
}
