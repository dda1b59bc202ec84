//! A whole number that cannot be out of its range.

use serde::{Deserialize, Serialize};

/// A number from `MIN` to `MAX`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "u64", into = "u64")]
pub struct Bounded<const MIN: u64, const MAX: u64>(u64);

impl<const MIN: u64, const MAX: u64> Bounded<MIN, MAX> {
    /// The range as it is told to a person.
    #[must_use]
    pub fn range() -> String {
        format!("{MIN} to {MAX}")
    }

    /// `value`, if it is in the range.
    #[must_use]
    pub const fn new(value: u64) -> Option<Self> {
        if MIN <= value && value <= MAX {
            Some(Self(value))
        } else {
            None
        }
    }

    /// The number.
    #[must_use]
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl<const MIN: u64, const MAX: u64> TryFrom<u64> for Bounded<MIN, MAX> {
    type Error = String;

    fn try_from(value: u64) -> Result<Self, String> {
        Self::new(value).ok_or_else(|| format!("{value}: must be {}", Self::range()))
    }
}

impl<const MIN: u64, const MAX: u64> From<Bounded<MIN, MAX>> for u64 {
    fn from(bounded: Bounded<MIN, MAX>) -> Self {
        bounded.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_outside_its_range_cannot_be_made() {
        type Small = Bounded<1, 3>;
        assert_eq!(Small::new(0), None);
        assert_eq!(Small::new(4), None);
        assert_eq!(Small::new(3).map(Bounded::get), Some(3));
        assert!(serde_json::from_str::<Small>("9").is_err());
    }
}
