//! Instruction counts of the hot paths, by callgrind: the same on a noisy machine as on a quiet one, so that a regression
//! shows.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use crate::hot_paths::HOT_PATHS;

/// Rounds of the shorter and of the longer run.
const ROUNDS: (u64, u64) = (1_000, 2_000);

/// Does one hot path so many times; what callgrind looks at.
///
/// # Errors
/// When there is none of that name.
pub(crate) fn run_one(name: &str, rounds: u64) -> Result<()> {
    let Some(path) = HOT_PATHS.iter().find(|path| path.name == name) else {
        bail!("there is no hot path {name}");
    };
    (path.run)(rounds);
    Ok(())
}

/// Prints the instructions of a round of each hot path.
///
/// # Errors
/// When valgrind is not there, or counts nothing.
pub(crate) fn print() -> Result<()> {
    let program = std::env::current_exe()?;
    for path in HOT_PATHS {
        let short = count(&program, path.name, ROUNDS.0)?;
        let long = count(&program, path.name, ROUNDS.1)?;
        let each = (long - short) as f64 / (ROUNDS.1 - ROUNDS.0) as f64;
        println!("{:<24} {each:>10.1} instructions", path.name);
    }
    Ok(())
}

fn count(program: &Path, name: &str, rounds: u64) -> Result<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args([
            "instructions",
            "--one",
            name,
            "--rounds",
            &rounds.to_string(),
        ])
        .output()
        .context("valgrind (Debian: apt-get install valgrind)")?;
    let told = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "valgrind: {}", told.trim());
    counted(&told).with_context(|| format!("valgrind counted nothing: {}", told.trim()))
}

/// `Collected : N` at the end of what callgrind says.
fn counted(told: &str) -> Option<u64> {
    let (_, rest) = told.rsplit_once("Collected : ")?;
    rest.split_whitespace().next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_count_is_found_among_what_valgrind_says() {
        assert_eq!(
            counted("==1== \n==1== Collected : 12345\n==1== \n"),
            Some(12_345)
        );
        assert_eq!(counted("==1== no"), None);
    }

    #[test]
    fn every_hot_path_can_be_run() {
        for path in HOT_PATHS {
            assert!(run_one(path.name, 3).is_ok());
        }
        assert!(run_one("none", 1).is_err());
    }
}
