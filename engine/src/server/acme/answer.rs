//! What the authority finds when it looks whether a name is the node's. Over HTTP every process answers by the scoreboard;
//! in handshakes by certificates that the supervisor hands round.

use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::time::Duration;

use rcgen::{CertificateParams, CustomExtension, KeyPair};

use super::fault::AcmeFault;
use crate::server::scoreboard::Scoreboard;
use crate::server::tls::ChallengeAnswer;

/// From the word to the supervisor until all processes answer: its look every 100 ms, and a notice to each.
const HANDED_ROUND: Duration = Duration::from_secs(1);
/// A line of answers is far shorter: sixteen names, some kilobytes each.
const LINE_BYTES_MAX: usize = 1024 * 1024;

/// The certificate that answers a TLS-ALPN-01 challenge (RFC 8737, section 3). `digest` is the SHA-256 of the key
/// authorization.
pub(super) fn in_handshakes(name: &str, digest: &[u8]) -> Result<ChallengeAnswer, AcmeFault> {
    let made = || {
        let mut params = CertificateParams::new(vec![name.to_owned()])?;
        params.custom_extensions = vec![CustomExtension::new_acme_identifier(digest)];
        let key = KeyPair::generate()?;
        let certificate = params.self_signed(&key)?;
        Ok(ChallengeAnswer {
            name: name.to_owned(),
            chain_pem: certificate.pem(),
            key_pem: key.serialize_pem(),
        })
    };
    made().map_err(|error: rcgen::Error| {
        AcmeFault::Local(format!("cannot make the answer for {name}: {error}"))
    })
}

/// The ACME process's end: what is answered now.
#[derive(Debug)]
pub(super) struct Answers {
    pub(super) scoreboard: Scoreboard,
    pub(super) supervisor: UnixStream,
}

impl Answers {
    /// Challenges over HTTP are answered from now on.
    pub(super) fn over_http(&self, thumbprint: &str) {
        self.scoreboard.acme().set_answering(Some(thumbprint));
    }

    /// These are answered in handshakes once this returns.
    pub(super) async fn in_handshakes(
        &mut self,
        answers: &[ChallengeAnswer],
    ) -> Result<(), AcmeFault> {
        self.tell(answers)?;
        tokio::time::sleep(HANDED_ROUND).await;
        Ok(())
    }

    /// Nothing is answered any more.
    pub(super) fn end(&mut self) {
        self.scoreboard.acme().set_answering(None);
        // Without a supervisor there is nobody who answers.
        let _ = self.tell(&[]);
    }

    fn tell(&mut self, answers: &[ChallengeAnswer]) -> Result<(), AcmeFault> {
        let mut line = serde_json::to_vec(answers).unwrap_or_default();
        line.push(b'\n');
        let written = self.supervisor.write_all(&line);
        written
            .map_err(|error| AcmeFault::Local(format!("the supervisor does not listen: {error}")))
    }
}

/// The supervisor's end: what the ACME process wants to be answered in handshakes.
#[derive(Debug)]
pub struct AnswersToSupervisor {
    socket: UnixStream,
    read: Vec<u8>,
}

impl AnswersToSupervisor {
    /// Over this end of the socket, which never blocks.
    ///
    /// # Errors
    /// What `fcntl` answers.
    pub fn new(socket: UnixStream) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        Ok(Self {
            socket,
            read: Vec::new(),
        })
    }

    /// The newest word, if there is a new one. An end, or nonsense, is none.
    pub fn poll(&mut self) -> Option<Vec<ChallengeAnswer>> {
        let mut buffer = [0; 16 * 1024];
        while let Ok(bytes) = self.socket.read(&mut buffer) {
            if bytes == 0 || self.read.len() > LINE_BYTES_MAX {
                break;
            }
            self.read.extend_from_slice(&buffer[..bytes]);
        }
        let end = self.read.iter().rposition(|byte| *byte == b'\n')?;
        let lines: Vec<u8> = self.read.drain(..=end).collect();
        let newest = lines[..end].rsplit(|byte| *byte == b'\n').next()?;
        serde_json::from_slice(newest).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::runtime::tls::Challenge;

    #[test]
    fn the_answer_in_a_handshake_is_one_that_the_loops_take() {
        let answer = in_handshakes("a.example", &[7; 32]).unwrap();
        let (chain, key) = (answer.chain_pem.as_bytes(), answer.key_pem.as_bytes());
        assert!(Challenge::new(answer.name, chain, key).is_ok());
    }

    #[test]
    fn the_supervisor_has_the_newest_word_however_it_comes() {
        let (mut theirs, ours) = UnixStream::pair().unwrap();
        let mut answers = AnswersToSupervisor::new(ours).unwrap();
        assert_eq!(answers.poll(), None);
        let one = vec![in_handshakes("a.example", &[7; 32]).unwrap()];
        let line = serde_json::to_vec(&one).unwrap();
        let (head, tail) = line.split_at(line.len() / 2);
        theirs.write_all(head).unwrap();
        assert_eq!(answers.poll(), None);
        theirs.write_all(tail).unwrap();
        theirs.write_all(b"\n").unwrap();
        assert_eq!(answers.poll(), Some(one));
        theirs.write_all(&line).unwrap();
        theirs.write_all(b"\n[]\n").unwrap();
        assert_eq!(answers.poll(), Some(Vec::new()));
        theirs.write_all(b"nonsense\n").unwrap();
        drop(theirs);
        assert_eq!(answers.poll(), None);
    }
}
