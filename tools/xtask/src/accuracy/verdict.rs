//! Whether a figure is the truth: tolerances of increase, grade and direction. Pure.

use super::record::PhaseFigures;

/// An increase is right within this share of the truth, or [`TOLERANCE_MS`], whichever is more.
const TOLERANCE_SHARE: f64 = 0.1;
const TOLERANCE_MS: f64 = 5.0;
/// So near to a boundary, by share or in ms, the grade on its other side is right too.
const BOUNDARY_SHARE: f64 = 0.03;
const BOUNDARY_MS: f64 = 3.0;
/// Bloat that the emulator knows to be in one direction by this share must be attributed to it by [`ATTRIBUTED_SHARE`].
const ONE_SIDED_SHARE: f64 = 0.95;
const ATTRIBUTED_SHARE: f64 = 0.9;
/// Less increase than this is not worth attributing, ms.
const ATTRIBUTABLE_MS: f64 = 20.0;
/// The published table: a grade, and the increase in ms from which on it is no longer given.
const GRADES: [(&str, f64); 6] = [
    ("A+", 5.0),
    ("A", 30.0),
    ("B", 60.0),
    ("C", 200.0),
    ("D", 400.0),
    ("F", f64::INFINITY),
];

/// The grade of an increase.
#[must_use]
pub(crate) fn grade(increase_ms: f64) -> &'static str {
    GRADES
        .iter()
        .find(|(_, below_ms)| increase_ms < *below_ms)
        .map_or("F", |(name, _)| name)
}

/// Whether two increases agree.
#[must_use]
pub(crate) fn agree(seen_ms: f64, true_ms: f64) -> bool {
    (seen_ms - true_ms).abs() <= (true_ms * TOLERANCE_SHARE).max(TOLERANCE_MS)
}

/// Whether a grade is the truth's, or its neighbour where the truth lies at the boundary.
#[must_use]
pub(crate) fn is_grade_right(seen_ms: f64, true_ms: f64) -> bool {
    let slack_ms = (true_ms * BOUNDARY_SHARE).max(BOUNDARY_MS);
    [true_ms - slack_ms, true_ms, true_ms + slack_ms]
        .into_iter()
        .any(|increase_ms| grade(increase_ms) == grade(seen_ms))
}

/// The share of the increase that is upstream: by the emulator, and by the product. `None` where there is too little.
#[must_use]
pub(crate) fn up_shares(figures: &PhaseFigures) -> Option<(f64, f64)> {
    let share = |up_ms: f64, down_ms: f64| {
        let (up_ms, down_ms) = (up_ms.max(0.0), down_ms.max(0.0));
        (up_ms + down_ms > 0.0).then(|| up_ms / (up_ms + down_ms))
    };
    if figures.increase_ms < ATTRIBUTABLE_MS {
        return None;
    }
    Some((
        share(
            figures.queue_up_ms.unwrap_or(0.0),
            figures.queue_down_ms.unwrap_or(0.0),
        )?,
        share(figures.up_ms?, figures.down_ms?)?,
    ))
}

/// Whether one-sided bloat was attributed to its side; `None` where it was not one-sided.
#[must_use]
pub(crate) fn is_attributed(figures: &PhaseFigures) -> Option<bool> {
    let (true_share, said_share) = up_shares(figures)?;
    if true_share > ONE_SIDED_SHARE {
        Some(said_share > ATTRIBUTED_SHARE)
    } else if true_share < 1.0 - ONE_SIDED_SHARE {
        Some(said_share < 1.0 - ATTRIBUTED_SHARE)
    } else {
        None
    }
}

/// How long packets waited in the emulator's two queues during the run; `None` of a run in which nothing went one way.
#[must_use]
pub(crate) fn own_queue_ms(figures: &PhaseFigures) -> Option<f64> {
    Some(figures.queue_down_ms? + figures.queue_up_ms?)
}

