//! The log: lines on standard error, written by a thread of its own.
//!
//! A reader that stops reading must not stop an event loop: when the bounded queue is full, lines are dropped and
//! counted. What is logged can be changed while the process runs.

pub mod counted;
pub mod test_end;

use std::io::{self, IsTerminal};
use std::sync::OnceLock;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use tracing_appender::non_blocking::{ErrorCounter, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, Registry, reload};

use super::config::{LogFormat, LogLevel};

/// Lines that may wait to be written.
const QUEUE_LINES_MAX: usize = 4096;

/// A process has one log, as it has one standard error.
static RUNNING: OnceLock<Running> = OnceLock::new();

/// What can be asked of the running log.
struct Running {
    filter: reload::Handle<LevelFilter, Registry>,
    level: AtomicU64,
    dropped: ErrorCounter,
    reported: AtomicU64,
}

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
    let (filter, handle) = reload::Layer::new(filter(level));
    let base = tracing_subscriber::fmt::layer()
        .with_target(false)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(lines);
    let layer = match format {
        LogFormat::Text => base.boxed(),
        LogFormat::Json => base.json().flatten_event(true).boxed(),
    };
    let is_ours = tracing_subscriber::registry()
        .with(filter)
        .with(layer)
        .try_init()
        .is_ok();
    // A test in this process may have one already; its log then stays.
    if is_ours {
        let _ = RUNNING.set(Running {
            filter: handle,
            level: AtomicU64::new(level.to_word()),
            dropped: dropped.clone(),
            reported: AtomicU64::new(0),
        });
    }
    Log {
        _writer: writer,
        dropped,
    }
}

/// From now on this process logs what `level` says. Cheap when that is so already.
pub fn set_level(level: LogLevel) {
    let Some(running) = RUNNING.get() else {
        return;
    };
    if running.level.swap(level.to_word(), Relaxed) != level.to_word() {
        // It fails only when the log is gone, with the process.
        let _ = running.filter.reload(filter(level));
    }
}

/// How many lines of this process were dropped that no earlier call has told.
#[must_use]
pub fn take_dropped_lines() -> u64 {
    RUNNING.get().map_or(0, |running| {
        let lines = running.dropped.dropped_lines() as u64;
        lines.saturating_sub(running.reported.fetch_max(lines, Relaxed))
    })
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
