//! The node's certificate: read and checked by the supervisor, handed to every process, replaced while connections stand.
//!
//! The supervisor's [`Keeper`] alone touches files. It writes what is in force to a sheet of memory that every child can
//! read, and each child's [`Follower`] takes it from there. Whoever gets certificates from elsewhere uses
//! [`Keeper::install`] and [`Keeper::set_challenges`].

mod follower;
mod keeper;
mod pair;
mod sheet;

pub use self::follower::Follower;
pub use self::keeper::Keeper;
pub use self::pair::{CertificateFault, Pair};
pub use self::sheet::{ChallengeAnswer, Sheet, SheetReader};
