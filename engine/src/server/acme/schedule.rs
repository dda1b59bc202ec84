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

/// What a process that begins knows of those before it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Past {
    pub(super) now_unix_s: u64,
    /// When what is stored was got; `None` where nothing of use is.
    pub(super) got_unix_s: Option<u64>,
    /// When it is to be renewed; `None` when it is not what is wanted now.
    pub(super) renewal_unix_s: Option<u64>,
    /// When the authority was last asked, whatever came of it.
    pub(super) asked_unix_s: Option<u64>,
    /// When the next attempt was to be, if the last of this node failed.
    pub(super) backed_off_unix_s: Option<u64>,
}

/// When a process that begins asks for the first time. What is stored is used until its time; an authority that gave nothing
/// is not asked twice within a minute, however often the node is started. Who got something may ask for more at once.
pub(super) fn first_due_unix_s(past: Past) -> u64 {
    let now_unix_s = past.now_unix_s;
    // What is still wanted was no answer to anything more; a time to come is no time at which anything was got or asked.
    let is_for_more = past.renewal_unix_s.is_none();
    let got = past.got_unix_s;
    let got_unix_s = got
        .filter(|got| is_for_more && *got <= now_unix_s)
        .unwrap_or(0);
    let asked = past.asked_unix_s;
    let asked = asked.filter(|asked| *asked <= now_unix_s && *asked > got_unix_s);
    let rested_unix_s = asked.map_or(0, |asked| asked + BACKOFF_MIN_S);
    // A clock that was put back must not make years of it.
    let latest_unix_s = now_unix_s + BACKOFF_MAX_S * 5 / 4;
    let backed_off_unix_s = past.backed_off_unix_s.unwrap_or(0).min(latest_unix_s);
    now_unix_s
        .max(past.renewal_unix_s.unwrap_or(0))
        .max(rested_unix_s)
        .max(backed_off_unix_s)
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
    fn a_process_that_begins_keeps_what_is_good_and_asks_nobody_twice_within_a_minute() {
        let now_unix_s = 1_000_000;
        let past = Past {
            now_unix_s,
            ..Past::default()
        };
        assert_eq!(first_due_unix_s(past), now_unix_s);
        let asked = Past {
            asked_unix_s: Some(now_unix_s - 20),
            ..past
        };
        assert_eq!(first_due_unix_s(asked), now_unix_s + 40);
        // It was given: another name may be asked for.
        let got = Past {
            got_unix_s: Some(now_unix_s - 20),
            ..asked
        };
        assert_eq!(first_due_unix_s(got), now_unix_s);
        let good = Past {
            renewal_unix_s: Some(now_unix_s + 60 * DAY_S),
            ..got
        };
        assert_eq!(first_due_unix_s(good), now_unix_s + 60 * DAY_S);
        let backed_off = Past {
            backed_off_unix_s: Some(now_unix_s + 300),
            ..asked
        };
        assert_eq!(first_due_unix_s(backed_off), now_unix_s + 300);
    }

    #[test]
    fn what_a_wrong_clock_wrote_binds_nobody_once_it_is_right() {
        let now_unix_s = 1_000_000;
        // Asked and backed off by a clock that was years ahead.
        let past = Past {
            now_unix_s,
            asked_unix_s: Some(now_unix_s + 900 * DAY_S),
            ..Past::default()
        };
        assert_eq!(first_due_unix_s(past), now_unix_s);
        let backed_off = Past {
            backed_off_unix_s: Some(now_unix_s + 900 * DAY_S),
            ..past
        };
        let latest = now_unix_s + BACKOFF_MAX_S * 5 / 4;
        assert_eq!(first_due_unix_s(backed_off), latest);
        // What was got then is no reason to ask at once after each failure.
        let got = Past {
            asked_unix_s: Some(now_unix_s - 20),
            got_unix_s: Some(now_unix_s + 30 * DAY_S),
            ..past
        };
        assert_eq!(first_due_unix_s(got), now_unix_s + 40);
        // Nor is what seems due, when it was got a moment ago.
        let due = Past {
            got_unix_s: Some(now_unix_s - 10),
            renewal_unix_s: Some(now_unix_s - DAY_S),
            ..got
        };
        assert_eq!(first_due_unix_s(due), now_unix_s + 40);
        // Asked by one that was behind: long ago.
        let past = Past {
            asked_unix_s: Some(5),
            backed_off_unix_s: Some(65),
            ..past
        };
        assert_eq!(first_due_unix_s(past), now_unix_s);
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
