//! The status as text: a line for the node, its reasons if it has any, and a table of its roles that gives up columns
//! rather than break its lines.

use std::fmt::Write as _;
use std::time::SystemTime;

use anstyle::{AnsiColor, Style};
use protocol::message::node_status::{HealthStatus, ProcessHealth, RoleStats, ServiceState};

use super::{NodeStatus, certificate};

/// Between two columns.
const GAP: usize = 2;

/// One column of the table of roles.
struct Column {
    head: &'static str,
    /// Columns of higher rank go first when there is no room.
    rank: u8,
    is_number: bool,
    cell: fn(&NodeStatus, &RoleStats) -> String,
}

const COLUMNS: &[Column] = &[
    text("ROLE", 0, |_, role| role.role.clone()),
    number("PORT", 8, |_, role| role.port.to_string()),
    text("STATE", 0, |_, role| state_name(role.state).to_owned()),
    number("SESSIONS", 1, |_, role| role.figures.sessions.to_string()),
    number("CONNECTIONS", 9, |_, role| {
        role.figures.connections.to_string()
    }),
    number("FLOWS", 6, |_, role| {
        (role.figures.flows_down + role.figures.flows_up).to_string()
    }),
    number("DOWN Mbit/s", 4, |_, role| {
        format!("{:.1}", role.figures.down_mbps)
    }),
    number("UP Mbit/s", 5, |_, role| {
        format!("{:.1}", role.figures.up_mbps)
    }),
    number("LAG p99 ms", 2, |_, role| ms(role.figures.loop_lag_p99_us)),
    number("RESTARTS", 3, |status, role| {
        restarts(status, role).to_string()
    }),
];

const fn text(head: &'static str, rank: u8, cell: fn(&NodeStatus, &RoleStats) -> String) -> Column {
    Column {
        head,
        rank,
        is_number: false,
        cell,
    }
}

const fn number(
    head: &'static str,
    rank: u8,
    cell: fn(&NodeStatus, &RoleStats) -> String,
) -> Column {
    Column {
        is_number: true,
        ..text(head, rank, cell)
    }
}

/// How wide the terminal is, in characters; without one a line may be of any length.
pub(super) fn columns() -> usize {
    terminal_size::terminal_size().map_or(usize::MAX, |(width, _)| usize::from(width.0))
}

/// The whole text, with colours, in lines of at most `width` characters but for words that are longer.
pub(super) fn render(status: &NodeStatus, width: usize) -> String {
    let mut out = String::new();
    let health = &status.health;
    let style = health_style(health.status);
    let verdict = match health.status {
        HealthStatus::Ok => "ok",
        HealthStatus::Degraded => "degraded",
        HealthStatus::Down => "down",
    };
    let head = format!(
        "{} is {verdict}: version {}, up {}, {} running",
        status.url,
        health.version,
        duration(health.uptime_s),
        counted(u64::from(status.stats.tests), "test"),
    );
    let coloured = format!("is {style}{verdict}{style:#}:");
    let wrapped = wrap(&head, width, "  ");
    // Writing to a String cannot fail.
    let _ = writeln!(
        out,
        "{}",
        wrapped.replacen(&format!("is {verdict}:"), &coloured, 1)
    );
    for reason in &health.reasons {
        let _ = writeln!(out, "{}", wrap(&format!("- {reason}"), width, "  "));
    }
    if let Some(certificate) = &health.certificate {
        let line = certificate::line(certificate, SystemTime::now());
        let _ = writeln!(out, "{}", wrap(&line, width, "  "));
    }
    out.push('\n');
    table(&mut out, status, width);
    let troubled = |process: &&ProcessHealth| process.last_exit_reason.is_some();
    for process in status.processes.processes.iter().filter(troubled) {
        let reason = process.last_exit_reason.as_deref().unwrap_or_default();
        let times = counted(process.restarts, "time");
        let line = format!(
            "{} was started again {times}; last end: {reason}",
            process.process
        );
        let _ = write!(out, "\n{}", wrap(&line, width, "  "));
    }
    if !out.ends_with('\n') {
        out.push('\n');
    }
    out
}

