//! The table at the end of a run.

use std::fmt::Write as _;
use std::time::Duration;

use super::count::Counts;

/// One step's result.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) counts: Counts,
    pub(crate) elapsed: Duration,
}

/// The rows as aligned text, the failed ones marked.
#[must_use]
pub(crate) fn render(rows: &[Row]) -> String {
    let mut text = String::from("step            passed  failed  skipped    time\n");
    for row in rows {
        let mark = if row.counts.failed > 0 {
            "  FAILED"
        } else {
            ""
        };
        // Writing to a String cannot fail.
        let _ = writeln!(
            text,
            "{:14} {:7} {:7} {:8} {:6.1}s{mark}",
            row.name,
            row.counts.passed,
            row.counts.failed,
            row.counts.skipped,
            row.elapsed.as_secs_f64()
        );
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_step_is_marked() {
        let text = render(&[
            Row {
                name: "good",
                counts: Counts::pass(),
                elapsed: Duration::from_millis(1500),
            },
            Row {
                name: "bad",
                counts: Counts::failure(),
                elapsed: Duration::ZERO,
            },
        ]);
        let lines: Vec<&str> = text.lines().collect();
        assert!(lines[1].starts_with("good") && lines[1].ends_with("1.5s"));
        assert!(lines[2].starts_with("bad") && lines[2].ends_with("FAILED"));
    }
}
