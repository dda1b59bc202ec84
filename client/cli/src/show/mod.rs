//! How a test is shown: live while it runs, and as a table, JSON, CSV or a picture when it is over.

pub(crate) mod csv;
pub(crate) mod json;
pub(crate) mod live;
#[cfg(test)]
mod sample;
pub(crate) mod style;
pub(crate) mod table;
pub(crate) mod words;