fn table(out: &mut String, status: &NodeStatus, width: usize) {
    let roles = &status.stats.roles;
    let mut shown: Vec<(&Column, Vec<String>, usize)> = COLUMNS
        .iter()
        .map(|column| {
            let cells: Vec<String> = roles
                .iter()
                .map(|role| (column.cell)(status, role))
                .collect();
            let widest = cells.iter().map(|cell| cell.chars().count()).max();
            let wide = widest.unwrap_or(0).max(column.head.len());
            (column, cells, wide)
        })
        .collect();
    let needed = |shown: &[(&Column, Vec<String>, usize)]| {
        shown.iter().map(|(_, _, wide)| wide + GAP).sum::<usize>() - GAP
    };
    while needed(&shown) > width && shown.iter().any(|(column, ..)| column.rank > 0) {
        let last = shown.iter().map(|(column, ..)| column.rank).max();
        shown.retain(|(column, ..)| Some(column.rank) != last);
    }
    let bold = Style::new().bold();
    for row in 0..=roles.len() {
        let mut line = String::new();
        for (index, (column, cells, wide)) in shown.iter().enumerate() {
            let cell = match row.checked_sub(1) {
                None => column.head,
                Some(role) => cells[role].as_str(),
            };
            let style = match row.checked_sub(1) {
                None => bold,
                Some(role) if column.head == "STATE" => state_style(roles[role].state),
                Some(_) => Style::new(),
            };
            let padding = " ".repeat(wide - cell.chars().count());
            let gap = if index == 0 { "" } else { "  " };
            let (before, after) = if column.is_number {
                (padding.as_str(), "")
            } else {
                ("", padding.as_str())
            };
            let _ = write!(line, "{gap}{before}{style}{cell}{style:#}{after}");
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
}

/// Restarts of the processes that serve the role.
fn restarts(status: &NodeStatus, role: &RoleStats) -> u64 {
    let processes = status.processes.processes.iter();
    let own = processes.filter(|process| process.role == role.role);
    own.map(|process| process.restarts).sum()
}

fn ms(us: Option<u64>) -> String {
    us.map_or_else(|| "-".to_owned(), |us| format!("{:.2}", us as f64 / 1e3))
}

const fn state_name(state: ServiceState) -> &'static str {
    match state {
        ServiceState::Healthy => "healthy",
        ServiceState::Starting => "starting",
        ServiceState::Restarting => "restarting",
        ServiceState::Draining => "draining",
        ServiceState::Down => "down",
    }
}

const fn state_style(state: ServiceState) -> Style {
    match state {
        ServiceState::Healthy => colour(AnsiColor::Green),
        ServiceState::Starting | ServiceState::Restarting | ServiceState::Draining => {
            colour(AnsiColor::Yellow)
        }
        ServiceState::Down => colour(AnsiColor::Red),
    }
}

const fn health_style(status: HealthStatus) -> Style {
    match status {
        HealthStatus::Ok => colour(AnsiColor::Green),
        HealthStatus::Degraded => colour(AnsiColor::Yellow),
        HealthStatus::Down => colour(AnsiColor::Red),
    }
}

const fn colour(colour: AnsiColor) -> Style {
    Style::new().fg_color(Some(anstyle::Color::Ansi(colour)))
}

pub(super) fn counted(count: u64, noun: &str) -> String {
    match count {
        1 => format!("1 {noun}"),
        _ => format!("{count} {noun}s"),
    }
}

/// In the two largest units that say something.
pub(super) fn duration(seconds: u64) -> String {
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, _) => format!("{minutes} min {} s", seconds % 60),
        (0, _, _) => format!("{hours} h {minutes} min"),
        _ => format!("{days} d {hours} h"),
    }
}

/// Breaks at blanks; lines after the first begin with `indent`.
fn wrap(text: &str, width: usize, indent: &str) -> String {
    let mut out = String::new();
    let mut column = 0;
    for word in text.split(' ') {
        let length = word.chars().count();
        if column > 0 && column + 1 + length > width {
            out.push('\n');
            out.push_str(indent);
            column = indent.len();
        } else if column > 0 {
            out.push(' ');
            column += 1;
        }
        out.push_str(word);
        column += length;
    }
    out
}

