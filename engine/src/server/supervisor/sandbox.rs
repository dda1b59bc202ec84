//! What a traffic process gives up once its sockets are open: files and new connections (Landlock), and every system call
//! that its loops have no use for (seccomp). Whoever takes such a process over can neither read a file, nor start a program,
//! nor connect to anybody.
//!
//! A kernel that lacks either leaves the process without it; that is told, and no reason not to serve.

use std::collections::BTreeMap;
use std::path::Path;

use landlock::{
    ABI, Access, AccessFs, AccessNet, Ruleset, RulesetAttr, RulesetCreatedAttr, RulesetStatus,
    Scope, path_beneath_rules,
};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
    SeccompRule,
};

/// The newest rules that are asked for; an older kernel enforces those that it knows.
const LANDLOCK_ABI: ABI = ABI::V6;

/// Takes every path, new connection and signal to others from the calling thread and those that it starts. To be called
/// before it starts any. What the kernel enforces of it.
///
/// # Errors
/// Why not, in words; the thread is as it was then.
pub(super) fn close_files() -> Result<RulesetStatus, String> {
    let restrict = || {
        Ruleset::default()
            .handle_access(AccessFs::from_all(LANDLOCK_ABI))?
            .handle_access(AccessNet::from_all(LANDLOCK_ABI))?
            .scope(Scope::from_all(LANDLOCK_ABI))?
            .create()?
            .restrict_self()
    };
    match restrict() {
        Ok(status) => Ok(status.ruleset),
        Err(error) => Err(error.to_string()),
    }
}

/// Takes from the calling thread, and those that it starts, all files but these and what is below them, listening, signals
/// to others, and every system call of [`FOREIGN`]. New connections stay. What is not there is left out.
///
/// # Errors
/// Why not all of it, in words.
pub(in crate::server) fn close_all_but(
    readable: &[&Path],
    writable: &[&Path],
) -> Result<(), String> {
    let files = || {
        let read = AccessFs::from_read(LANDLOCK_ABI);
        let all = AccessFs::from_all(LANDLOCK_ABI);
        Ruleset::default()
            .handle_access(all)?
            .handle_access(AccessNet::BindTcp)?
            .scope(Scope::from_all(LANDLOCK_ABI))?
            .create()?
            .add_rules(path_beneath_rules(readable, read & !AccessFs::Execute))?
            .add_rules(path_beneath_rules(writable, all & !AccessFs::Execute))?
            .restrict_self()
    };
    let files = match files() {
        Ok(status) if status.ruleset == RulesetStatus::FullyEnforced => Ok(()),
        Ok(status) => Err(format!("Landlock: {:?}", status.ruleset)),
        Err(error) => Err(format!("Landlock: {error}")),
    };
    let calls = without_foreign()
        .and_then(|program| seccompiler::apply_filter(&program))
        .map_err(|error: seccompiler::Error| format!("seccomp: {error}"));
    files.and(calls)
}

/// What a process that speaks with others and writes a few files never does. The libraries that look names up are the
/// system's own, and what they use beside it differs from one to the next: so this list says what is refused.
const FOREIGN: &[i64] = &[
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_ptrace,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pidfd_getfd,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_pivot_root,
    libc::SYS_chroot,
    libc::SYS_unshare,
    libc::SYS_setns,
    libc::SYS_init_module,
    libc::SYS_finit_module,
    libc::SYS_delete_module,
    libc::SYS_kexec_load,
    libc::SYS_reboot,
    libc::SYS_swapon,
    libc::SYS_swapoff,
    libc::SYS_bpf,
    libc::SYS_perf_event_open,
    libc::SYS_userfaultfd,
    libc::SYS_io_uring_setup,
    libc::SYS_keyctl,
    libc::SYS_add_key,
    libc::SYS_request_key,
];

fn without_foreign() -> Result<BpfProgram, seccompiler::Error> {
    let filter = SeccompFilter::new(
        FOREIGN.iter().map(|number| (*number, Vec::new())).collect(),
        SeccompAction::Allow,
        SeccompAction::Errno(libc::EPERM.cast_unsigned()),
        std::env::consts::ARCH.try_into()?,
    )?;
    Ok(filter.try_into()?)
}

/// Leaves all threads of the process only the system calls of [`ALLOWED`]; any other one fails with `EPERM`. To be called
/// when all threads have been started.
///
/// # Errors
/// Why not, in words; the process is as it was then.
pub(super) fn close_system_calls() -> Result<(), String> {
    let program = filter().map_err(|error| error.to_string())?;
    seccompiler::apply_filter_all_threads(&program).map_err(|error| error.to_string())
}

/// What loops that run, and a process that ends, use. Nothing here opens a file or a socket, or starts a thread or program.
const ALLOWED: &[i64] = &[
    // Sockets that are there, or come by accept.
    libc::SYS_accept4,
    libc::SYS_recvfrom,
    libc::SYS_recvmsg,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_sendfile,
    libc::SYS_shutdown,
    libc::SYS_getsockname,
    libc::SYS_getpeername,
    libc::SYS_getsockopt,
    libc::SYS_setsockopt,
    // Any descriptor that is open.
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_pread64,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_lseek,
    libc::SYS_close,
    libc::SYS_fcntl,
    libc::SYS_ioctl,
    libc::SYS_fstat,
    // Waiting.
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_epoll_wait,
    libc::SYS_ppoll,
    #[cfg(target_arch = "x86_64")]
    libc::SYS_poll,
    libc::SYS_timerfd_settime,
    libc::SYS_timerfd_gettime,
    libc::SYS_futex,
    libc::SYS_nanosleep,
    libc::SYS_clock_nanosleep,
    libc::SYS_restart_syscall,
    libc::SYS_sched_yield,
    // Time, randomness, who and where one is.
    libc::SYS_clock_gettime,
    libc::SYS_gettimeofday,
    libc::SYS_getrandom,
    libc::SYS_getpid,
    libc::SYS_gettid,
    libc::SYS_getcpu,
    libc::SYS_getrusage,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_setaffinity,
    // Memory; see `without_execution` for the rest.
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_madvise,
    libc::SYS_brk,
    libc::SYS_membarrier,
    // Signals to oneself, and ends.
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_sigaltstack,
    libc::SYS_tgkill,
    libc::SYS_set_robust_list,
    libc::SYS_rseq,
    libc::SYS_exit,
    libc::SYS_exit_group,
];

