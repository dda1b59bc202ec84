//! Every dependency's licence against `tools/licences.toml`: Rust crates by `cargo metadata`, npm packages by the lock.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result};
use serde::Deserialize;
use serde_json::Value;

use super::count::Counts;
use super::fuzz;
use super::step::{cargo, page_folder};
use crate::process::output;
use crate::workspace;

/// The list.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Policy {
    /// SPDX identifiers that any dependency may have.
    allowed: Vec<String>,
    /// More that a tool may have which is never part of the product.
    allowed_for_tools: Vec<String>,
}

/// One dependency and the licence that it declares.
#[derive(Debug, PartialEq)]
struct Dependency {
    name: String,
    licence: Option<String>,
    is_tool: bool,
}

pub(crate) fn run() -> Result<Counts> {
    let policy = read_policy()?;
    let shipped = shipped_crates()?;
    let mut dependencies = crates(&workspace::root(), &shipped)?;
    dependencies.extend(crates(&fuzz::folder(), &BTreeSet::new())?);
    for folder in [page_folder(), workspace::root().join("tools/third-party")] {
        let lock = folder.join("package-lock.json");
        let text = std::fs::read_to_string(&lock).with_context(|| lock.display().to_string())?;
        dependencies.extend(npm_packages(&serde_json::from_str(&text)?));
    }
    let mut failed = 0;
    for dependency in &dependencies {
        if let Some(fault) = policy.fault(dependency) {
            println!("{}: {fault}", dependency.name);
            failed += 1;
        }
    }
    println!("{} dependencies looked at", dependencies.len());
    Ok(if failed == 0 {
        Counts::pass()
    } else {
        Counts {
            failed,
            ..Counts::default()
        }
    })
}

/// As a chore of its own.
///
/// # Errors
/// As [`run`].
pub(crate) fn print() -> Result<ExitCode> {
    Ok(if run()?.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

impl Policy {
    /// What is wrong with a dependency's licence.
    fn fault(&self, dependency: &Dependency) -> Option<String> {
        let Some(licence) = &dependency.licence else {
            return Some("declares no licence".into());
        };
        // Older crates write `MIT/Apache-2.0` for `MIT OR Apache-2.0`.
        let expression = match spdx::Expression::parse_mode(licence, spdx::ParseMode::LAX) {
            Ok(expression) => expression,
            Err(error) => {
                return Some(format!(
                    "`{licence}` is not an SPDX expression: {}",
                    error.reason
                ));
            }
        };
        let accepted = expression.evaluate(|requirement| {
            let name = requirement.to_string();
            self.allowed.contains(&name)
                || (dependency.is_tool && self.allowed_for_tools.contains(&name))
        });
        (!accepted).then(|| format!("`{licence}` is not on the list in tools/licences.toml"))
    }
}

fn read_policy() -> Result<Policy> {
    let file = workspace::root().join("tools/licences.toml");
    let text = std::fs::read_to_string(&file).with_context(|| file.display().to_string())?;
    toml::from_str(&text).context("tools/licences.toml")
}

/// `name version` of every crate whose code is in the daemon: no macros, build scripts or test dependencies.
fn shipped_crates() -> Result<BTreeSet<String>> {
    let tree = output(
        &mut cargo(&[
            "tree",
            "--locked",
            "--package",
            "engine",
            "--edges",
            "normal,no-proc-macro",
            "--prefix",
            "none",
            "--format",
            "{p}",
        ]),
        Duration::from_secs(120),
    )?;
    Ok(tree
        .lines()
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let (name, version) = (words.next()?, words.next()?);
            Some(format!("{name} {}", version.trim_start_matches('v')))
        })
        .collect())
}

/// The crates that are not ours, of the workspace in `folder`; those not `shipped` are tools.
fn crates(folder: &Path, shipped: &BTreeSet<String>) -> Result<Vec<Dependency>> {
    let text = output(
        cargo(&["metadata", "--format-version", "1", "--locked"]).current_dir(folder),
        Duration::from_secs(120),
    )?;
    let metadata: Value = serde_json::from_str(&text).context("cargo's metadata")?;
    let packages = metadata["packages"].as_array().cloned().unwrap_or_default();
    Ok(packages
        .iter()
        .filter(|package| !package["source"].is_null())
        .map(|package| {
            let text = |field: &str| package[field].as_str().unwrap_or("?");
            let name = format!("{} {}", text("name"), text("version"));
            Dependency {
                is_tool: !shipped.contains(&name),
                licence: package["license"].as_str().map(str::to_owned),
                name: format!("crate {name}"),
            }
        })
        .collect())
}

/// The packages of an npm lock file; development dependencies are tools.
fn npm_packages(lock: &Value) -> Vec<Dependency> {
    let packages: BTreeMap<String, Value> = lock["packages"]
        .as_object()
        .map(|packages| packages.clone().into_iter().collect())
        .unwrap_or_default();
    packages
        .into_iter()
        .filter(|(path, _)| !path.is_empty())
        .map(|(path, package)| Dependency {
            name: format!(
                "npm {}",
                path.rsplit("node_modules/").next().unwrap_or(&path)
            ),
            licence: package["license"].as_str().map(str::to_owned),
            is_tool: package["dev"] == true || package["devOptional"] == true,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> Policy {
        Policy {
            allowed: vec!["MIT".into(), "Apache-2.0 WITH LLVM-exception".into()],
            allowed_for_tools: vec!["MPL-2.0".into()],
        }
    }

    fn dependency(licence: Option<&str>, is_tool: bool) -> Dependency {
        Dependency {
            name: "x".into(),
            licence: licence.map(str::to_owned),
            is_tool,
        }
    }

    #[test]
    fn one_allowed_alternative_is_enough_but_every_conjunct_is_needed() {
        assert_eq!(
            policy().fault(&dependency(Some("MIT OR GPL-3.0-only"), false)),
            None
        );
        assert_eq!(
            policy().fault(&dependency(Some("MIT/Apache-2.0"), false)),
            None
        );
        assert!(
            policy()
                .fault(&dependency(Some("MIT AND GPL-3.0-only"), false))
                .is_some()
        );
    }

    #[test]
    fn an_exception_is_part_of_the_licence() {
        let with = dependency(Some("Apache-2.0 WITH LLVM-exception"), false);
        assert_eq!(policy().fault(&with), None);
        assert!(
            policy()
                .fault(&dependency(Some("Apache-2.0"), false))
                .is_some()
        );
    }

    #[test]
    fn a_tool_may_have_what_the_product_may_not() {
        assert_eq!(policy().fault(&dependency(Some("MPL-2.0"), true)), None);
        assert!(
            policy()
                .fault(&dependency(Some("MPL-2.0"), false))
                .is_some()
        );
    }

    #[test]
    fn no_licence_and_no_expression_are_faults() {
        assert!(policy().fault(&dependency(None, false)).is_some());
        assert!(
            policy()
                .fault(&dependency(Some("see LICENSE"), false))
                .is_some()
        );
    }

    #[test]
    fn npm_lock_entries_keep_their_scope_and_their_role() {
        let lock = serde_json::json!({"packages": {
            "": {"name": "page"},
            "node_modules/@a/b": {"license": "MIT", "dev": true},
            "node_modules/c/node_modules/d": {"license": "ISC"},
        }});
        let names: Vec<(String, bool)> = npm_packages(&lock)
            .into_iter()
            .map(|dependency| (dependency.name, dependency.is_tool))
            .collect();
        assert_eq!(names, [("npm @a/b".into(), true), ("npm d".into(), false)]);
    }
}
