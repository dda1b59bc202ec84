//! Children that inherit descriptors by number, die with their parent and can be told apart in `ps`.
//!
//! Owns the system calls around `fork` and `exec`. Knows nothing of roles, or of when to start one.
#![expect(
    unsafe_code,
    reason = "prctl, fcntl, kill and pre_exec exist nowhere safer"
)]

use std::ffi::{CString, OsStr};
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};

/// A child to be started: this same executable.
#[derive(Debug)]
pub struct ChildCommand<'a> {
    /// `argv[0]` and the rest, as `ps` shows them.
    pub arguments: &'a [String],
    /// Added to the environment.
    pub environment: &'a [(&'a str, String)],
    /// Taken out of it.
    pub removed: &'a [&'a str],
    /// Left open in the child, under the same numbers.
    pub inherited: &'a [BorrowedFd<'a>],
}

impl ChildCommand<'_> {
    /// Starts it: in a process group of its own (a terminal's Ctrl-C reaches the parent alone), without standard
    /// input, killed by the kernel when the calling **thread** ends.
    ///
    /// # Errors
    /// No process, memory or descriptor left.
    pub fn start(&self) -> io::Result<Child> {
        // The running image, even if the file was replaced or removed meanwhile.
        let mut command = Command::new("/proc/self/exe");
        if let Some((name, rest)) = self.arguments.split_first() {
            command.arg0(name).args(rest);
        }
        command
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .process_group(0);
        for name in self.removed {
            command.env_remove(name);
        }
        let inherited: Vec<RawFd> = self.inherited.iter().map(AsRawFd::as_raw_fd).collect();
        let parent = std::process::id();
        // SAFETY: the closure runs between fork and exec and makes async-signal-safe system calls only; the vector it
        // reads was allocated before the fork.
        unsafe {
            command.pre_exec(move || {
                die_with_parent(parent)?;
                for fd in &inherited {
                    set_descriptor_flags(*fd, 0)?;
                }
                Ok(())
            });
        }
        command.spawn()
    }
}

/// The kernel shall kill this process when its parent's starting thread ends, however it ends.
///
/// Set before and after `exec`: the kernel forgets it across the `exec` of a file with capabilities.
///
/// # Errors
/// `NotConnected` when `parent` has died already, else what `prctl` answers.
pub fn die_with_parent(parent: u32) -> io::Result<()> {
    let signal = libc::SIGKILL.cast_unsigned();
    // SAFETY: PR_SET_PDEATHSIG takes a signal's number and touches no memory.
    let answer = unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::c_ulong::from(signal)) };
    if answer != 0 {
        return Err(io::Error::last_os_error());
    }
    // The parent may have died before the call: then nobody will ever send the signal.
    if std::os::unix::process::parent_id() == parent {
        Ok(())
    } else {
        Err(io::Error::from(io::ErrorKind::NotConnected))
    }
}

/// Takes over a descriptor that the parent left open under this number, and closes it on exec again.
///
/// # Errors
/// The number names no open descriptor, or one of the standard streams.
pub fn inherited_descriptor(number: RawFd) -> io::Result<OwnedFd> {
    if number <= libc::STDERR_FILENO {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    set_descriptor_flags(number, libc::FD_CLOEXEC)?;
    // SAFETY: the descriptor is open (fcntl has just succeeded) and the parent left it to us alone.
    Ok(unsafe { OwnedFd::from_raw_fd(number) })
}

/// Sends a signal to one process. A process that is gone already is no error.
///
/// # Errors
/// No right to signal it.
pub fn send_signal(pid: u32, signal: i32) -> io::Result<()> {
    let pid = libc::pid_t::try_from(pid)
        .ok()
        .filter(|pid| *pid > 1)
        .ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    // SAFETY: kill takes two integers and touches no memory.
    let answer = unsafe { libc::kill(pid, signal) };
    if answer == 0 {
        return Ok(());
    }
    match io::Error::last_os_error() {
        error if error.raw_os_error() == Some(libc::ESRCH) => Ok(()),
        error => Err(error),
    }
}

/// Names the calling thread, as `top` and `ps -L` show it; 15 bytes are kept.
pub fn name_thread(name: &OsStr) {
    if let Ok(name) = CString::new(name.as_encoded_bytes()) {
        // SAFETY: PR_SET_NAME reads a C string that lives through the call. A failure changes a label only.
        unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr()) };
    }
}

/// Raises the soft limit of open descriptors to the hard one; the limit that is in force then.
///
/// # Errors
/// What `getrlimit` or `setrlimit` answer.
pub fn raise_descriptor_limit() -> io::Result<u64> {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: the kernel fills the structure that we own.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &raw mut limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    limit.rlim_cur = limit.rlim_max;
    // SAFETY: the kernel reads the structure that we own.
    if unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const limit) } != 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(limit.rlim_cur)
}

/// Sets the calling thread's scheduling priority, as `nice` counts; threads that it starts inherit it.
///
/// # Errors
/// `PermissionDenied` when it is raised without root or `CAP_SYS_NICE`.
pub fn set_thread_nice(nice: i8) -> io::Result<()> {
    // SAFETY: setpriority takes three integers and touches no memory; process 0 is the calling thread.
    let answer = unsafe { libc::setpriority(libc::PRIO_PROCESS, 0, i32::from(nice)) };
    if answer == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Leaves the descriptor open when this process executes another program.
///
/// # Errors
/// What `fcntl` answers.
pub fn keep_on_exec(fd: &impl AsRawFd) -> io::Result<()> {
    set_descriptor_flags(fd.as_raw_fd(), 0)
}

fn set_descriptor_flags(fd: RawFd, flags: i32) -> io::Result<()> {
    // SAFETY: F_SETFD takes an integer and touches no memory; a wrong number is answered by EBADF.
    let answer = unsafe { libc::fcntl(fd, libc::F_SETFD, flags) };
    if answer < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_is_not_open_is_refused() {
        assert!(inherited_descriptor(1_000_000).is_err());
        assert!(inherited_descriptor(2).is_err());
    }

    #[test]
    fn a_process_that_cannot_be_a_child_is_not_signalled() {
        assert!(send_signal(0, libc::SIGTERM).is_err());
        assert!(send_signal(1, libc::SIGTERM).is_err());
        assert!(send_signal(u32::MAX, libc::SIGTERM).is_err());
    }
}