fn filter() -> Result<BpfProgram, seccompiler::Error> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        ALLOWED.iter().map(|number| (*number, Vec::new())).collect();
    for number in [libc::SYS_mmap, libc::SYS_mprotect] {
        rules.insert(number, vec![without_execution()?]);
    }
    rules.insert(libc::SYS_prctl, vec![only_naming()?]);
    let filter = SeccompFilter::new(
        rules,
        SeccompAction::Errno(libc::EPERM.cast_unsigned()),
        SeccompAction::Allow,
        std::env::consts::ARCH.try_into()?,
    )?;
    Ok(filter.try_into()?)
}

/// The third argument is the protection, of both calls.
fn without_execution() -> Result<SeccompRule, seccompiler::Error> {
    let execution = u64::from(libc::PROT_EXEC.cast_unsigned());
    let condition = SeccompCondition::new(
        2,
        SeccompCmpArgLen::Dword,
        SeccompCmpOp::MaskedEq(execution),
        0,
    )?;
    Ok(SeccompRule::new(vec![condition])?)
}

/// A thread that has just been started names itself.
fn only_naming() -> Result<SeccompRule, seccompiler::Error> {
    let name = u64::from(libc::PR_SET_NAME.cast_unsigned());
    let condition = SeccompCondition::new(0, SeccompCmpArgLen::Dword, SeccompCmpOp::Eq, name)?;
    Ok(SeccompRule::new(vec![condition])?)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{ErrorKind, Read, Write};
    use std::net::{TcpListener, TcpStream};

    use super::*;

    /// On a thread of its own: what it gives up it cannot get back.
    fn on_a_thread<T: Send + 'static>(act: impl FnOnce() -> T + Send + 'static) -> T {
        std::thread::spawn(act).join().unwrap()
    }

    #[test]
    fn a_process_without_files_reads_none_and_connects_to_nobody() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut open = TcpStream::connect(address).unwrap();
        let (mut accepted, _) = listener.accept().unwrap();
        let status = on_a_thread(move || {
            let status = close_files().unwrap();
            if status == RulesetStatus::NotEnforced {
                return status;
            }
            for path in ["/etc/passwd", "/proc/self/status", "/dev/null"] {
                let error = File::open(path).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{path}");
            }
            if status == RulesetStatus::FullyEnforced {
                let error = TcpStream::connect(address).unwrap_err();
                assert_eq!(error.kind(), ErrorKind::PermissionDenied);
            }
            // What is open goes on.
            open.write_all(b"x").unwrap();
            accepted.read_exact(&mut [0]).unwrap();
            status
        });
        if status == RulesetStatus::NotEnforced {
            println!("skipped: this kernel has no Landlock");
        }
    }

    #[test]
    fn a_process_that_keeps_a_folder_writes_there_and_nowhere_else_and_still_connects() {
        let folder = std::env::temp_dir().join(format!("sandbox-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let own = folder.clone();
        let closed = on_a_thread(move || {
            let closed = close_all_but(&[Path::new("/etc/hosts")], &[&own]);
            if closed.is_ok() {
                std::fs::write(own.join("a.new"), "x").unwrap();
                std::fs::rename(own.join("a.new"), own.join("a")).unwrap();
                File::open("/etc/hosts").unwrap();
                for path in ["/etc/passwd", "/proc/self/status"] {
                    let error = File::open(path).unwrap_err();
                    assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{path}");
                }
                let beside = own.with_extension("beside");
                assert!(std::fs::write(beside, "x").is_err());
                assert!(TcpListener::bind("127.0.0.1:0").is_err());
                assert!(std::process::Command::new("/bin/true").spawn().is_err());
                TcpStream::connect(address).unwrap();
            }
            closed
        });
        if let Err(reason) = closed {
            println!("skipped: {reason}");
        }
        std::fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn a_process_without_system_calls_serves_its_sockets_and_does_nothing_else() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let mut peer = TcpStream::connect(address).unwrap();
        let program = filter().unwrap();
        on_a_thread(move || {
            seccompiler::apply_filter(&program).unwrap();
            let (mut accepted, _) = listener.accept().unwrap();
            accepted.set_nonblocking(true).unwrap();
            accepted.write_all(b"served").unwrap();
            let memory = vec![1_u8; 8 << 20];
            assert_eq!(memory.last(), Some(&1));
            let refused = |error: std::io::Error| error.raw_os_error() == Some(libc::EPERM);
            assert!(File::open("/dev/null").is_err_and(refused));
            assert!(TcpListener::bind("127.0.0.1:0").is_err_and(refused));
            assert!(
                std::process::Command::new("/bin/true")
                    .spawn()
                    .is_err_and(refused)
            );
            assert!(std::thread::Builder::new().spawn(|| ()).is_err_and(refused));
        });
        let mut answer = String::new();
        peer.read_to_string(&mut answer).unwrap();
        assert_eq!(answer, "served");
    }
}
