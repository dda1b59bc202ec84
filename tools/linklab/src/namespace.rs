//! Network namespaces: made, entered, used by commands, and removed however the program ends.

use std::fs::File;
use std::process::Command;
use std::thread;

use rustix::fd::AsFd;
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::ending::{self, Ending, Ends};
use crate::error::{Error, Result};

/// Begins the name of every namespace of this crate; the maker's process id follows.
pub(crate) const PREFIX: &str = "linklab-";

/// A namespace that exists until it is dropped.
#[derive(Debug)]
pub(crate) struct Namespace {
    name: String,
    _ends: Ends,
}

impl Namespace {
    /// Makes the namespace of one end of this process's line of that number.
    ///
    /// # Errors
    /// When the system refuses.
    pub(crate) fn create(number: u32, end: &str) -> Result<Self> {
        let name = format!("{PREFIX}{}-{number}-{end}", std::process::id());
        // First its end, then its making: a signal between the two must find it.
        let ends = Ending::Namespace(name.clone()).register();
        run(Command::new("ip").args(["netns", "add", &name])).map_err(|error| {
            Error::refused(
                "a network namespace could not be made (it needs root and a kernel with namespaces)",
                error,
            )
        })?;
        let namespace = Self { name, _ends: ends };
        namespace.ip("link set lo up")?;
        Ok(namespace)
    }

    /// A command that runs inside.
    pub(crate) fn command(&self, program: &str) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.name, program]);
        command
    }

    /// Runs `ip` with these words for the namespace.
    ///
    /// # Errors
    /// With the command and its complaint.
    pub(crate) fn ip(&self, words: &str) -> Result<()> {
        run(Command::new("ip")
            .args(["-n", &self.name])
            .args(words.split_whitespace()))
    }

    /// Calls `work` on a thread that is inside; sockets and devices that it opens stay there.
    ///
    /// # Errors
    /// When the namespace can't be entered.
    pub(crate) fn enter<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T> {
        let path = format!("/run/netns/{}", self.name);
        let link = File::open(&path).map_err(|error| Error::refused(&path, error))?;
        let entered = thread::scope(|scope| {
            scope
                .spawn(move || {
                    move_into_link_name_space(link.as_fd(), Some(LinkNameSpaceType::Network))
                        .map(|()| work())
                })
                .join()
        });
        match entered {
            Ok(result) => result.map_err(|error| Error::refused(&path, error)),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    }
}

/// Why namespaces can't be made here; `None` when they can.
pub(crate) fn obstacle() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("network namespaces need root; run it with sudo".into());
    }
    let name = format!("{PREFIX}{}-try", std::process::id());
    let tried = run(Command::new("ip").args(["netns", "add", &name]));
    ending::remove_namespace(&name);
    tried
        .err()
        .map(|error| format!("this machine refuses network namespaces: {error}"))
}

/// Runs a command to its end without showing what it prints.
///
/// # Errors
/// With the command's words and what it complained of.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let words = std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ");
    let output = command
        .output()
        .map_err(|error| Error::refused(&format!("`{words}`"), error))?;
    if output.status.success() {
        return Ok(());
    }
    let complaint = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Error::refused(
        &format!("`{words}`, {}", output.status),
        complaint,
    ))
}
