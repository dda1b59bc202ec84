//! Where things are: the workspace's root and what is built in it.

use std::path::{Path, PathBuf};

/// The workspace's root: the folder two above this crate's manifest.
#[must_use]
pub(crate) fn root() -> PathBuf {
    let crate_folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    crate_folder
        .ancestors()
        .nth(2)
        .unwrap_or(crate_folder)
        .to_path_buf()
}

/// Where cargo puts what it builds.
#[must_use]
pub(crate) fn target() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from)
}

/// The daemon as users get it.
#[must_use]
pub(crate) fn release_daemon() -> PathBuf {
    target().join("release/bufferbloatd")
}

/// The terminal client as users get it.
#[must_use]
pub(crate) fn release_client() -> PathBuf {
    target().join("release/bufferbloat")
}

/// A folder for the logs and leftovers of one step, made empty.
///
/// # Errors
/// When the folder can't be made.
pub(crate) fn scratch(name: &str) -> std::io::Result<PathBuf> {
    let folder = target().join("xtask").join(name);
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}
