//! The log: lines on standard error, written by a thread of its own.
//!
//! A reader that stops reading must not stop an event loop: when the bounded queue is full, lines are dropped and
//! counted.

use std::io::{self, IsTerminal};

use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::Registry;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::fmt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::reload::{self, Handle};
use tracing_subscriber::util::SubscriberInitExt;

use super::config::{LogFormat, LogLevel};

/// Lines that may wait to be written.
const QUEUE_LINES_MAX: usize = 4096;

/// Keeps the log going; when it is dropped, what waits is written (for a second at most).
#[derive(Debug)]
pub struct Log {
    _writer: WorkerGuard,
    dropped: ErrorCounter,
    level: LogLevelHandle,
}

/// Changes what this process logs while it runs.
#[derive(Clone, Debug)]
pub struct LogLevelHandle(Handle<LevelFilter, Registry>);

impl LogLevelHandle {
    /// From now on.
    pub fn set(&self, level: LogLevel) {
        // It fails only when the log is gone, and with it whoever would read of the failure.
        let _ = self.0.modify(|current| *current = filter(level));
    }
}

impl Log {
    /// Lines that nobody will read, because the queue was full.
    #[must_use]
    pub fn dropped_lines(&self) -> usize {
        self.dropped.dropped_lines()
    }

    /// To change the level by.
    #[must_use]
    pub fn level(&self) -> LogLevelHandle {
        self.level.clone()
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
    let (level, handle) = reload::Layer::new(filter(level));
    let base = fmt::layer()
        .with_target(false)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(lines);
    let registry = tracing_subscriber::registry().with(level);
    // A test in this process may have one already; its log then stays.
    let _ = match format {
        LogFormat::Text => registry.with(base).try_init(),
        LogFormat::Json => registry.with(base.json().flatten_event(true)).try_init(),
    };
    Log {
        _writer: writer,
        dropped,
        level: LogLevelHandle(handle),
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
