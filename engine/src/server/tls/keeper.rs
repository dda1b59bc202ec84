//! The supervisor's side: it reads the certificate, watches its files, and makes and replaces the keys of session tickets.
//! What cannot be used never replaces what can.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use protocol::time::Instant;

use super::handed::{ChallengeAnswer, HandedCredentials, HandedTickets};
use super::pair::{CertificateFault, Pair};
use crate::runtime::tls::TICKET_KEY_BYTES;
use crate::server::config::TlsFiles;
use crate::server::scoreboard::{CertificateSource, Scoreboard};

/// How often the files are looked at. Two looks that agree make a change: key and certificate are rarely replaced at once.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How long a ticket key seals new tickets. A ticket is good for half a day, so the two keys before it are kept.
const TICKET_KEY_LIFETIME: Duration = Duration::from_secs(6 * 3600);
const TICKET_KEYS: usize = 3;

/// See the module.
#[derive(Debug)]
pub struct Keeper {
    files: TlsFiles,
    /// Who writes the files.
    source: CertificateSource,
    /// What the certificate should be for, as far as that is known.
    names: Vec<String>,
    pair: Pair,
    /// Whether it is one that the node made for itself.
    is_temporary: bool,
    challenges: Vec<ChallengeAnswer>,
    ticket_keys: Vec<Vec<u8>>,
    ticket_key_made_at: Instant,
    has_news: bool,
    looked_at: Instant,
    /// The files' state when they were last read, and when they were last looked at.
    read: FileState,
    seen: FileState,
}

/// What changes when a file is replaced or written, of the key and of the certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileState([Option<(u64, u64, i64, i64)>; 2]);

impl FileState {
    fn of(files: &TlsFiles) -> Self {
        Self([&files.key, &files.certificate].map(|path| {
            // A link is followed: certbot replaces the link.
            let file = std::fs::metadata(path).ok()?;
            Some((file.ino(), file.len(), file.mtime(), file.mtime_nsec()))
        }))
    }
}

impl Keeper {
    /// Begins with the pair of these files, which `source` writes. `names` is what it should be for, if that is known.
    ///
    /// # Errors
    /// In words: what is wrong with the files, or that the system has no randomness.
    pub fn of_files(
        now: Instant,
        files: TlsFiles,
        source: CertificateSource,
        names: &[String],
        scoreboard: &Scoreboard,
    ) -> Result<Self, String> {
        let read = FileState::of(&files);
        let pair = Pair::read(&files, SystemTime::now()).map_err(|fault| fault.to_string())?;
        let mut keeper = Self::new(now, pair, files, source, read)?;
        keeper.names = names.to_vec();
        keeper.note_installed(source, scoreboard);
        Ok(keeper)
    }

    /// Begins with a pair that the node made for itself, until `source` writes these files.
    ///
    /// # Errors
    /// In words: that the system has no randomness.
    pub fn until_files(
        now: Instant,
        temporary: Pair,
        files: TlsFiles,
        source: CertificateSource,
        names: &[String],
        scoreboard: &Scoreboard,
    ) -> Result<Self, String> {
        let read = FileState::of(&files);
        let mut keeper = Self::new(now, temporary, files, source, read)?;
        keeper.names = names.to_vec();
        keeper.is_temporary = true;
        keeper.note_installed(CertificateSource::Temporary, scoreboard);
        Ok(keeper)
    }

    fn new(
        now: Instant,
        pair: Pair,
        files: TlsFiles,
        source: CertificateSource,
        read: FileState,
    ) -> Result<Self, String> {
        let ticket_key = new_ticket_key()
            .map_err(|error| format!("cannot make a key for session tickets: {error}"))?;
        Ok(Self {
            files,
            source,
            names: Vec::new(),
            pair,
            is_temporary: false,
            challenges: Vec::new(),
            ticket_keys: vec![ticket_key],
            ticket_key_made_at: now,
            has_news: false,
            looked_at: now,
            read,
            seen: read,
        })
    }

    /// What a child starts with.
    #[must_use]
    pub fn handed(&self) -> HandedCredentials {
        HandedCredentials {
            chain_pem: self.pair.chain_pem.clone(),
            key_pem: self.pair.key_pem.clone(),
            challenges: self.challenges.clone(),
            ticket_keys: self.ticket_keys.clone(),
        }
    }

    /// What the node's next version goes on with.
    #[must_use]
    pub fn tickets(&self) -> HandedTickets {
        HandedTickets {
            keys: self.ticket_keys.clone(),
            made_at_ns: self.ticket_key_made_at.as_nanos(),
        }
    }

    /// Goes on with the keys of the version before, if they are ones. To be called before any child is started.
    pub fn take_over_tickets(&mut self, now: Instant, tickets: HandedTickets) {
        let mut keys = tickets.keys;
        keys.retain(|key| key.len() == TICKET_KEY_BYTES);
        keys.truncate(TICKET_KEYS);
        if !keys.is_empty() {
            self.ticket_keys = keys;
            self.ticket_key_made_at = now.min(Instant::from_nanos(tickets.made_at_ns));
        }
    }

    /// What the children that run have to be told, once.
    pub fn take_news(&mut self) -> Option<HandedCredentials> {
        std::mem::take(&mut self.has_news).then(|| self.handed())
    }

    /// The certificate in force.
    #[must_use]
    pub const fn pair(&self) -> &Pair {
        &self.pair
    }

