//! Becoming an unprivileged user, where no service manager has seen to it: started as root, the node opens its sockets and
//! then gives root up for good, in all its processes.

use nix::sys::resource::{Resource, setrlimit};
use nix::unistd::{Uid, User, geteuid, initgroups, setresgid, setresuid};

/// Lets an unprivileged process raise its priority to nice −10: 20 minus it (getrlimit(2)).
const NICE_LIMIT: u64 = 30;

/// Whether this process may do everything.
pub(super) fn is_root() -> bool {
    geteuid().is_root()
}

/// Becomes the user of this name, with its groups. One that this process is already is no error: an upgrade starts as the
/// user that the node has become.
///
/// # Errors
/// No such user, root itself, or no right to become it: what to do about it, in words.
pub(super) fn become_user(name: &str) -> Result<(), String> {
    let refused = |reason: &str| format!("--user {name}: {reason}");
    let user = match User::from_name(name) {
        Ok(Some(user)) => user,
        Ok(None) => {
            return Err(refused(
                "there is no user of this name; make one with: useradd --system",
            ));
        }
        Err(error) => return Err(refused(error.desc())),
    };
    if user.uid.is_root() {
        return Err(refused("must be a user without rights, not root"));
    }
    if geteuid() == user.uid {
        return Ok(());
    }
    if !is_root() {
        return Err(refused(
            "only root can become another user; start it as root, or without --user",
        ));
    }
    // Probes go before load by this; without it they have the usual priority, which their processes tell.
    let _ = setrlimit(Resource::RLIMIT_NICE, NICE_LIMIT, NICE_LIMIT);
    let name = std::ffi::CString::new(name).map_err(|_| refused("is no user's name"))?;
    initgroups(&name, user.gid)
        .and_then(|()| setresgid(user.gid, user.gid, user.gid))
        .and_then(|()| setresuid(user.uid, user.uid, user.uid))
        .map_err(|error| refused(error.desc()))?;
    // There is no way back, or nothing was given up.
    if setresuid(Uid::from_raw(0), Uid::from_raw(0), Uid::from_raw(0)).is_ok() {
        return Err(refused("root could not be given up"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_cannot_be_become_is_told() {
        let absent = become_user("no-such-user").unwrap_err();
        assert!(
            absent.starts_with("--user no-such-user: there is no user of this name"),
            "{absent}"
        );
        let root = become_user("root").unwrap_err();
        assert_eq!(root, "--user root: must be a user without rights, not root");
    }
}
