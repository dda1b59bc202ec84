//! Colours. Whether they reach the terminal is `anstream`'s to decide: not through a pipe, and not against `NO_COLOR`.

use anstyle::{AnsiColor, Style};
use protocol::message::report::Grade;

/// Bold.
pub(crate) fn emphasis(text: &str) -> String {
    styled(Style::new().bold(), text)
}

/// For what is said in passing.
pub(crate) fn dim(text: &str) -> String {
    styled(Style::new().dimmed(), text)
}

/// For what to be careful about.
pub(crate) fn warning(text: &str) -> String {
    styled(AnsiColor::Yellow.on_default(), text)
}

/// In the colour of a grade.
pub(crate) fn graded(grade: Grade, text: &str) -> String {
    let color = match grade {
        Grade::APlus | Grade::A => AnsiColor::Green,
        Grade::B | Grade::C => AnsiColor::Yellow,
        Grade::D | Grade::F => AnsiColor::Red,
    };
    styled(color.on_default().bold(), text)
}

fn styled(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}
