//! The only place where `unsafe` may stand: system calls that no safe crate offers, one operation a block.

pub mod clock;
pub mod process;
pub mod shared_memory;
