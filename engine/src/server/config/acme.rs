//! Certificates that the node gets by itself: for which names, from which authority, how it proves that the names are its
//! own, and where it keeps what it got.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::TlsFiles;

/// Names in one certificate. Let's Encrypt takes 100; a node with more than a few is a mistake.
const NAMES_MAX: usize = 16;
/// Longest name and longest label of the DNS (RFC 1035, section 2.3.4).
const NAME_BYTES_MAX: usize = 253;
const LABEL_BYTES_MAX: usize = 63;

/// See the module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Acme {
    /// The names of the certificate, at least one, in small letters; the first one names its file.
    pub names: Vec<String>,
    /// Whom the authority may write to.
    pub email: Option<String>,
    /// The URL of the authority's directory (RFC 8555, section 7.1.1).
    pub directory: String,
    /// The root that the authority's own HTTPS is checked by, PEM; `None` for those of the system.
    pub directory_ca: Option<PathBuf>,
    /// Where certificate and account are kept; `None` for the usual place.
    pub storage: Option<PathBuf>,
    /// How the names are proven.
    pub challenge: AcmeChallenge,
}

/// How an authority convinces itself that a name is the node's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AcmeChallenge {
    /// It asks by plain HTTP, on port 80 (RFC 8555, section 8.3).
    #[serde(rename = "http-01")]
    Http01,
    /// It makes a handshake on port 443 (RFC 8737).
    #[serde(rename = "tls-alpn-01")]
    TlsAlpn01,
}

impl AcmeChallenge {
    /// Its name in the protocol.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http01 => "http-01",
            Self::TlsAlpn01 => "tls-alpn-01",
        }
    }
}

impl Acme {
    /// The folder where certificate and account are kept: the configured one; that which a service manager made
    /// (`STATE_DIRECTORY`); for root and who was root `/var/lib/libreqos-bufferbloat`; else the user's own for such things.
    #[must_use]
    pub fn folder(&self, is_system: bool) -> PathBuf {
        const NAME: &str = "libreqos-bufferbloat";
        if let Some(folder) = &self.storage {
            return folder.clone();
        }
        let variable = |name: &str| {
            let value = std::env::var_os(name).filter(|value| !value.is_empty());
            value.map(PathBuf::from)
        };
        let state = variable("STATE_DIRECTORY").or_else(|| {
            if is_system {
                return None;
            }
            let own = variable("XDG_STATE_HOME");
            let own = own.or_else(|| Some(variable("HOME")?.join(".local/state")));
            own.map(|own| own.join(NAME))
        });
        state
            .unwrap_or_else(|| PathBuf::from("/var/lib").join(NAME))
            .join("acme")
    }

    /// The certificate with its key in `folder`: both in one file, so that they are replaced at once.
    #[must_use]
    pub fn files(&self, folder: &std::path::Path) -> TlsFiles {
        let path = folder.join(format!("{}.pem", self.names[0]));
        TlsFiles {
            certificate: path.clone(),
            key: path,
        }
    }
}

/// The names of a certificate; none where no certificate is wanted.
pub(super) fn names(text: &str) -> Result<Vec<String>, String> {
    let parts = text.split(',').map(str::trim);
    let mut names: Vec<String> = Vec::new();
    for part in parts.filter(|part| !part.is_empty()) {
        let name = part.trim_end_matches('.').to_ascii_lowercase();
        if !is_host_name(&name) {
            return Err(format!(
                "{part:?} is not a name that an authority can check; write test.example.net, without scheme, port or *"
            ));
        }
        if names.contains(&name) {
            return Err(format!("{name} is there twice"));
        }
        names.push(name);
    }
    if names.len() > NAMES_MAX {
        return Err(format!("must be at most {NAMES_MAX} names"));
    }
    Ok(names)
}

/// Letters, digits and hyphens in labels (RFC 1123, section 2.1), and no IP address.
fn is_host_name(name: &str) -> bool {
    let is_label = |label: &str| {
        !label.is_empty()
            && label.len() <= LABEL_BYTES_MAX
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    let last = name.rsplit('.').next().unwrap_or_default();
    name.len() <= NAME_BYTES_MAX
        && name.split('.').all(is_label)
        && !last.chars().all(|c| c.is_ascii_digit())
}

pub(super) fn email(text: &str) -> Result<Option<String>, String> {
    if text.is_empty() {
        return Ok(None);
    }
    let is_plain = |part: &str| !part.is_empty() && !part.contains(|c: char| !c.is_ascii_graphic());
    match text.split_once('@') {
        Some((user, host)) if is_plain(user) && is_plain(host) && !text.contains([',', ':']) => {
            Ok(Some(text.to_owned()))
        }
        _ => Err("must be one address such as you@example.net".to_owned()),
    }
}

pub(super) fn directory(text: &str) -> Result<String, String> {
    let host = text
        .strip_prefix("https://")
        .and_then(|rest| rest.split('/').next());
    let is_plain = text.chars().all(|c| c.is_ascii_graphic());
    match host {
        Some(host) if !host.is_empty() && is_plain => Ok(text.to_owned()),
        _ => Err(
            "must be the URL of an authority's directory and begin with https://, as \
             https://acme-v02.api.letsencrypt.org/directory does"
                .to_owned(),
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_that_an_authority_can_check_are_taken() {
        assert_eq!(
            names("Test.Example.net., b.example.net"),
            Ok(vec![
                "test.example.net".to_owned(),
                "b.example.net".to_owned()
            ])
        );
        assert_eq!(names(""), Ok(Vec::new()));
        assert_eq!(names("localhost").map(|names| names.len()), Ok(1));
        for wrong in [
            "https://a.example",
            "a.example:443",
            "*.example.net",
            "192.0.2.1",
            "2001:db8::1",
            "a..b",
            "-a.example",
            "a_b.example",
            "caf\u{e9}.example",
            "a.example, A.example",
        ] {
            assert!(names(wrong).is_err(), "{wrong}");
        }
        let many: Vec<String> = (0..17).map(|number| format!("n{number}.example")).collect();
        assert!(names(&many.join(",")).is_err());
    }

    #[test]
    fn an_address_and_a_directory_are_what_they_say() {
        assert_eq!(email(""), Ok(None));
        assert_eq!(email("a@b.example"), Ok(Some("a@b.example".to_owned())));
        for wrong in ["a", "@b", "a@", "a b@c", "mailto:a@b", "a@b,c@d"] {
            assert!(email(wrong).is_err(), "{wrong}");
        }
        assert!(directory("https://localhost:14000/dir").is_ok());
        for wrong in [
            "",
            "http://a/dir",
            "https://",
            "https:///dir",
            "https://a b",
        ] {
            assert!(directory(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn certificate_and_key_are_one_file_in_the_folder() {
        let acme = Acme {
            names: vec!["a.example".to_owned(), "b.example".to_owned()],
            email: None,
            directory: String::new(),
            directory_ca: None,
            storage: Some("/srv/acme".into()),
            challenge: AcmeChallenge::Http01,
        };
        let files = acme.files(&acme.folder(true));
        assert_eq!(files.certificate, PathBuf::from("/srv/acme/a.example.pem"));
        assert_eq!(files.key, files.certificate);
    }
}
