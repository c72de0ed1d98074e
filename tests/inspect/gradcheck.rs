use crate::{RIGHT, Square};
use femtograd::inspect::gradcheck;
use femtograd::random::Rng;
use femtograd::{Array, Tensor};

#[test]
fn right_functions_pass() {
    let mut rng = Rng::new(1);
    let (w, x, b) = (rng.normal_array(&[4, 3]), rng.normal_array(&[5, 4]), rng.normal_array(&[3]));
    let inputs: [Array<f64>; 3] = [w, x, b];
    fn layer(p: &[Tensor<f64>]) -> Tensor<f64> {
        (p[1].matmul(&p[0]) + &p[2]).tanh()
    }
    type F = fn(&[Tensor<f64>]) -> Tensor<f64>;
    let fs: [F; 6] = [
        layer,
        |p| layer(p).log_softmax(-1),
        |p| layer(p).cross_entropy([0, 1, 2, 1, 0]),
        |p| p[0].sum(),
        // Nothing changes, and no rounding is taken for a slope.
        |p| p[0].log_softmax(0).exp().sum(),
        |p| &p[0] - &p[0],
    ];
    for f in fs {
        let found = gradcheck(f, &inputs);
        assert!(found.is_ok() && found.unchecked.is_empty() && found.checks >= 15, "{found}");
    }
}

#[test]
fn right_functions_pass_in_f32() {
    let mut rng = Rng::new(2);
    let inputs: [Array<f32>; 2] = [rng.normal_array(&[30, 20]), rng.normal_array(&[20, 10])];
    let found = gradcheck(|p| p[0].matmul(&p[1]).gelu().mean(), &inputs);
    assert!(found.is_ok(), "{found}");
}

#[test]
fn a_planted_mistake_is_found_and_blamed_on_its_op() {
    let x = Array::from([0.5, -2.0, 3.0]);
    let faults = [
        (Square { vjp: 1.01, pull: 1.01, ..RIGHT }, "reverse mode against differences"),
        (Square { jvp: 1.01, ..RIGHT }, "forward mode against differences"),
        (Square { pull: 1.01, ..RIGHT }, "backward against gradients"),
        (Square { vjp: 1.01, jvp: 1.01, pull: 1.01 }, "reverse mode against differences"),
    ];
    for (op, check) in faults {
        let found = gradcheck(|p| Tensor::apply(op.clone(), [&p[0].sin()]).exp(), std::slice::from_ref(&x));
        assert!(found.wrong.iter().any(|wrong| wrong.check == check && wrong.input == 0), "{check}: {found}");
        let blame = found.blame.as_ref().expect("verify finds it");
        assert!(blame.wrong.iter().all(|node| node.op == "square"), "{found}");
        assert!(found.into_result().is_err());
    }
}

#[test]
fn the_worst_entry_has_its_numbers() {
    let x = Array::from([0.5, -2.0, 3.0]);
    let op = Square { vjp: 2.0, pull: 2.0, jvp: 2.0 };
    let found = gradcheck(|p| Tensor::apply(op.clone(), [&p[0]]).sum(), &[x]);
    let entry = found.wrong.iter().find(|wrong| wrong.check == "forward mode against differences");
    let entry = entry.expect("it is wrong");
    assert!(entry.analytic != 0.0 && (entry.analytic / entry.numeric - 2.0).abs() < 1e-6, "{found}");
    let text = found.to_string();
    assert!(text.contains("input 0, at [2]") && text.contains("allowed"), "{text}");
}

#[test]
fn a_detached_part_is_a_mistake_that_no_op_made() {
    let found = gradcheck(|p| &p[0] * p[0].detach(), &[Array::from([1.0, 2.0])]);
    assert!(!found.is_ok() && found.blame.is_none(), "{found}");
}

#[test]
fn kinks_are_said() {
    let found = gradcheck(|p| p[0].relu().sum(), &[Array::from([0.0, 1.0])]);
    assert!(found.is_ok(), "{found}");
    assert!(found.unchecked.iter().any(|why| why.contains("1 of 2: a kink")), "{found}");
}

#[test]
#[should_panic(expected = "gives another value when it is called again")]
fn a_function_that_changes_is_refused() {
    let calls = std::cell::Cell::new(0.0);
    gradcheck(
        |p| {
            calls.set(calls.get() + 1.0);
            &p[0] * calls.get()
        },
        &[Array::scalar(1.0)],
    );
}
