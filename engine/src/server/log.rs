//! The log: lines on standard error, written by a thread of its own.
//!
//! A reader that stops reading must not stop an event loop: when the bounded queue is full, lines are dropped and
//! counted.

use std::io::{self, IsTerminal};

use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::LevelFilter;

use super::config::{LogFormat, LogLevel};

/// Lines that may wait to be written.
const QUEUE_LINES_MAX: usize = 4096;

/// Keeps the log going; when it is dropped, what waits is written (for a second at most).
#[derive(Debug)]
pub struct Log {
    _writer: WorkerGuard,
    dropped: ErrorCounter,
}

impl Log {
    /// Lines that nobody will read, because the queue was full.
    #[must_use]
    pub fn dropped_lines(&self) -> usize {
        self.dropped.dropped_lines()
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        let lines = self.dropped_lines();
        if lines > 0 {
            tracing::warn!(
                lines,
                "log lines were dropped: standard error was not read in time"
            );
        }
    }
}

/// Starts the log of this process.
#[must_use]
pub fn start(level: LogLevel, format: LogFormat) -> Log {
    let (lines, writer) = NonBlockingBuilder::default()
        .buffered_lines_limit(QUEUE_LINES_MAX)
        .lossy(true)
        .thread_name("log")
        .finish(io::stderr());
    let dropped = lines.error_counter();
    let base = tracing_subscriber::fmt()
        .with_max_level(filter(level))
        .with_target(false)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(lines);
    // A test in this process may have one already; its log then stays.
    let _ = match format {
        LogFormat::Text => base.try_init(),
        LogFormat::Json => base.json().flatten_event(true).try_init(),
    };
    Log {
        _writer: writer,
        dropped,
    }
}

const fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}
