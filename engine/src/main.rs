//! `bufferbloatd`, the node: the supervisor, or one of the processes that it starts.

use std::process::ExitCode;

use engine::server::supervisor::child;
use engine::server::supervisor::handover::HANDOVER_VARIABLE;
use engine::server::{acme, cli};

fn main() -> ExitCode {
    if let Ok(fd) = std::env::var(acme::HANDOVER_VARIABLE) {
        return acme::run(&fd);
    }
    match std::env::var(HANDOVER_VARIABLE) {
        Ok(fd) => child::run(&fd),
        Err(_) => cli::run(std::env::args_os()),
    }
}
