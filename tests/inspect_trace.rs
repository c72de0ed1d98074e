//! The mode that checks every gradient: alone in its process, since it is the whole program's.

use femtograd::inspect::trace_nonfinite;
use femtograd::{Tensor, grad, gradients};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::Command;

/// The panic of a backward pass, if it panics.
fn panic_of(loss: &Tensor<f64>) -> Option<String> {
    let panic = catch_unwind(AssertUnwindSafe(|| loss.backward())).err()?;
    Some(*panic.downcast::<String>().expect("a formatted message"))
}

#[test]
fn every_backward_is_checked_when_asked_for() {
    let x = Tensor::new([1.0, 0.0]).named("x");
    let (forward, back) = (x.ln().sum(), x.sqrt().sum());
    let (silent, after) = (Tensor::new([0.0]).sqrt().sum(), x.exp().sum());
    trace_nonfinite(false);
    assert_eq!(panic_of(&silent), None);

    trace_nonfinite(true);
    for (loss, op) in [(&forward, "ln"), (&back, "sqrt")] {
        let message = panic_of(loss).expect("it is not finite");
        assert!(message.contains(&format!("{op} [2] at tests/inspect_trace.rs")), "{message}");
        assert!(message.contains("0 in \"x\""), "{message}");
    }
    assert_eq!(x.grad(), None, "no gradient was written");
    // Gradients of graphs and of functions, too.
    type Derive = fn(&Tensor<f64>) -> Tensor<f64>;
    let of_graph: Derive = |x| gradients(&x.sqrt().sum(), &[x]).remove(0);
    let of_function: Derive = |x| grad(|x: &Tensor<f64>| x.sqrt().sum())(x);
    for derive in [of_graph, of_function] {
        let message = catch_unwind(AssertUnwindSafe(|| derive(&x))).expect_err("it is not finite");
        assert!(message.downcast::<String>().unwrap().contains("sqrt [2] at tests/inspect_trace.rs"));
    }
    assert_eq!(panic_of(&after), None);

    let weights = catch_unwind(AssertUnwindSafe(|| x.exp().backward_with([f64::NAN, 1.0])));
    let message = *weights.unwrap_err().downcast::<String>().unwrap();
    assert!(message.contains("the one given to backward_with"), "{message}");
    trace_nonfinite(false);
}

/// In processes that have the variable: each runs this test alone.
#[test]
#[cfg_attr(miri, ignore)] // Miri starts no processes
fn the_environment_asks_for_it() {
    const VARIABLE: &str = "FEMTOGRAD_TRACE_NONFINITE";
    if let Ok(value) = std::env::var(VARIABLE) {
        let caught = panic_of(&Tensor::new(0.0).sqrt()).is_some();
        return assert_eq!(caught, value == "1" || value == "on");
    }
    let me = std::env::current_exe().expect("this test has a file");
    for value in ["1", "0", "on", ""] {
        let mut run = Command::new(&me);
        run.args(["--exact", "the_environment_asks_for_it"]).env(VARIABLE, value);
        let run = run.output().expect("it runs");
        assert!(run.status.success(), "{value}: {}", String::from_utf8_lossy(&run.stdout));
    }
}