    /// Looks whether the files have changed, and whether the ticket key is old.
    pub fn poll(&mut self, now: Instant, scoreboard: &Scoreboard) {
        if now - self.looked_at < LOOK_EVERY {
            return;
        }
        self.looked_at = now;
        if now - self.ticket_key_made_at >= TICKET_KEY_LIFETIME {
            self.replace_ticket_key(now);
        }
        let state = FileState::of(&self.files);
        let is_settled = state == self.seen;
        self.seen = state;
        if is_settled && state != self.read {
            self.reload(scoreboard);
        } else if self.is_temporary
            && let Ok(pair) = Pair::read(&self.files, SystemTime::now())
        {
            // The files are as they were: what was wrong with them was this machine's clock.
            self.replace_pair(pair, scoreboard);
        }
    }

    /// The operator named these files, and wants them read.
    pub fn reload_files(&mut self, files: TlsFiles, scoreboard: &Scoreboard) {
        self.files = files;
        self.reload(scoreboard);
    }

    /// From now on these answer an authority's challenges on every TLS port; none ends it.
    pub fn set_challenges(&mut self, challenges: Vec<ChallengeAnswer>) {
        self.challenges = challenges;
        self.has_news = true;
    }

    fn reload(&mut self, scoreboard: &Scoreboard) {
        self.read = FileState::of(&self.files);
        self.seen = self.read;
        match Pair::read(&self.files, SystemTime::now()) {
            Ok(pair) if pair == self.pair => {
                scoreboard.tls().clear_fault();
                tracing::info!("certificate read again: nothing changed");
            }
            Ok(pair) => self.replace_pair(pair, scoreboard),
            Err(fault) => self.note_fault(&fault, scoreboard),
        }
    }

    fn replace_pair(&mut self, pair: Pair, scoreboard: &Scoreboard) {
        self.pair = pair;
        self.is_temporary = false;
        self.has_news = true;
        self.note_installed(self.source, scoreboard);
        tracing::info!(
            names = self.pair.names.join(", "),
            days_left = days_left(self.pair.not_after_unix_s),
            "certificate replaced"
        );
    }

    fn note_installed(&self, source: CertificateSource, scoreboard: &Scoreboard) {
        let unix_s = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_secs());
        scoreboard
            .tls()
            .set_installed(unix_s, self.pair.not_after_unix_s, source);
        let missing = self.names.iter().map(String::as_str);
        let missing = missing.filter(|name| !self.pair.names.iter().any(|has| has == name));
        let missing: Vec<&str> = missing.collect();
        scoreboard.tls().set_missing_names(&missing.join(", "));
    }

    fn note_fault(&self, fault: &CertificateFault, scoreboard: &Scoreboard) {
        scoreboard.tls().set_failed(&fault.to_string());
        tracing::error!(
            reason = %fault,
            days_left = days_left(self.pair.not_after_unix_s),
            "new certificate cannot be used: the old one is kept"
        );
    }

    fn replace_ticket_key(&mut self, now: Instant) {
        match new_ticket_key() {
            Ok(key) => {
                self.ticket_keys.insert(0, key);
                self.ticket_keys.truncate(TICKET_KEYS);
                self.ticket_key_made_at = now;
                self.has_news = true;
            }
            Err(error) => tracing::error!(reason = %error, "ticket key not replaced"),
        }
    }
}

fn new_ticket_key() -> io::Result<Vec<u8>> {
    let mut key = vec![0; TICKET_KEY_BYTES];
    getrandom::fill(&mut key)?;
    Ok(key)
}

fn days_left(not_after_unix_s: u64) -> u64 {
    let until = UNIX_EPOCH + Duration::from_secs(not_after_unix_s);
    until
        .duration_since(SystemTime::now())
        .map_or(0, |left| left.as_secs() / 86_400)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::test_certificate;

    fn keeper(now: Instant) -> Keeper {
        let (chain, key) = test_certificate::self_signed(&["a.example".to_owned()]).unwrap();
        let pair = Pair::check(chain, key, SystemTime::now()).unwrap();
        let nowhere = || "/nowhere.pem".into();
        let files = TlsFiles {
            certificate: nowhere(),
            key: nowhere(),
        };
        let read = FileState::of(&files);
        Keeper::new(now, pair, files, CertificateSource::Files, read).unwrap()
    }

    #[test]
    fn a_next_version_goes_on_with_the_ticket_keys_and_replaces_them_in_their_time() {
        let board = Scoreboard::create(Instant::from_micros(1), 0).unwrap();
        let made = Instant::from_micros(1) + Duration::from_secs(100);
        let before = keeper(made);
        let begun = made + (TICKET_KEY_LIFETIME - Duration::from_secs(10));
        let mut next = keeper(begun);
        assert_ne!(next.ticket_keys, before.ticket_keys);
        next.take_over_tickets(begun, before.tickets());
        assert_eq!(next.ticket_keys, before.ticket_keys);
        next.poll(begun + Duration::from_secs(9), &board);
        assert_eq!(next.ticket_keys, before.ticket_keys);
        next.poll(begun + Duration::from_secs(11), &board);
        assert_eq!(next.ticket_keys.len(), 2);
        assert_eq!(next.ticket_keys[1], before.ticket_keys[0]);
    }

    #[test]
    fn what_is_no_ticket_key_is_not_taken_over() {
        let now = Instant::from_micros(1);
        let mut next = keeper(now);
        let own = next.ticket_keys.clone();
        let rubbish = HandedTickets {
            keys: vec![vec![1, 2, 3]],
            made_at_ns: u64::MAX,
        };
        next.take_over_tickets(now, rubbish);
        assert_eq!(next.ticket_keys, own);
    }
}
