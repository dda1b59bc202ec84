//! The report as JSON: the shape that the node gives to the page, and `partial` where it is not a whole one.

use client::outcome::{Outcome, Partial};
use protocol::message::report::Report;
use serde::Serialize;

use super::words;

#[derive(Serialize)]
struct Shown<'a> {
    #[serde(flatten)]
    report: &'a Report,
    #[serde(skip_serializing_if = "Option::is_none")]
    partial: Option<PartialShown>,
}

#[derive(Serialize)]
struct PartialShown {
    code: &'static str,
    message: String,
}

/// The report; over many lines for people, or on one for programs that read a test a line.
///
/// # Errors
/// None that a report can cause.
pub(crate) fn text(outcome: &Outcome, is_pretty: bool) -> serde_json::Result<String> {
    let shown = Shown {
        report: &outcome.report,
        partial: outcome.partial.as_ref().map(|partial| PartialShown {
            code: match partial {
                Partial::Interrupted => "interrupted",
                Partial::NodeLost(_) => "node_lost",
                Partial::NoReport(_) => "no_report",
            },
            message: words::partial(partial),
        }),
    };
    let text = if is_pretty {
        serde_json::to_string_pretty(&shown)?
    } else {
        serde_json::to_string(&shown)?
    };
    Ok(text + "\n")
}
