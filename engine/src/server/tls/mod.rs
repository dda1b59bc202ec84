//! The node's certificate: read and checked by the supervisor, handed to every process, replaced while connections stand.
//!
//! The supervisor's [`Keeper`] alone touches files. What is in force goes to each child at its start, and as a notice when
//! it changes. Whoever gets certificates from elsewhere writes them into the files that it watches, and says by
//! [`Keeper::set_challenges`] how challenges in handshakes are answered meanwhile.

mod handed;
mod keeper;
mod pair;

pub use self::handed::{ChallengeAnswer, HandedCredentials, HandedTickets};
pub use self::keeper::Keeper;
pub use self::pair::{CertificateFault, Pair};
