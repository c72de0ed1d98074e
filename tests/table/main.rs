//! The table of cases: every op, checked in every way that shows a wrong derivative.
//!
//! [`cases`] lists the ops with inputs on which their derivatives exist. Each case is checked as a whole
//! ([`derivatives`]: reverse mode, forward mode and differences of first and second order against each other), node by
//! node ([`node`]: each op that occurs in its graph or in those of its derivatives), and under every kind of shape and
//! memory layout ([`shapes`]), and the elementwise ops at the ends of their
//! domains ([`ends`]). [`coverage`] makes sure that no op is missing, [`mutants`] that a wrong one is found.
//!
//! Cotangents and directions are random and unequal, so that errors cannot cancel; the seeds are fixed.

mod cases;
mod compare;
mod coverage;
mod derivatives;
mod ends;
mod mutants;
mod node;
mod replay;
mod shapes;
mod sources;

use cases::Case;
use compare::Outcome;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Checks all cases, so that one failure, or one panic, does not hide another.
fn each(cases: &[Case<f64>], check: impl Fn(&Case<f64>) -> Outcome) {
    let failure = |case: &Case<f64>| {
        let outcome = catch_unwind(AssertUnwindSafe(|| check(case)));
        let why = outcome.unwrap_or_else(|_| Err("it panics, see above".into())).err()?;
        Some(format!("{}: {why}", case.name))
    };
    let failures: Vec<String> = cases.iter().filter_map(failure).collect();
    let (failed, all) = (failures.len(), cases.len());
    assert!(failures.is_empty(), "{failed} of {all} cases fail\n{}", failures.join("\n"));
}

/// All checks of a case.
fn everything(case: &Case<f64>) -> Outcome {
    derivatives::value(case)?;
    derivatives::all_ways_agree(case)?;
    derivatives::gradient(case)?;
    derivatives::forward_mode(case)?;
    derivatives::second_order(case)?;
    node::each_node(case)
}

/// What Miri runs of this table, in minutes: one op of each kind on a handful of numbers, every derivative
/// once. (It interprets whole blocks of the kernels' loops for a single number, so differences would take an hour.)
#[test]
fn a_few_cases_small_enough_for_miri() {
    each(&cases::tiny(), if cfg!(miri) { derivatives::all_ways_agree } else { everything });
}
