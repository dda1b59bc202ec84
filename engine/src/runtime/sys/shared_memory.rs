//! One memory segment that several processes map: plain atomics only, so that no process can be confused by
//! what another writes, nor by another's death in the middle of a write.
//!
//! Owns the memfd, its mapping and the proof (by macro) that every field is atomic. Knows nothing of what is in it.
#![expect(
    unsafe_code,
    reason = "mmap and the reference into it exist nowhere safer"
)]

use std::fs::File;
use std::io;
use std::marker::PhantomData;
use std::ops::Deref;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, AtomicU64};

/// Types made of atomics alone: every bit pattern is a value, and concurrent writes by other processes are
/// no data race.
///
/// # Safety
/// Every field must be `PlainAtomics` itself and the layout must be `repr(C)`. Use [`plain_atomics!`], which
/// checks both.
pub unsafe trait PlainAtomics: Sync {}

// SAFETY: an atomic integer takes every bit pattern.
unsafe impl PlainAtomics for AtomicU32 {}
// SAFETY: an atomic integer takes every bit pattern.
unsafe impl PlainAtomics for AtomicU64 {}
// SAFETY: an array has no bytes but its elements'.
unsafe impl<T: PlainAtomics, const N: usize> PlainAtomics for [T; N] {}

/// Declares a `repr(C)` struct whose fields are all checked to be [`PlainAtomics`], and makes it one.
macro_rules! plain_atomics {
    (
        $(#[$meta:meta])*
        $vis:vis struct $name:ident {
            $($(#[$field_meta:meta])* $field_vis:vis $field:ident : $ty:ty),* $(,)?
        }
    ) => {
        $(#[$meta])*
        #[repr(C)]
        $vis struct $name {
            $($(#[$field_meta])* $field_vis $field: $ty),*
        }

        const _: () = {
            const fn is_plain<T: $crate::runtime::sys::shared_memory::PlainAtomics>() {}
            $(is_plain::<$ty>();)*
        };

        #[expect(unsafe_code, reason = "the macro has checked every field just above")]
        // SAFETY: `repr(C)`, and every field is `PlainAtomics`.
        unsafe impl $crate::runtime::sys::shared_memory::PlainAtomics for $name {}
    };
}
pub(crate) use plain_atomics;

/// A `T` in a memfd, mapped `MAP_SHARED`: all processes that hold the descriptor see the same one.
#[derive(Debug)]
pub struct SharedMapping<T: PlainAtomics> {
    fd: OwnedFd,
    address: NonNull<T>,
    owns: PhantomData<T>,
}

// SAFETY: the mapping is process-wide and `T: Sync` is all that a `&T` needs.
unsafe impl<T: PlainAtomics> Send for SharedMapping<T> {}
// SAFETY: as above; the only access is by `&T`.
unsafe impl<T: PlainAtomics> Sync for SharedMapping<T> {}

impl<T: PlainAtomics> SharedMapping<T> {
    /// A new segment, all zero, closed on exec. Its size is sealed, so no holder can shrink it under another.
    ///
    /// # Errors
    /// What `memfd_create`, `ftruncate`, `fcntl` or `mmap` answer: no memory, or no descriptor left.
    pub fn create() -> io::Result<Self> {
        let file = memfd(c"bufferbloatd-scoreboard")?;
        file.set_len(size_of::<T>() as u64)?;
        let seals = libc::F_SEAL_SHRINK | libc::F_SEAL_GROW | libc::F_SEAL_SEAL;
        // SAFETY: F_ADD_SEALS takes an integer and touches no memory of ours.
        let answer = unsafe { libc::fcntl(file.as_raw_fd(), libc::F_ADD_SEALS, seals) };
        if answer < 0 {
            return Err(io::Error::last_os_error());
        }
        Self::open(OwnedFd::from(file))
    }

    /// Maps a segment that another process created.
    ///
    /// # Errors
    /// `InvalidData` when the segment is not exactly as large as `T` (another version's), else what `mmap` answers.
    pub fn open(fd: OwnedFd) -> io::Result<Self> {
        let file = File::from(fd);
        let length = file.metadata()?.len();
        if length != size_of::<T>() as u64 {
            return Err(io::Error::new(
                io::ErrorKind::InvalidData,
                format!(
                    "the shared segment has {length} bytes instead of {}: it belongs to another version",
                    size_of::<T>()
                ),
            ));
        }
        // SAFETY: a fresh mapping at an address of the kernel's choice disturbs no memory that exists.
        let address = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                size_of::<T>(),
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                file.as_raw_fd(),
                0,
            )
        };
        if address == libc::MAP_FAILED {
            return Err(io::Error::last_os_error());
        }
        let address = NonNull::new(address.cast::<T>())
            .ok_or_else(|| io::Error::other("the kernel mapped a segment at address zero"))?;
        // Pages are at least 4096-aligned; a stricter type could not be mapped like this.
        const { assert!(align_of::<T>() <= 4096) };
        Ok(Self {
            fd: OwnedFd::from(file),
            address,
            owns: PhantomData,
        })
    }

    /// The descriptor, to hand to a child.
    #[must_use]
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

impl<T: PlainAtomics> Deref for SharedMapping<T> {
    type Target = T;

    fn deref(&self) -> &T {
        // SAFETY: the mapping is `size_of::<T>()` bytes, page-aligned, sealed against shrinking and unmapped only
        // by drop; `PlainAtomics` makes every content a valid `T`.
        unsafe { self.address.as_ref() }
    }
}

impl<T: PlainAtomics> Drop for SharedMapping<T> {
    fn drop(&mut self) {
        // SAFETY: address and length are those of the mapping made in `open`; no reference outlives `self`.
        let answer = unsafe { libc::munmap(self.address.as_ptr().cast(), size_of::<T>()) };
        debug_assert_eq!(answer, 0);
    }
}

/// An anonymous file in memory, closed on exec, that may be sealed.
///
/// # Errors
/// No memory, or no descriptor left.
pub fn memfd(name: &std::ffi::CStr) -> io::Result<File> {
    // SAFETY: `name` is a C string that lives through the call.
    let fd =
        unsafe { libc::memfd_create(name.as_ptr(), libc::MFD_CLOEXEC | libc::MFD_ALLOW_SEALING) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just given us this descriptor and nobody else knows it.
    let fd = unsafe { OwnedFd::from_raw_fd(fd) };
    Ok(File::from(fd))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering::Relaxed;

    use super::*;

    plain_atomics! {
        #[derive(Debug)]
        struct Pair {
            left: AtomicU64,
            right: [AtomicU32; 3],
        }
    }

    plain_atomics! {
        #[derive(Debug)]
        struct Other {
            only: AtomicU64,
        }
    }

    #[test]
    fn two_mappings_of_one_descriptor_are_one_memory() {
        let first = SharedMapping::<Pair>::create().unwrap();
        let second = SharedMapping::<Pair>::open(first.fd().try_clone_to_owned().unwrap()).unwrap();
        first.left.store(7, Relaxed);
        second.right[2].store(9, Relaxed);
        assert_eq!(second.left.load(Relaxed), 7);
        assert_eq!(first.right[2].load(Relaxed), 9);
    }

    #[test]
    fn a_segment_of_another_size_is_refused() {
        let pair = SharedMapping::<Pair>::create().unwrap();
        let other = SharedMapping::<Other>::open(pair.fd().try_clone_to_owned().unwrap());
        assert_eq!(other.unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    #[test]
    fn a_segment_cannot_be_shrunk_under_its_readers() {
        let pair = SharedMapping::<Pair>::create().unwrap();
        let file = File::from(pair.fd().try_clone_to_owned().unwrap());
        assert!(file.set_len(0).is_err());
        assert_eq!(pair.left.load(Relaxed), 0);
    }
}
