//! Certificates by themselves (ACME, RFC 8555): a process of its own that asks the authority, answers its challenges with
//! the help of the others, and stores what it gets. Nothing of it is on the way of a measurement.
//!
//! The supervisor starts it, as it does the traffic processes, and watches the file that it writes
//! ([`crate::server::tls::Keeper`]). How it fares is on the scoreboard.

mod answer;
mod authority;
mod fault;
mod process;
mod schedule;
mod store;

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

pub use self::answer::AnswersToSupervisor;
pub use self::fault::AcmeFault;
pub use self::process::{AcmeHandover, HANDOVER_VARIABLE, run};
pub use self::store::prepare;
use super::config::Acme;

/// Whether the authority could be asked at all, as far as that shows without asking it.
///
/// # Errors
/// The root certificate that the directory is to be checked by is of no use.
pub fn check(acme: &Acme) -> Result<(), AcmeFault> {
    let Some(path) = &acme.directory_ca else {
        return Ok(());
    };
    let usable = CertificateDer::from_pem_file(path)
        .map_err(|error| error.to_string())
        .and_then(|root| {
            let added = RootCertStore::empty().add(root);
            added.map_err(|error| error.to_string())
        });
    usable.map_err(|reason| AcmeFault::Root {
        path: path.clone(),
        reason,
    })
}