/// Why a run's increase is not the truth's: its own load held the queue otherwise than the truth's did, or it saw something
/// else than its own queue.
#[must_use]
pub(crate) fn cause(figures: &PhaseFigures) -> String {
    let seen_ms = figures.increase_ms;
    match own_queue_ms(figures) {
        Some(own_ms) if agree(seen_ms, own_ms) => {
            format!(
                "{seen_ms:.1} ms seen, {own_ms:.1} in its own queue: measured right, loaded otherwise"
            )
        }
        Some(own_ms) => {
            format!("{seen_ms:.1} ms seen, {own_ms:.1} in its own queue: measured wrong")
        }
        None => format!("{seen_ms:.1} ms seen"),
    }
}

/// A median increase of some runs, and that of their own queues where it is known, ms.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub(crate) increase_ms: f64,
    pub(crate) own_ms: Option<f64>,
}

/// Why page and client, which are apart, are: their loads held the queue otherwise and each saw its own, or one of them saw
/// something else.
#[must_use]
pub(crate) fn why_apart(page: Seen, client: Seen) -> String {
    let (Some(page_own_ms), Some(client_own_ms)) = (page.own_ms, client.own_ms) else {
        return String::new();
    };
    let own = format!("{page_own_ms:.1} and {client_own_ms:.1} ms in their own queues");
    // What the page would have seen of the client's queue.
    if agree(
        page.increase_ms - page_own_ms + client_own_ms,
        client.increase_ms,
    ) {
        format!("; {own}: measured alike, loaded otherwise")
    } else {
        format!("; {own}: measured otherwise")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grades_follow_the_published_table() {
        assert_eq!(
            [4.9, 5.0, 30.0, 199.9, 400.0].map(grade),
            ["A+", "A", "B", "C", "F"]
        );
    }

    #[test]
    fn an_increase_may_be_off_by_a_tenth_or_five_milliseconds() {
        assert!(agree(6.0, 1.0) && !agree(6.1, 1.0));
        assert!(agree(220.0, 200.0) && !agree(221.0, 200.0));
    }

    #[test]
    fn the_neighbours_grade_is_right_only_near_a_boundary() {
        assert!(is_grade_right(201.0, 195.0));
        assert!(!is_grade_right(201.0, 190.0));
        assert!(is_grade_right(4.0, 6.0));
    }

    #[test]
    fn a_run_that_saw_its_own_queue_was_loaded_otherwise_and_one_that_did_not_was_measured_wrong() {
        let figures = PhaseFigures {
            increase_ms: 120.0,
            queue_up_ms: Some(60.0),
            queue_down_ms: Some(61.0),
            ..PhaseFigures::default()
        };
        assert!(cause(&figures).ends_with("loaded otherwise"));
        let elsewhere = PhaseFigures {
            queue_up_ms: Some(20.0),
            ..figures
        };
        assert!(cause(&elsewhere).ends_with("measured wrong"));
    }

    #[test]
    fn page_and_client_are_apart_by_their_queues_or_by_what_they_saw_of_them() {
        let seen = |increase_ms, own_ms| Seen {
            increase_ms,
            own_ms: Some(own_ms),
        };
        let by_load = why_apart(seen(220.0, 225.0), seen(190.0, 188.0));
        assert!(by_load.ends_with("loaded otherwise"), "{by_load}");
        let by_sight = why_apart(seen(10.5, 3.8), seen(4.8, 4.0));
        assert!(by_sight.ends_with("measured otherwise"), "{by_sight}");
    }

    #[test]
    fn bloat_on_one_side_must_be_attributed_to_it() {
        let figures = PhaseFigures {
            increase_ms: 200.0,
            queue_up_ms: Some(200.0),
            queue_down_ms: Some(0.1),
            up_ms: Some(170.0),
            down_ms: Some(30.0),
            ..PhaseFigures::default()
        };
        assert_eq!(is_attributed(&figures), Some(false));
        let said = PhaseFigures {
            up_ms: Some(195.0),
            down_ms: Some(5.0),
            ..figures
        };
        assert_eq!(is_attributed(&said), Some(true));
        let both = PhaseFigures {
            queue_down_ms: Some(90.0),
            ..figures
        };
        assert_eq!(is_attributed(&both), None);
    }
}
