//! Style rules that no compiler checks: each is a function from a file's text to its faults.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Result;

use super::count::Counts;
use crate::workspace;

/// Above this a file has to explain itself: [`LENGTH_REASON`] in the comment that it begins with.
const FILE_LINES_MAX: usize = 600;
/// How the reason begins why a long file is still one idea.
const LENGTH_REASON: &str = "Long because ";

/// Folders that hold nothing of ours.
const SKIPPED_FOLDERS: &[&str] = &[
    "target",
    "node_modules",
    ".git",
    "dist",
    "corpus",
    "artifacts",
    "test-results",
];
/// Files whose text is looked at.
const EXTENSIONS: &[&str] = &[
    "rs", "toml", "ts", "tsx", "mjs", "js", "css", "html", "md", "py", "json", "yml", "service",
    "sh",
];

/// One of ours: its path from the root, and its text.
struct Source {
    path: String,
    text: String,
    /// Whether its parent declares it under `#[cfg(test)]`.
    is_test: bool,
}

type Rule = fn(&Source) -> Option<String>;

const RULES: &[(&str, Rule)] = &[
    ("every_module_says_what_it_owns", module_docs),
    ("no_file_is_longer_than_it_explains", length),
    ("unsafe_is_only_in_the_runtimes_sys", unsafe_code),
    ("the_pure_half_imports_nothing_impure", pure_half),
    ("expectations_have_reasons", allow_attributes),
    ("nothing_is_left_to_do", left_to_do),
    ("nothing_names_a_machines_paths", machine_paths),
    ("the_runtime_names_no_endpoint", runtime_endpoints),
];

pub(crate) fn run() -> Result<Counts> {
    let root = workspace::root();
    let mut sources = Vec::new();
    collect(&root, &root, &mut sources)?;
    mark_tests(&mut sources);
    println!("{} files looked at", sources.len());
    Ok(RULES
        .iter()
        .map(|(name, rule)| {
            let faults: Vec<String> = sources
                .iter()
                .filter_map(|source| Some(format!("{}: {}", source.path, rule(source)?)))
                .collect();
            println!(
                "{name} ... {}",
                if faults.is_empty() { "ok" } else { "FAILED" }
            );
            faults.iter().for_each(|fault| println!("    {fault}"));
            Counts::of(faults.is_empty())
        })
        .sum())
}

