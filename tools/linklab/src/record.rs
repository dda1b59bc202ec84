//! The record of a line: one row of true queueing delay each 100 ms and direction, as CSV.

use std::io::Write;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use protocol::time::Instant;

use crate::error::{Error, Result};
use crate::statistics::DirectionStatistics;

/// What a row covers.
pub(crate) const BIN: Duration = Duration::from_millis(100);
/// Rows that may wait to be written: some ten seconds' worth.
const ROWS_MAX: usize = 256;
/// The first line.
const COLUMNS: &str = "time_s,direction,packets,bytes,dropped_packets,lost_packets,backlog_bytes,\
    min_ms,mean_ms,p50_ms,p95_ms,p99_ms,max_ms";

/// What happened in one direction in the 100 ms before `end`.
pub(crate) struct Row {
    pub(crate) end: Instant,
    pub(crate) direction: &'static str,
    pub(crate) statistics: DirectionStatistics,
}

/// A record that is written as long as somebody holds its sender.
pub(crate) struct Record {
    thread: JoinHandle<std::io::Result<()>>,
}

impl Record {
    /// Starts a record that goes to `writer`.
    ///
    /// # Errors
    /// When the system refuses a thread.
    pub(crate) fn start(mut writer: impl Write + Send + 'static) -> Result<(Self, Sender<Row>)> {
        let (sender, receiver) = bounded(ROWS_MAX);
        let thread = std::thread::Builder::new()
            .name("linklab-record".into())
            .spawn(move || write_rows(&mut writer, &receiver))
            .map_err(|error| Error::refused("a thread", error))?;
        Ok((Self { thread }, sender))
    }

    /// Waits until all is written; every sender must be gone.
    ///
    /// # Errors
    /// When it could not be written.
    pub(crate) fn finish(self) -> Result<()> {
        match self.thread.join() {
            Ok(written) => written.map_err(|error| Error::refused("the record", error)),
            Err(_) => Err(Error::Ended),
        }
    }
}

fn write_rows(writer: &mut impl Write, rows: &Receiver<Row>) -> std::io::Result<()> {
    writeln!(writer, "{COLUMNS}")?;
    for row in rows {
        write_row(writer, &row)?;
        if rows.is_empty() {
            writer.flush()?;
        }
    }
    writer.flush()
}

fn write_row(writer: &mut impl Write, row: &Row) -> std::io::Result<()> {
    let statistics = &row.statistics;
    write!(
        writer,
        "{:.1},{},{},{},{},{},{}",
        row.end.as_micros() as f64 / 1e6,
        row.direction,
        statistics.packets,
        statistics.bytes,
        statistics.dropped_packets,
        statistics.lost_packets,
        statistics.backlog_bytes,
    )?;
    for delay_ms in [
        statistics.min_ms,
        statistics.mean_ms,
        statistics.p50_ms,
        statistics.p95_ms,
        statistics.p99_ms,
        statistics.max_ms,
    ] {
        match delay_ms {
            Some(delay_ms) => write!(writer, ",{delay_ms:.3}")?,
            None => write!(writer, ",")?,
        }
    }
    writeln!(writer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_a_field_for_each_column_and_none_for_what_was_not_seen() {
        let mut text = Vec::new();
        let (sender, rows) = bounded(2);
        for mean_ms in [Some(1.5), None] {
            let statistics = DirectionStatistics {
                packets: 3,
                mean_ms,
                ..DirectionStatistics::default()
            };
            let row = Row {
                end: Instant::from_micros(1_200_000),
                direction: "down",
                statistics,
            };
            sender.send(row).expect("room");
        }
        drop(sender);
        write_rows(&mut text, &rows).expect("memory");
        let text = String::from_utf8(text).expect("text");
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[1], "1.2,down,3,0,0,0,0,,1.500,,,,");
        assert_eq!(lines[2], "1.2,down,3,0,0,0,0,,,,,,");
        for line in lines {
            assert_eq!(line.split(',').count(), COLUMNS.split(',').count());
        }
    }
}
