//! How a test is shown: live while it runs, and as a table, JSON, CSV or a picture when it is over.

pub(crate) mod csv;
pub(crate) mod household_live;
pub(crate) mod json;
pub(crate) mod live;
#[cfg(test)]
pub(crate) mod sample;
pub(crate) mod style;
pub(crate) mod svg;
pub(crate) mod table;
pub(crate) mod words;

mod bar;
mod household_table;
