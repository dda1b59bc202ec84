//! An HTTP/2 server connection against frames made by hand: what it answers, what it refuses, and what it bears.

mod bounds;
mod client;
mod deadlines;
mod exchanges;
mod faults;
mod splits;
