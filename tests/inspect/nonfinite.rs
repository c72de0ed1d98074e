use femtograd::inspect::{Pass, nonfinite};
use femtograd::{Array, Tensor, where_};

#[test]
fn the_producer_is_named_and_not_those_that_pass_it_on() {
    let x = Tensor::new([1.0, -4.0, 2.0]).named("x");
    let root = x.sqrt().named("root");
    let loss = ((&root * 3.0 + 1.0).exp() * &root).sum();
    let found = nonfinite(&loss).unwrap();
    assert_eq!((found.pass, found.origin.op), (Pass::Forward, Some("sqrt")));
    assert!(found.origin.value.is_nan() && found.origin.index == [1]);
    let text = found.to_string();
    for part in [
        "NaN at [1]",
        "sqrt \"root\" [3]",
        "tests/inspect/nonfinite.rs:",
        "-4 in \"x\"",
        "\n  sum",
        "\n  reshape",
    ] {
        assert!(text.contains(part), "no {part} in {text}");
    }
    assert_eq!(x.grad(), None);
}

#[test]
fn the_first_of_two() {
    let x = Tensor::new([-1.0, 800.0]);
    let loss = (x.ln().sum() + x.exp().sqrt().sum() + (x.exp() - x.exp()).sum()).sum();
    assert_eq!(nonfinite(&loss).unwrap().origin.op, Some("ln"));
}

#[test]
fn an_infinity_that_becomes_nan_is_traced_to_its_source() {
    let x = Tensor::new([1.0, 800.0]).named("x");
    let e = x.exp();
    let loss = (&e / e.sum()).sum();
    let found = nonfinite(&loss).unwrap();
    assert_eq!((found.origin.op, found.origin.value), (Some("exp"), f64::INFINITY));
    assert_eq!(found.turned.as_ref().unwrap().op, Some("div"));
    let text = found.to_string();
    assert!(text.contains("800 in \"x\"") && text.contains("NaN was made of it by div"), "{text}");
    assert_eq!(nonfinite(&e.sum()).unwrap().origin.op, Some("exp"));
}

#[test]
fn a_leaf_or_a_constant_may_bring_it() {
    let x = Tensor::new([1.0, f64::NAN]).named("x");
    let found = nonfinite(&(&x * 2.0).sum()).unwrap();
    assert!(
        found.origin.op.is_none() && found.to_string().contains("NaN came in at [1] with leaf \"x\" [2]"),
        "{found}"
    );
    let mask = Tensor::constant([f64::NEG_INFINITY, 0.0]).named("mask");
    let x = Tensor::new([1.0, 2.0]);
    let found = nonfinite(&(&x * 0.0 * mask).sum()).unwrap(); // 0·∞
    assert!(found.turned.is_some() && found.to_string().contains("constant \"mask\""), "{found}");
}

#[test]
fn infinities_that_are_meant_are_not_blamed() {
    let scores = Tensor::new([1.0, 2.0, 3.0]);
    let mask = Tensor::constant([0.0, f64::NEG_INFINITY, 0.0]);
    let masked = (&scores + &mask).log_softmax(0);
    assert!(nonfinite(&masked.exp().sum()).is_none());
    // Beside them a NaN is made elsewhere, and it is that which is found.
    let loss = masked.exp().sum() + (&scores - 2.5).ln().sum();
    assert_eq!(nonfinite(&loss).unwrap().origin.op, Some("ln"));
    let x = Tensor::new([-4.0, 4.0]);
    assert!(nonfinite(&where_(x.gt(0.0), x.sqrt(), &x).sum()).is_none());
}

#[test]
fn the_way_back_has_producers_too() {
    let x = Tensor::new([4.0, 0.0]).named("x");
    let loss = (x.sqrt().named("root") * 2.0).exp().sum();
    let found = nonfinite(&loss).unwrap();
    assert_eq!(
        (found.pass, found.origin.op, &found.origin.index[..]),
        (Pass::Backward, Some("sqrt"), &[1][..])
    );
    let text = found.to_string();
    assert!(text.contains("0 in \"x\"") && text.contains("on the way back through sqrt \"root\""), "{text}");
    assert_eq!(x.grad(), None);

    // Two finite contributions whose sum is not.
    let x = Tensor::new(1.0).named("x");
    let big = &x * 1e308 + &x * 1e308;
    let found = nonfinite(&(big * 0.5).named("y")).unwrap();
    assert_eq!(found.pass, Pass::Forward);
    let small = Tensor::new(1e-300).named("small");
    let found = nonfinite(&(&small * 1e308 + &small * 1e308)).unwrap();
    assert!(found.pass == Pass::Backward && found.origin.op.is_none(), "{found}");
    assert!(found.to_string().contains("is the sum that reached leaf \"small\""), "{found}");
}

#[test]
fn all_finite_is_none_and_a_deep_graph_is_no_trouble() {
    let x = Tensor::new([1.0, 2.0]);
    assert!(nonfinite(&x.exp().sum()).is_none());
    assert!(nonfinite(&Tensor::constant(Array::full(&[0], 1.0)).sum()).is_none());
    let x = Tensor::new(-1.0);
    let loss = (0..100_000).fold(x.ln(), |y, _| y + 1.0);
    let found = nonfinite(&loss).unwrap();
    assert_eq!(found.origin.op, Some("ln"));
    let text = found.to_string();
    assert!(text.contains("… 99991 more …") && text.lines().count() < 20, "{text}");
}