#[cfg(test)]
mod tests {
    use protocol::message::node_status::{LoadFigures, NodeHealth, NodeStats, ProcessHealthReport};

    use super::*;

    fn role(name: &str, port: u16, state: ServiceState) -> RoleStats {
        RoleStats {
            role: name.to_owned(),
            port,
            state,
            processes: 1,
            figures: LoadFigures {
                sessions: 3,
                connections: 17,
                down_mbps: 1_234.56,
                loop_lag_p99_us: Some(150),
                ..LoadFigures::default()
            },
        }
    }

    fn process(name: &str, restarts: u64, exit: Option<&str>) -> ProcessHealth {
        ProcessHealth {
            process: name.to_owned(),
            role: name.split('/').next().unwrap().to_owned(),
            port: 8001,
            pid: None,
            state: ServiceState::Down,
            uptime_s: None,
            restarts,
            last_heartbeat_age_ms: None,
            last_exit_reason: exit.map(str::to_owned),
        }
    }

    fn status() -> NodeStatus {
        NodeStatus {
            url: "http://localhost:8000/".to_owned(),
            health: NodeHealth {
                status: HealthStatus::Degraded,
                version: "0.1.0".to_owned(),
                uptime_s: 3 * 3_600 + 60,
                reasons: vec!["process jake/2 is down after five failures in a minute".to_owned()],
                certificate: None,
            },
            stats: NodeStats {
                uptime_s: 0,
                tests: 1,
                total: LoadFigures::default(),
                roles: vec![
                    role("main", 8000, ServiceState::Healthy),
                    role("computer", 8004, ServiceState::Restarting),
                ],
                processes: Vec::new(),
                sessions_ended: std::collections::BTreeMap::new(),
                connections_closed: std::collections::BTreeMap::new(),
            },
            processes: ProcessHealthReport {
                multiprocess: true,
                processes: vec![
                    process("main", 0, None),
                    process("computer", 4, Some("killed by signal 9")),
                    process("computer/2", 1, Some("exited with code 1")),
                ],
            },
        }
    }

    fn plain(width: usize) -> String {
        anstream::adapter::strip_str(&render(&status(), width)).to_string()
    }

    #[test]
    fn a_wide_terminal_shows_everything() {
        let expected = "\
http://localhost:8000/ is degraded: version 0.1.0, up 3 h 1 min, 1 test running
- process jake/2 is down after five failures in a minute

ROLE      PORT  STATE       SESSIONS  CONNECTIONS  FLOWS  DOWN Mbit/s  UP Mbit/s  LAG p99 ms  RESTARTS
main      8000  healthy            3           17      0       1234.6        0.0        0.15         0
computer  8004  restarting         3           17      0       1234.6        0.0        0.15         5

computer was started again 4 times; last end: killed by signal 9
computer/2 was started again 1 time; last end: exited with code 1
";
        assert_eq!(plain(usize::MAX), expected);
    }

    #[test]
    fn a_narrow_terminal_loses_columns_and_breaks_no_line_of_the_table() {
        for width in [32, 40, 60, 80, 100] {
            let text = plain(width);
            assert!(
                text.lines().all(|line| line.chars().count() <= width),
                "{text}"
            );
            assert!(text.contains("computer  "), "{text}");
            assert!(text.contains("restarting"), "{text}");
        }
        assert!(plain(60).contains("LAG p99 ms"));
        assert!(!plain(40).contains("DOWN"));
    }

    #[test]
    fn states_are_coloured() {
        let text = render(&status(), 80);
        assert!(text.contains("\u{1b}[33mdegraded"), "{text:?}");
        assert!(text.contains("\u{1b}[32mhealthy"), "{text:?}");
    }

    #[test]
    fn a_duration_has_its_two_largest_units() {
        for (seconds, text) in [
            (5, "5 s"),
            (65, "1 min 5 s"),
            (3_725, "1 h 2 min"),
            (90_061, "1 d 1 h"),
        ] {
            assert_eq!(duration(seconds), text);
        }
    }
}
