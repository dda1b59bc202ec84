//! When the authority is asked next: policy alone, with times and chance as arguments. Times are seconds since 1970.

/// After a failure nobody is asked for this long; after each further one for twice as long.
pub(super) const BACKOFF_MIN_S: u64 = 60;
/// The longest.
pub(super) const BACKOFF_MAX_S: u64 = 24 * 3600;

/// A certificate's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Life {
    pub(super) not_before_unix_s: u64,
    pub(super) not_after_unix_s: u64,
}

/// When a certificate is renewed: at two thirds of its life, and up to a fiftieth of it later, so that nodes that were set
/// up together do not come together. `chance` is any number.
pub(super) fn renewal_unix_s(life: Life, chance: u32) -> u64 {
    let life_s = (life.not_after_unix_s).saturating_sub(life.not_before_unix_s);
    life.not_before_unix_s + life_s * 2 / 3 + scaled(life_s / 50, chance)
}

/// How long nobody is asked after so many failures in a row, at least one: a minute, doubled for each further one up to a
/// day, and up to a quarter more by chance.
pub(super) fn backoff_s(failures_in_a_row: u64, chance: u32) -> u64 {
    let doublings = u32::try_from(failures_in_a_row.saturating_sub(1)).unwrap_or(u32::MAX);
    let doubled = 1_u64
        .checked_shl(doublings)
        .map_or(BACKOFF_MAX_S, |factor| BACKOFF_MIN_S.saturating_mul(factor));
    let wait_s = doubled.min(BACKOFF_MAX_S);
    wait_s + scaled(wait_s / 4, chance)
}

/// Evenly from 0 to `most`.
fn scaled(most: u64, chance: u32) -> u64 {
    ((u128::from(most) * u128::from(chance)) >> 32) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY_S: u64 = 86_400;

    #[test]
    fn a_certificate_is_renewed_at_two_thirds_of_its_life() {
        let life = Life {
            not_before_unix_s: 1_000_000,
            not_after_unix_s: 1_000_000 + 90 * DAY_S,
        };
        assert_eq!(renewal_unix_s(life, 0), 1_000_000 + 60 * DAY_S);
        let latest = renewal_unix_s(life, u32::MAX);
        assert!(latest > 1_000_000 + 61 * DAY_S && latest < 1_000_000 + 62 * DAY_S);
    }

    #[test]
    fn one_that_ends_before_it_begins_is_due_at_once() {
        let life = Life {
            not_before_unix_s: 500,
            not_after_unix_s: 400,
        };
        assert_eq!(renewal_unix_s(life, u32::MAX), 500);
    }

    #[test]
    fn pauses_double_from_a_minute_to_a_day_whatever_chance_says() {
        let pauses: Vec<u64> = (1..=13).map(|failures| backoff_s(failures, 0)).collect();
        assert_eq!(&pauses[..4], [60, 120, 240, 480]);
        assert_eq!(&pauses[10..], [61_440, 86_400, 86_400]);
        for failures in [1, 2, 64, 65, u64::MAX] {
            let (least, most) = (backoff_s(failures, 0), backoff_s(failures, u32::MAX));
            assert!(least >= BACKOFF_MIN_S && most >= least && most < least + least / 4 + 1);
        }
        assert_eq!(backoff_s(u64::MAX, 0), BACKOFF_MAX_S);
    }
}
