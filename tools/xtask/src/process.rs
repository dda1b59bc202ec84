//! Running other programs: with their output shown or kept, a time limit, and no survivors.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::ending::{Ending, Ends};

/// How often a waiting chore looks whether a child has ended.
const POLL_INTERVAL: Duration = Duration::from_millis(20);

/// A child that leads its own process group; the whole group is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Group {
    /// The leader.
    pub(crate) child: Child,
    _ends: Ends,
}

impl Group {
    /// Starts `command` as the leader of a new group.
    ///
    /// # Errors
    /// Names the program that couldn't be started.
    pub(crate) fn spawn(command: &mut Command) -> Result<Self> {
        let program = command.get_program().to_string_lossy().into_owned();
        // The system says "no such file" for either.
        if let Some(folder) = command.get_current_dir().filter(|folder| !folder.is_dir()) {
            bail!(
                "{} is not there, so {program} can't run in it",
                folder.display()
            );
        }
        let child = command
            .process_group(0)
            .spawn()
            .with_context(|| format!("{program} could not be started"))?;
        let ends = Ending::ProcessGroup(child.id()).register();
        Ok(Self { child, _ends: ends })
    }

    /// Waits for the leader; `None` when it is still running after `limit`.
    ///
    /// # Errors
    /// When the operating system can't say.
    pub(crate) fn wait_for(&mut self, limit: Duration) -> Result<Option<ExitStatus>> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.child.try_wait()? {
                return Ok(Some(status));
            }
            if Instant::now() >= deadline {
                return Ok(None);
            }
            thread::sleep(POLL_INTERVAL);
        }
    }
}

/// What a program that ran to its end had printed.
#[derive(Debug)]
pub(crate) struct Finished {
    /// Whether it exited with 0 within its time.
    pub(crate) succeeded: bool,
    /// How it ended, in words.
    pub(crate) how: String,
    /// Standard output and standard error, as they came.
    pub(crate) output: String,
}

/// Runs `command`, passing what it prints on line by line and keeping it; kills its group after `limit`.
///
/// # Errors
/// When the program can't be started.
pub(crate) fn show(command: &mut Command, limit: Duration) -> Result<Finished> {
    let (reader, writer) = std::io::pipe().context("a pipe")?;
    command
        .stdin(Stdio::null())
        .stdout(writer.try_clone().context("a pipe")?)
        .stderr(writer);
    let mut group = Group::spawn(command)?;
    // The command holds the pipe's writing ends; without them here the reader sees the end.
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let (sender, lines) = mpsc::sync_channel::<Vec<u8>>(1024);
    thread::spawn(move || {
        let mut reader = BufReader::new(reader);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|n| n > 0) {
            if sender.send(std::mem::take(&mut line)).is_err() {
                return;
            }
        }
    });
    let deadline = Instant::now() + limit;
    let mut output = String::new();
    let mut timed_out = false;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        match lines.recv_timeout(left.min(POLL_INTERVAL)) {
            Ok(line) => {
                let text = String::from_utf8_lossy(&line);
                print!("{text}");
                output.push_str(&text);
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => break,
            // A grandchild may keep the pipe open after the leader has gone; the leader's end is what counts.
            Err(mpsc::RecvTimeoutError::Timeout) if group.child.try_wait()?.is_some() => break,
            Err(mpsc::RecvTimeoutError::Timeout) if left.is_zero() => {
                timed_out = true;
                break;
            }
            Err(mpsc::RecvTimeoutError::Timeout) => {}
        }
    }
    let left = deadline.saturating_duration_since(Instant::now());
    let status = if timed_out {
        None
    } else {
        group.wait_for(left)?
    };
    Ok(Finished {
        succeeded: status.is_some_and(|status| status.success()),
        how: match status {
            Some(status) => status.to_string(),
            None => format!("not finished after {} s, killed", limit.as_secs()),
        },
        output,
    })
}

/// What a program printed that nobody watched.
#[derive(Debug)]
pub(crate) struct Captured {
    /// How it ended; `None` when its time was over.
    pub(crate) status: Option<ExitStatus>,
    /// Its standard output.
    pub(crate) stdout: String,
    /// Its standard error.
    pub(crate) stderr: String,
}

/// Runs `command` silently; kills its group after `limit`.
///
/// # Errors
/// When the program can't be started.
pub(crate) fn capture(command: &mut Command, limit: Duration) -> Result<Captured> {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut group = Group::spawn(command)?;
    let stdout = collect(group.child.stdout.take());
    let stderr = collect(group.child.stderr.take());
    let status = group.wait_for(limit)?;
    // Ends the group, and with it every writer that would keep the collectors waiting.
    drop(group);
    Ok(Captured {
        status,
        stdout: stdout.join().unwrap_or_default(),
        stderr: stderr.join().unwrap_or_default(),
    })
}

/// Runs `command` silently and returns its standard output; kills its group after `limit`.
///
/// # Errors
/// Names the command, how it ended and what it said on standard error.
pub(crate) fn output(command: &mut Command, limit: Duration) -> Result<String> {
    let words = words(command);
    let captured = capture(command, limit)?;
    match captured.status {
        Some(status) if status.success() => Ok(captured.stdout),
        Some(status) => bail!(
            "`{words}`: {status}: {}{}",
            captured.stderr.trim(),
            captured.stdout.trim()
        ),
        None => bail!("`{words}`: not finished after {} s", limit.as_secs()),
    }
}

/// Runs `command` silently; see [`output`].
///
/// # Errors
/// As [`output`].
pub(crate) fn quiet(command: &mut Command) -> Result<()> {
    output(command, Duration::from_secs(60)).map(drop)
}

/// The command as one would type it.
#[must_use]
pub(crate) fn words(command: &Command) -> String {
    std::iter::once(command.get_program())
        .chain(command.get_args())
        .map(|word| word.to_string_lossy())
        .collect::<Vec<_>>()
        .join(" ")
}

/// Whether a program of this name is in `PATH`.
#[must_use]
pub(crate) fn is_installed(program: &str) -> bool {
    std::env::var_os("PATH").is_some_and(|path| {
        std::env::split_paths(&path)
            .chain(["/usr/sbin".into(), "/sbin".into()])
            .any(|folder| folder.join(program).is_file())
    })
}

fn collect(stream: Option<impl Read + Send + 'static>) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        if let Some(mut stream) = stream {
            // What came before an error is still worth showing.
            let _ = stream.read_to_end(&mut bytes);
        }
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_command_is_named_with_its_words_and_its_complaint() {
        let error = output(
            Command::new("sh").args(["-c", "echo no such line >&2; exit 3"]),
            Duration::from_secs(10),
        )
        .expect_err("exit 3");
        let text = error.to_string();
        assert!(
            text.contains("sh -c") && text.contains("no such line") && text.contains('3'),
            "{text}"
        );
    }

    #[test]
    fn a_program_that_does_not_exist_is_not_installed() {
        assert!(is_installed("sh"));
        assert!(!is_installed("no-program-has-this-name"));
    }
}
