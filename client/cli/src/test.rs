//! `bufferbloat test`: runs the tests that were asked for and shows each result in the form that was asked for.

use std::time::{Duration, Instant};

use client::fault::Fault;
use client::household::{self, HouseholdOptions};
use client::interrupt::Interrupt;
use client::outcome::Outcome;
use client::single::{self, SingleOptions};

use crate::cli::TestArguments;
use crate::exit::Exit;
use crate::show::household_live::HouseholdLive;
use crate::show::live::Live;
use crate::show::{csv, json, svg, table};
use crate::{fail, print};

/// Runs them all; the exit code is that of the last one that was not good.
pub(crate) fn run(arguments: &TestArguments, interrupt: &Interrupt) -> Exit {
    let mut exit = Exit::Ran;
    let mut number = 0;
    let mut csv_names = String::new();
    loop {
        let begun = Instant::now();
        let one = run_one(arguments, interrupt, &mut csv_names);
        if one != Exit::Ran {
            exit = one;
        }
        number += 1;
        let is_last = arguments.repeat != 0 && number >= arguments.repeat;
        if is_last || matches!(one, Exit::Interrupted | Exit::Usage | Exit::OwnFault) {
            return exit;
        }
        let next = begun + Duration::from_secs(arguments.interval);
        if interrupt.comes_within(next.saturating_duration_since(Instant::now())) {
            return Exit::Interrupted;
        }
    }
}

fn run_one(arguments: &TestArguments, interrupt: &Interrupt, csv_names: &mut String) -> Exit {
    let result = if arguments.household {
        run_household(arguments, interrupt)
    } else {
        run_single(arguments, interrupt)
    };
    match result {
        Ok(outcome) => {
            let shown = show_result(arguments, &outcome, csv_names);
            let min_grade = arguments.min_grade.map(Into::into);
            let exit = Exit::of_result(
                &outcome.report,
                outcome.partial.as_ref(),
                min_grade,
                arguments.strict,
            );
            if shown == Exit::Ran { exit } else { shown }
        }
        Err(fault) => fail(&fault),
    }
}

fn run_single(arguments: &TestArguments, interrupt: &Interrupt) -> Result<Outcome, Fault> {
    let options = SingleOptions {
        reach: arguments.node.reach(),
        duration: arguments.duration(),
        congestion_control: arguments.congestion_control(),
    };
    let mut live = Live::new(arguments.quiet);
    let result = single::run(&options, interrupt, &mut |progress| live.show(progress));
    live.finish();
    result
}

fn run_household(arguments: &TestArguments, interrupt: &Interrupt) -> Result<Outcome, Fault> {
    let options = HouseholdOptions {
        reach: arguments.node.reach(),
        demand: arguments.demand(),
        duration: arguments.duration(),
        congestion_control: arguments.congestion_control(),
    };
    let mut live = HouseholdLive::new(arguments.quiet);
    let result = household::run(&options, interrupt, &mut |progress| live.show(progress));
    live.finish();
    result
}

fn show_result(arguments: &TestArguments, outcome: &Outcome, csv_names: &mut String) -> Exit {
    let text = if arguments.json {
        json::text(outcome, arguments.repeat == 1)
    } else if arguments.csv {
        Ok(csv::text(outcome, csv_names))
    } else {
        Ok(table::text(outcome, table::width()))
    };
    let shown = match text {
        Ok(text) => print(text.as_bytes()),
        Err(error) => fail(&Fault::System(error.to_string())),
    };
    let Some(path) = &arguments.svg else {
        return shown;
    };
    match std::fs::write(path, svg::text(outcome)) {
        Ok(()) => shown,
        Err(error) => fail(&Fault::System(format!("{}: {error}", path.display()))),
    }
}
