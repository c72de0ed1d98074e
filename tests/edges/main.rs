//! The edge contract: what every op does where it is hard to say.
//!
//! `tests/edges.json` holds the contract, derived from definitions and limits, and says what its fields mean.
//! Here the library is held to it, in both types and by every way to a derivative; `tests/edges.py` puts the same rows
//! to PyTorch and JAX; the page `book/edge-contract.md` shows it all, and is rewritten by
//! `UPDATE_BOOK=1 cargo test --test edges`.

#![cfg(not(miri))] // much arithmetic, nothing new

mod calls;
mod contract;
mod page;
#[path = "../table/sources.rs"]
mod sources;
mod ways;

use contract::{Answer, Numbers, Point, contract};
use femtograd::Float;
use std::collections::BTreeSet;
use std::fmt::Write;
use std::panic::{AssertUnwindSafe, catch_unwind};
use ways::{Results, results};

/// The results, or that it panics.
fn attempt<T: Float>(call: &str, point: &Point) -> Result<Results, String> {
    catch_unwind(AssertUnwindSafe(|| results::<T>(call, point))).map_err(|_| "panics, see above".into())
}

/// Whether f32 has the numbers of a row: inputs exactly, answers without overflow or underflow.
fn fits_f32(point: &Point, answer: &Answer) -> bool {
    let exact = |v: f64| v.is_nan() || v as f32 as f64 == v;
    let normal = |v: f64| v == 0.0 || !v.is_finite() || (1e-37..1e38).contains(&v.abs());
    point.inputs.values().flat_map(Numbers::flat).all(exact) && answer.numbers().all(normal)
}

/// What is wrong at a point, a line each.
fn check<T: Float>(call: &str, point: &Point, answer: &Answer) -> Vec<String> {
    let wrong = match attempt::<T>(call, point) {
        Ok(results) => results.wrong::<T>(point, answer),
        Err(why) => vec![why],
    };
    wrong.into_iter().map(|why| format!("{call} at {}, {}: {why}", page::point(point), T::NAME)).collect()
}

fn passes(what: &str, failures: &[String]) {
    assert!(failures.is_empty(), "{} {what}\n{}", failures.len(), failures.join("\n"));
}

#[test]
fn every_row_holds() {
    let (mut failures, mut singles) = (vec![], 0);
    let rows = contract().rows;
    for row in &rows {
        failures.extend(check::<f64>(&row.call, &row.point, &row.answer));
        if fits_f32(&row.point, &row.answer) {
            singles += 1;
            failures.extend(check::<f32>(&row.call, &row.point, &row.answer));
        }
    }
    println!("{} rows in f64, {singles} of them in f32 too", rows.len());
    passes("answers are not the contract's", &failures);
}

/// Functions that are equal have equal derivatives.
#[test]
fn equal_spellings_agree() {
    let mut failures = vec![];
    for group in contract().spellings {
        for inputs in &group.at {
            let point = Point {
                inputs: inputs.clone(),
                cotangent: group.cotangent.clone(),
                along: group.along.clone(),
            };
            let first = match attempt::<f64>(&group.calls[0], &point) {
                Ok(results) => results.answer(&point),
                Err(why) => {
                    failures.push(format!("{}: {} {why}", group.name, group.calls[0]));
                    continue;
                }
            };
            for call in &group.calls {
                let wrong = check::<f64>(call, &point, &first);
                failures.extend(wrong.into_iter().map(|why| format!("{}, {why}", group.name)));
            }
        }
    }
    passes("spellings differ from the first of their group", &failures);
}

/// What is said to be given where the truth is not.
#[test]
fn exceptions_are_as_they_are_said_to_be() {
    let mut failures = vec![];
    for exception in contract().exceptions {
        failures.extend(check::<f64>(&exception.call, &exception.point, &exception.given));
        let truth = check::<f64>(&exception.call, &exception.point, &exception.truth);
        assert!(!truth.is_empty(), "{} is right after all: not an exception", exception.call);
    }
    passes("exceptions are others", &failures);
}

/// Ops without a row, by the reason.
const NO_EDGE: &[&str] = &[
    // Moves: exact wherever they are defined.
    "reshape",
    "permute",
    "windows",
    // Inside the rows of other ops: the reverse of broadcasting, of slices, of windows, of indexing, and the products
    // that are in every derivative.
    "sum_to",
    "unslice",
    "overlay",
    "index_add",
    "chain",
    "carry",
    // A product of matrices and a sum, with the edges of these.
    "linear",
    // A matrix product, with the rows of one.
    "conv2d",
    // A layer norm without its weights, with the rows of one.
    "standardize",
    // Smooth wherever they are defined; a singular matrix is refused.
    "solve",
    "solve_triangular",
    "inverse",
    "cholesky",
    "slogdet",
];

#[test]
fn every_op_is_in_the_contract() {
    let contract = contract();
    let rows: BTreeSet<&str> = contract.rows.iter().map(|row| &contract.calls[&row.call].op[..]).collect();
    let sources = sources::sources();
    let missing: Vec<&str> = sources::names(&sources)
        .concat()
        .into_iter()
        .filter(|name| !rows.contains(name) && !NO_EDGE.contains(name))
        .collect();
    assert!(missing.is_empty(), "tests/edges.json has no row for these ops: {missing:?}");
}

/// A row says what decides, and why.
#[test]
fn every_row_has_a_reason() {
    let mut wrong = String::new();
    for row in contract().rows {
        if !["definition", "limit", "choice"].contains(&&row.by[..]) || row.why.is_empty() {
            writeln!(wrong, "{} at {}: {} {:?}", row.call, page::point(&row.point), row.by, row.why).unwrap();
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
