//! A child's side: it takes over the credentials at its start, and again whenever the scoreboard tells of newer ones.

use std::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use super::sheet::SheetReader;
use crate::runtime::tls::{Acceptor, MinVersion};
use crate::server::scoreboard::Scoreboard;

/// See the module. One for a process; polled a few times a second by a thread that moves no bytes.
#[derive(Debug)]
pub struct Follower {
    sheet: SheetReader,
    scoreboard: Scoreboard,
    acceptor: Arc<Acceptor>,
    generation: u64,
}

impl Follower {
    /// Takes over what is in force. `protocols` are those that are spoken, the best first.
    ///
    /// # Errors
    /// The sheet holds nothing of use, which the supervisor checked before it wrote it.
    pub fn open(
        sheet: OwnedFd,
        scoreboard: Scoreboard,
        min_version: MinVersion,
        protocols: &[&[u8]],
    ) -> io::Result<Self> {
        let sheet = SheetReader::new(sheet);
        // The supervisor may be writing the next one just now.
        for _ in 0..100 {
            let generation = scoreboard.tls().generation();
            if let Some(content) = sheet.read(generation)? {
                let credentials = content.credentials().map_err(io::Error::other)?;
                let acceptor = Acceptor::new(min_version, protocols, credentials)
                    .map_err(io::Error::other)?;
                return Ok(Self {
                    sheet,
                    scoreboard,
                    acceptor: Arc::new(acceptor),
                    generation,
                });
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "the supervisor's credentials cannot be read",
        ))
    }

    /// What the process's loops make handshakes with.
    #[must_use]
    pub fn acceptor(&self) -> Arc<Acceptor> {
        Arc::clone(&self.acceptor)
    }

    /// Takes over newer credentials, if there are any.
    pub fn poll(&mut self) {
        let generation = self.scoreboard.tls().generation();
        if generation == self.generation {
            return;
        }
        match self.sheet.read(generation) {
            Ok(Some(content)) => match content.credentials() {
                Ok(credentials) => {
                    self.generation = generation;
                    self.acceptor.replace(credentials);
                    tracing::debug!(generation, "uses new credentials");
                }
                Err(fault) => {
                    // The supervisor checked it; it is not looked at again.
                    self.generation = generation;
                    tracing::error!(generation, reason = %fault, "credentials not taken over");
                }
            },
            // Overtaken by the next one.
            Ok(None) => {}
            Err(error) => {
                tracing::error!(generation, reason = %error, "credentials cannot be read");
            }
        }
    }
}