/// As a chore of its own.
#[must_use]
pub(crate) fn print() -> ExitCode {
    match run() {
        Ok(counts) if counts.failed == 0 => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn collect(root: &Path, folder: &Path, sources: &mut Vec<Source>) -> std::io::Result<()> {
    let mut entries: Vec<PathBuf> = std::fs::read_dir(folder)?
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<std::io::Result<_>>()?;
    entries.sort();
    for path in entries {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() && !path.is_symlink() {
            if !SKIPPED_FOLDERS.contains(&name.as_ref()) {
                collect(root, &path, sources)?;
            }
            continue;
        }
        let extension = path.extension().unwrap_or_default().to_string_lossy();
        let is_lock = matches!(name.as_ref(), "package-lock.json" | "Cargo.lock");
        if EXTENSIONS.contains(&extension.as_ref()) && !is_lock {
            let shown = path
                .strip_prefix(root)
                .unwrap_or(&path)
                .to_string_lossy()
                .into_owned();
            sources.push(Source {
                path: shown,
                text: std::fs::read_to_string(&path)?,
                is_test: false,
            });
        }
    }
    Ok(())
}

/// Marks the modules that exist in tests only: `#[cfg(test)]` and then `mod name;` in the folder's `mod.rs` or `lib.rs`.
fn mark_tests(sources: &mut [Source]) {
    let mut tests = Vec::new();
    for source in sources.iter().filter(|source| source.is_rust()) {
        let Some(folder) = Path::new(&source.path).parent() else {
            continue;
        };
        for after in source.text.split("#[cfg(test)]").skip(1) {
            let declared = after.trim_start().strip_prefix("mod ");
            if let Some((name, _)) = declared.and_then(|rest| rest.split_once(';'))
                && name.chars().all(|c| c.is_alphanumeric() || c == '_')
            {
                tests.push(
                    folder
                        .join(name)
                        .with_extension("rs")
                        .to_string_lossy()
                        .into_owned(),
                );
                tests.push(
                    folder
                        .join(name)
                        .join("mod.rs")
                        .to_string_lossy()
                        .into_owned(),
                );
            }
        }
    }
    for source in sources {
        source.is_test = tests.contains(&source.path);
    }
}

impl Source {
    fn is_rust(&self) -> bool {
        self.path.ends_with(".rs")
    }

    fn is_code(&self) -> bool {
        [".rs", ".ts", ".tsx", ".mjs", ".js", ".py"]
            .iter()
            .any(|end| self.path.ends_with(end))
    }

    /// Lines of code: without comments, each with its number.
    fn code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.text
            .lines()
            .enumerate()
            .map(|(index, line)| (index + 1, line))
            .filter(|(_, line)| !line.trim_start().starts_with("//"))
    }

    /// The first line of code that holds one of these words, as a fault.
    fn code_with(&self, words: &[String]) -> Option<String> {
        self.code()
            .find_map(|(number, line)| {
                words
                    .iter()
                    .find(|word| line.contains(*word))
                    .map(|word| (number, word))
            })
            .map(|(number, word)| format!("line {number} has `{word}`"))
    }
}

fn module_docs(source: &Source) -> Option<String> {
    let first = source.text.lines().find(|line| !line.starts_with("#!["))?;
    (source.is_rust() && !first.starts_with("//!")).then(|| "does not begin with `//!`".into())
}

fn length(source: &Source) -> Option<String> {
    let lines = source.text.lines().count();
    let is_generated = source.path.starts_with("client/web/src/protocol/");
    let explained = source
        .text
        .lines()
        .take_while(|line| line.starts_with("//"))
        .any(|line| line.contains(LENGTH_REASON));
    (source.is_code() && lines > FILE_LINES_MAX && !explained && !is_generated).then(|| {
        format!("{lines} lines; split it, or say \"{LENGTH_REASON}…\" in the comment at its top")
    })
}

fn unsafe_code(source: &Source) -> Option<String> {
    if !source.is_rust() || source.path.starts_with("engine/src/runtime/sys/") {
        return None;
    }
    // Spelled in two pieces, so that this file keeps its own rules.
    source.code_with(&[
        ["uns", "afe {"].concat(),
        ["uns", "afe fn"].concat(),
        ["uns", "afe impl"].concat(),
    ])
}

fn pure_half(source: &Source) -> Option<String> {
    if !source.path.starts_with("protocol/src/") || source.is_test {
        return None;
    }
    let before_tests = source.text.split("#[cfg(test)]").next().unwrap_or_default();
    let product = Source {
        path: source.path.clone(),
        text: before_tests.to_owned(),
        is_test: false,
    };
    let banned = [
        "std::net::Tcp",
        "std::net::Udp",
        "std::fs",
        "std::thread",
        "std::env::",
        "std::process",
        "std::time::Instant",
        "std::time::SystemTime",
    ];
    product.code_with(&banned.map(str::to_owned))
}

fn allow_attributes(source: &Source) -> Option<String> {
    if !source.is_rust() {
        return None;
    }
    source.code_with(&[["#[al", "low("].concat(), ["#![al", "low("].concat()])
}

fn left_to_do(source: &Source) -> Option<String> {
    let words = [
        ["TO", "DO"].concat(),
        ["FIX", "ME"].concat(),
        ["X", "XX"].concat(),
    ];
    source.text.lines().enumerate().find_map(|(index, line)| {
        let word = words.iter().find(|word| {
            line.split(|c: char| !c.is_alphanumeric())
                .any(|part| part == **word)
        })?;
        Some(format!("line {} has `{word}`", index + 1))
    })
}

fn machine_paths(source: &Source) -> Option<String> {
    let paths = [
        ["/wo", "rk/"].concat(),
        ["/ro", "ot/"].concat(),
        ["/ho", "me/"].concat(),
    ];
    source.text.lines().enumerate().find_map(|(index, line)| {
        // A path begins where no word or path goes on: `/assets/home/x` is no machine's.
        let path = paths.iter().find(|path| {
            line.match_indices(path.as_str()).any(|(at, _)| {
                !line[..at]
                    .chars()
                    .next_back()
                    .is_some_and(|c| c.is_alphanumeric() || "._-~}".contains(c))
            })
        })?;
        Some(format!("line {} has a path under `{path}`", index + 1))
    })
}

fn runtime_endpoints(source: &Source) -> Option<String> {
    if !source.path.starts_with("engine/src/runtime/") {
        return None;
    }
    let endpoints = [
        "\"/ping",
        "\"/download",
        "\"/upload",
        "\"/warmup",
        "\"/ws/",
        "\"/api/",
        "\"/health",
        "\"/metrics",
        "\"/virtual-household",
        "jake",
        "alex",
        "sarah",
    ];
    source.code_with(&endpoints.map(str::to_owned))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn source(path: &str, text: &str) -> Source {
        Source {
            path: path.into(),
            text: text.into(),
            is_test: false,
        }
    }

    #[test]
    fn a_module_without_its_docs_is_named() {
        assert!(module_docs(&source("a.rs", "use std::fs;\n")).is_some());
        assert!(module_docs(&source("a.rs", "//! What it owns.\n")).is_none());
        assert!(module_docs(&source("a.ts", "export {}\n")).is_none());
    }

    #[test]
    fn a_long_file_says_why_it_is_long() {
        let long = "const A: u8 = 0;\n".repeat(FILE_LINES_MAX + 1);
        let explained = format!("//! All states.\n//! {LENGTH_REASON}they are one table.\n{long}");
        assert!(length(&source("a.rs", &long)).is_some());
        assert!(length(&source("a.rs", &explained)).is_none());
    }

    #[test]
    fn a_comment_about_a_thing_is_not_the_thing() {
        let banned = ["uns", "afe {"].concat();
        assert!(unsafe_code(&source("engine/src/a.rs", &format!("    {banned}\n"))).is_some());
        assert!(unsafe_code(&source("engine/src/a.rs", &format!("// {banned}\n"))).is_none());
        assert!(unsafe_code(&source("engine/src/runtime/sys/a.rs", &banned)).is_none());
    }

    #[test]
    fn the_pure_half_may_read_files_in_its_tests() {
        let text = "//! Pure.\n#[cfg(test)]\nmod tests { use std::fs; }\n";
        assert!(pure_half(&source("protocol/src/a.rs", text)).is_none());
        assert!(pure_half(&source("protocol/src/a.rs", "use std::fs;\n")).is_some());
    }

    #[test]
    fn a_module_declared_for_tests_is_a_test() {
        let mut sources = [
            source(
                "protocol/src/a/mod.rs",
                "#[cfg(test)]\nmod golden;\nmod real;\n",
            ),
            source("protocol/src/a/golden.rs", "use std::fs;\n"),
            source("protocol/src/a/real.rs", "use std::fs;\n"),
        ];
        mark_tests(&mut sources);
        assert!(pure_half(&sources[1]).is_none());
        assert!(pure_half(&sources[2]).is_some());
    }

    #[test]
    fn a_machines_path_is_found_and_a_web_path_is_not() {
        let path = ["/ro", "ot/x"].concat();
        assert!(machine_paths(&source("a.md", &format!("see {path}\n"))).is_some());
        assert!(machine_paths(&source("a.md", &format!("see https://a{path}\n"))).is_none());
    }
}
