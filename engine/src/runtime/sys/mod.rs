//! System calls that no safe crate offers, each behind a safe function. The only place with `unsafe`: one
//! operation a block, with its reason.
#![expect(
    unsafe_code,
    reason = "this folder is where the kernel is called directly"
)]

pub mod bulk;
pub mod clock;
pub mod process;
pub mod receive;
pub mod shared_memory;
pub mod tcp;
pub mod timer;

use std::io;

/// Turns the C convention (−1 and `errno`) into a result.
fn check(result: i64) -> io::Result<usize> {
    usize::try_from(result).map_err(|_| io::Error::last_os_error())
}
