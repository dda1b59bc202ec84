//! Builds the page of `client/web` into `$OUT_DIR/page`, which `server::assets` embeds: the binary alone is the product.
//! npm runs only when the page's sources changed; `BUFFERBLOAT_PAGE_DIR` gives a prebuilt page instead.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Environment variable: a folder with a prebuilt page (an `index.html` and what it needs).
const PREBUILT: &str = "BUFFERBLOAT_PAGE_DIR";
/// What the page is built from, in `client/web`.
const SOURCES: [&str; 7] = [
    "src",
    "public",
    "index.html",
    "package.json",
    "package-lock.json",
    "tsconfig.json",
    "vite.config.ts",
];
const NPM_MISSING: &str = "npm was not found; install Node.js 20 or newer with npm, or set BUFFERBLOAT_PAGE_DIR to a prebuilt page";
/// Lines of npm's complaint that are shown when it fails; what went wrong stands at its beginning.
const FAILURE_LINES: usize = 12;

fn main() {
    println!("cargo::rerun-if-env-changed={PREBUILT}");
    if let Err(fault) = provide_page() {
        // One directive a line. Cargo shows these as its own errors and fails the build, without a dump of this script.
        for line in fault.lines() {
            println!("cargo::error={line}");
        }
    }
}

fn provide_page() -> Result<(), String> {
    let output = PathBuf::from(variable("OUT_DIR")?).join("page");
    match std::env::var_os(PREBUILT) {
        Some(prebuilt) => take_prebuilt(Path::new(&prebuilt), &output),
        None => build(&output),
    }
}

fn variable(name: &str) -> Result<String, String> {
    std::env::var(name).map_err(|_| format!("{name} is not set; this script is run by Cargo"))
}

fn take_prebuilt(prebuilt: &Path, output: &Path) -> Result<(), String> {
    println!("cargo::rerun-if-changed={}", prebuilt.display());
    if !prebuilt.join("index.html").is_file() {
        return Err(format!(
            "{PREBUILT}={}: there is no index.html in it; give the folder that `npm run build` made",
            prebuilt.display()
        ));
    }
    remove(output)?;
    copy_folder(prebuilt, output)
        .map_err(|fault| format!("{PREBUILT}={}: {fault}", prebuilt.display()))
}

fn build(output: &Path) -> Result<(), String> {
    let page = Path::new(&variable("CARGO_MANIFEST_DIR")?).join("../client/web");
    for source in SOURCES {
        println!("cargo::rerun-if-changed={}", page.join(source).display());
    }
    // Two builds (of two profiles, or an editor's beside a terminal's) share `node_modules`; the system drops the lock
    // with the process, however that ends.
    let lock = page.join(".build-lock");
    let _held = File::create(&lock)
        .and_then(|file| file.lock().map(|()| file))
        .map_err(|fault| format!("{}: {fault}", lock.display()))?;
    install(&page)?;
    remove(output)?;
    npm(
        &page,
        [
            OsStr::new("run"),
            OsStr::new("build"),
            OsStr::new("--"),
            OsStr::new("--outDir"),
            output.as_os_str(),
        ],
    )?;
    if output.join("index.html").is_file() {
        Ok(())
    } else {
        Err("npm run build ended without an error, but made no index.html".to_owned())
    }
}

/// Installs what the lock file names, unless that very lock file is installed already.
fn install(page: &Path) -> Result<(), String> {
    let wanted = page.join("package-lock.json");
    let installed = page.join("node_modules/.installed-lock.json");
    let wanted_lock =
        fs::read(&wanted).map_err(|fault| format!("{}: {fault}", wanted.display()))?;
    if fs::read(&installed).is_ok_and(|lock| lock == wanted_lock) {
        return Ok(());
    }
    npm(page, ["ci", "--no-audit", "--no-fund"].map(OsStr::new))?;
    fs::write(&installed, wanted_lock).map_err(|fault| format!("{}: {fault}", installed.display()))
}

fn npm<'a>(
    page: &Path,
    arguments: impl IntoIterator<Item = &'a OsStr> + Clone,
) -> Result<(), String> {
    let ran = Command::new(if cfg!(windows) { "npm.cmd" } else { "npm" })
        .args(arguments.clone())
        .current_dir(page)
        .output()
        .map_err(|fault| match fault.kind() {
            ErrorKind::NotFound => NPM_MISSING.to_owned(),
            _ => format!("npm could not be started: {fault}"),
        })?;
    if ran.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&ran.stderr);
    let lines = said.lines().filter(|line| !line.trim().is_empty());
    let beginning = lines.take(FAILURE_LINES).collect::<Vec<_>>().join("\n");
    let command = arguments
        .into_iter()
        .map(OsStr::to_string_lossy)
        .collect::<Vec<_>>()
        .join(" ");
    Err(format!(
        "npm {command}, in {}, failed:\n{beginning}",
        page.display()
    ))
}

fn remove(folder: &Path) -> Result<(), String> {
    match fs::remove_dir_all(folder) {
        Err(fault) if fault.kind() != ErrorKind::NotFound => {
            Err(format!("{}: {fault}", folder.display()))
        }
        _ => Ok(()),
    }
}

fn copy_folder(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_folder(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
