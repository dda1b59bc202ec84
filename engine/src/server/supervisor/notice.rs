//! What the supervisor tells a running child: one way, over a socket of each child's own.
//!
//! A message is its length (four bytes, big-endian) and JSON. The supervisor never waits for a child that does not read:
//! what its socket has no room for is sent on at the next look.

use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use serde::{Deserialize, Serialize};

use crate::server::config::Config;
use crate::server::tls::HandedCredentials;

/// Bytes that may wait for one child: more than any few messages have. A child that lets them pile up is hung, and will
/// be killed for that.
const WAITING_BYTES_MAX: usize = 4 * 1024 * 1024;

/// One message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Notice {
    /// The configuration from now on.
    Config(Box<Config>),
    /// Handshakes are to use these from now on.
    Credentials(Box<HandedCredentials>),
}

/// The supervisor's end, and the child's as it is handed down.
///
/// # Errors
/// No descriptor left.
pub(super) fn channel() -> io::Result<(NoticeSender, OwnedFd)> {
    let (ours, childs) = UnixStream::pair()?;
    ours.set_nonblocking(true)?;
    let sender = NoticeSender {
        socket: ours,
        waiting: Vec::new(),
    };
    Ok((sender, OwnedFd::from(childs)))
}

/// The supervisor's end.
#[derive(Debug)]
pub(super) struct NoticeSender {
    socket: UnixStream,
    waiting: Vec<u8>,
}

impl NoticeSender {
    /// Puts it behind what waits already; [`NoticeSender::flush`] sends it.
    pub(super) fn push(&mut self, notice: &Notice) {
        // A notice is a tree of plain values.
        let text = serde_json::to_vec(notice).unwrap_or_default();
        if let Ok(length) = u32::try_from(text.len())
            && self.waiting.len() + text.len() <= WAITING_BYTES_MAX
        {
            self.waiting.extend(length.to_be_bytes());
            self.waiting.extend(text);
        }
    }

    /// Sends as much as the child has room for.
    ///
    /// # Errors
    /// The child's end is closed.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        let mut sent = 0;
        let flushed = loop {
            match self.socket.write(&self.waiting[sent..]) {
                Ok(0) => break Ok(()),
                Ok(bytes) => sent += bytes,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break Ok(()),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => break Err(error),
            }
        };
        self.waiting.drain(..sent);
        flushed
    }
}

/// The child's end.
#[derive(Debug)]
pub struct NoticeReader(UnixStream);

impl NoticeReader {
    /// The end that the supervisor handed down.
    #[must_use]
    pub fn new(end: OwnedFd) -> Self {
        Self(UnixStream::from(end))
    }

    /// Waits for the next notice; `None` when the supervisor is gone.
    ///
    /// # Errors
    /// What came is no notice: nothing after it can be understood.
    pub fn read(&mut self) -> io::Result<Option<Notice>> {
        let mut length = [0; 4];
        match self.0.read_exact(&mut length) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error),
        }
        let length = u32::from_be_bytes(length) as usize;
        if length > WAITING_BYTES_MAX {
            return Err(io::Error::from(io::ErrorKind::InvalidData));
        }
        let mut text = vec![0; length];
        self.0.read_exact(&mut text)?;
        Ok(Some(serde_json::from_slice(&text)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(name: &str) -> Notice {
        Notice::Config(Box::new(Config {
            node_name: name.to_owned(),
            ..Config::default()
        }))
    }

    #[test]
    fn a_child_that_does_not_read_blocks_nobody_and_gets_everything_later() {
        let (mut sender, end) = channel().unwrap();
        let mut pushed = 0;
        while sender.waiting.is_empty() {
            sender.push(&named(&pushed.to_string()));
            pushed += 1;
            sender.flush().unwrap();
        }
        let mut reader = NoticeReader::new(end);
        for number in 0..pushed {
            sender.flush().unwrap();
            assert_eq!(reader.read().unwrap(), Some(named(&number.to_string())));
        }
        drop(sender);
        assert_eq!(reader.read().unwrap(), None);
    }

    #[test]
    fn a_child_that_is_gone_is_told() {
        let (mut sender, end) = channel().unwrap();
        drop(end);
        sender.push(&named("x"));
        assert!(sender.flush().is_err());
    }
}
