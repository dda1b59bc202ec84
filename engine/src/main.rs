//! `bufferbloatd`, the node: the supervisor, or one of the processes that it starts.

use std::process::ExitCode;

use engine::server::cli;
use engine::server::supervisor::child;
use engine::server::supervisor::handover::HANDOVER_VARIABLE;

fn main() -> ExitCode {
    match std::env::var(HANDOVER_VARIABLE) {
        Ok(fd) => child::run(&fd),
        Err(_) => cli::run(std::env::args_os()),
    }
}
