//! Recorded and replayed, every case gives what it gives otherwise: at the arguments it was recorded with and at others.

use crate::cases::{Case, Point, table};
use crate::compare::{Outcome, ROUNDING, close};
use crate::each;
use femtograd::{Tensor, no_grad, record_with, value_and_grad};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The value and the gradient of `⟨y, w⟩`.
fn agrees(case: &Case<f64>) -> Outcome {
    let p = Point::of(case);
    let f = |x: &Vec<Tensor<f64>>, w: &Tensor<f64>| ((case.build)(x) * w).sum();
    let replay = record_with(f);
    let w = p.w.detach();
    for scale in [1.0, 0.75, 1.0] {
        let x: Vec<_> = p.x.iter().map(|x| no_grad(|| x * scale)).collect();
        let (value, gradient) = replay.value_and_grad_with(&x, &w);
        let (value_was, gradient_was) = value_and_grad(|x: &Vec<Tensor<f64>>| f(x, &w))(&x);
        close("the value", value.data(), value_was.data(), ROUNDING, 1e-12)?;
        for (k, (g, g_was)) in gradient.iter().zip(&gradient_was).enumerate() {
            close(&format!("the gradient by argument {k}"), g.data(), g_was.data(), ROUNDING, 1e-12)?;
        }
        close("the value alone", replay.value_with(&x, &w).data(), value_was.data(), ROUNDING, 1e-12)?;
    }
    Ok(())
}

/// What a program cannot do: read a value, or keep indices that are not an argument.
fn is_refused(case: &Case<f64>) -> bool {
    let f = |x: &Vec<Tensor<f64>>, _: &()| (case.build)(x);
    let refused = catch_unwind(AssertUnwindSafe(|| record_with(f).value_with(&Point::of(case).x, &())));
    refused.is_err_and(|why| {
        why.downcast_ref::<String>().is_some_and(|why| why.contains("a recorded program would keep"))
    })
}

#[test]
#[cfg_attr(miri, ignore)]
fn each_case_replays() {
    let (refused, rest): (Vec<_>, Vec<_>) = table().into_iter().partition(is_refused);
    let names: Vec<_> = refused.iter().map(|case| case.name.as_str()).collect();
    println!("{} replayed, refused: {names:?}", rest.len());
    assert!(rest.len() > 8 * refused.len(), "{} of {} refused: {names:?}", refused.len(), rest.len());
    each(&rest, agrees);
}
