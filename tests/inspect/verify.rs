use crate::{RIGHT, Square, trained};
use femtograd::inspect::{Verdict, verify, verify_node};
use femtograd::random::Rng;
use femtograd::{Array, Float, Tensor, concat};

fn squared<T: Float>(op: Square) -> Tensor<T> {
    let x = Tensor::new(vec![T::of(0.5), T::of(-2.0), T::of(3.0)]).named("x");
    (Tensor::apply(op, [&x]).named("area") + &x).sum()
}

#[test]
fn a_wrong_derivative_is_named() {
    let faults = [
        (Square { vjp: 1.001, ..RIGHT }, "pull into nothing against vjp, argument 0"),
        (Square { pull: 1.001, ..RIGHT }, "pull into nothing against vjp, argument 0"),
        (Square { vjp: 1.001, pull: 1.001, ..RIGHT }, "vjp against jvp, argument 0"),
        (Square { jvp: 1.001, ..RIGHT }, "vjp against jvp, argument 0"),
        (Square { vjp: 1.001, pull: 1.001, jvp: 1.001 }, "jvp against differences, argument 0"),
    ];
    for (op, what) in faults {
        let found = verify(&squared::<f64>(op));
        let [wrong] = &found.wrong[..] else { panic!("{found}") };
        assert_eq!(wrong.op, "square");
        let text = found.to_string();
        assert!(
            text.contains(what) && text.contains("\"area\"") && text.contains("tests/inspect/verify.rs:"),
            "{text}"
        );
    }
    assert!(verify(&squared::<f64>(RIGHT)).into_result().unwrap().unchecked.is_empty());
    assert!(verify(&squared::<f32>(RIGHT)).is_ok());
    let wrong = Square { vjp: 1.01, pull: 1.01, jvp: 1.01 };
    assert_eq!(verify(&squared::<f32>(wrong)).wrong.len(), 1);
}

#[test]
fn the_worst_element_is_named() {
    let found = verify(&squared::<f64>(Square { pull: 2.0, ..RIGHT })).to_string();
    assert!(found.contains("at [2]"), "{found}");
}

#[test]
fn kinks_are_not_mistakes_and_not_right_either() {
    let x = Tensor::new([-1.0, 0.0, 1e-7, 2.0]);
    let other = Tensor::new([-1.0, 5.0, 1e-7, 3.0]);
    let kinks: [(&str, Tensor<f64>); 5] = [
        ("relu", x.relu()),
        ("abs", x.abs()),
        ("maximum", x.maximum(&other)),
        ("max", concat([&x, &x], 0).max()),
        ("le", femtograd::Rule::on(femtograd::ops::elementwise::Le, [&x, &other])),
    ];
    for (name, y) in kinks {
        let found = verify(&y);
        assert!(found.is_ok(), "{found}");
        let kink = |node: &femtograd::inspect::NodeReport| {
            node.op == name && matches!(&node.verdict, Verdict::Unchecked(why) if why.contains("a kink"))
        };
        assert!(found.unchecked.iter().any(kink), "{name}: {found}");
    }
}

#[test]
fn what_is_not_finite_is_not_checked() {
    let x = Tensor::new([0.0, 4.0]);
    for y in [x.sqrt(), x.ln(), (&x * f64::INFINITY).exp()] {
        let found = verify(&y);
        assert!(found.is_ok(), "{found}");
        assert!(found.to_string().contains("not finite"), "{found}");
    }
    // What is finite beside it is checked all the same.
    let x = Tensor::new([f64::NEG_INFINITY, 1.0, 2.0]);
    let y = Tensor::apply(Square { vjp: 1.1, jvp: 1.1, pull: 1.1 }, [&x]);
    assert!(!verify(&y).is_ok());
}

#[test]
fn large_and_small_numbers_are_checked_in_proportion() {
    let x = Tensor::new([1e-6, 1e-3, 1.0, 30.0, 700.0]);
    let ys = [x.ln(), x.exp(), x.sqrt(), x.sin(), x.powi(3), (1.0 / &x), x.tanh(), (&x + 1e6)];
    for y in ys {
        let found = verify(&y);
        assert!(found.is_ok() && found.unchecked.is_empty(), "{found}");
    }
    // Here f32 has no digits left for a difference: said, and not passed over.
    let x: Tensor<f32> = Tensor::new([1.0, 2.0]);
    let found = verify(&(&x + 1e6));
    assert!(found.to_string().contains("lost in rounding"), "{found}");
}

#[test]
fn a_trained_network_is_right_and_nobodys_gradient_changes() {
    let (net, loss) = trained(20);
    let before: Vec<_> = net.parameters().iter().map(|(_, p)| p.grad().unwrap()).collect();
    let found = verify(&loss);
    assert!(found.is_ok(), "{found}");
    for ((_, p), before) in net.parameters().iter().zip(before) {
        assert_eq!(p.grad().unwrap(), before);
    }
}

/// Of tens of thousands of numbers some lie where a difference steps across the kink, at every distance from it.
#[test]
fn thousands_of_numbers_near_kinks_raise_no_alarm() {
    fn check<T: Float>() {
        for seed in 0..5 {
            let x = Tensor::new(Rng::new(seed).normal_array::<T>(&[200, 150]));
            let loss = (x.relu() - x.abs() * T::of(0.25)).maximum(x.max_keepdims(0) * T::of(0.1)).mean();
            let found = verify(&loss);
            assert!(found.is_ok(), "{found}");
        }
    }
    check::<f32>();
    check::<f64>();
}

/// Normalisation, attention and gelu, with the sizes that numbers have in networks: all of it can be checked in `f32`.
#[test]
fn a_transformer_in_f32_is_checked_whole() {
    let mut rng = Rng::new(5);
    let x: Array<f32> = rng.normal_array(&[32, 64]);
    let w: Array<f32> = rng.normal_array(&[64, 64]);
    let (x, w) = (Tensor::new(x), Tensor::new(w));
    let centred = &x - x.mean_keepdims(-1);
    let h = &centred / (centred.powi(2).mean_keepdims(-1) + 1e-5_f32).sqrt();
    let attention = (h.matmul(&w).matmul(&h.t()) * 0.125_f32).log_softmax(-1).exp();
    let found = verify(&attention.matmul(&h).gelu().mean());
    assert!(found.is_ok() && found.unchecked.is_empty(), "{found}");
}

#[test]
fn a_deep_graph_and_a_constant() {
    let x = Tensor::new(0.5);
    let y = (0..50_000).fold(x.clone(), |y, _| y * 0.5 + &x);
    assert_eq!(verify(&y).nodes, 100_000);
    assert_eq!(verify(&Tensor::constant(1.0)).nodes, 0);
    let y = x.exp();
    assert_eq!(verify_node(y.op().unwrap(), y.parents(), &y), Verdict::Right);
}

/// A vjp and a jvp of another shape are mistakes, not panics.
#[test]
fn shapes_are_checked_too() {
    use femtograd::{Array, Error, Op};
    struct Short(bool);
    impl Op<f64> for Short {
        fn name(&self) -> &'static str {
            "short"
        }
        fn forward(&self, x: &[Tensor<f64>]) -> Result<Array<f64>, Error> {
            Ok(x[0].data().clone())
        }
        fn vjp(&self, _: &[Tensor<f64>], _: &Tensor<f64>, g: &Tensor<f64>, _: usize) -> Tensor<f64> {
            if self.0 { g.sum() } else { g.clone() }
        }
        fn jvp(&self, _: &[Tensor<f64>], _: &Tensor<f64>, dx: &[Option<Tensor<f64>>]) -> Tensor<f64> {
            dx[0].as_ref().unwrap().sum()
        }
    }
    for (vjp, what) in [(true, "vjp, argument 0: shape []"), (false, "jvp, argument 0: shape []")] {
        let found = verify(&Tensor::apply(Short(vjp), [&Tensor::new([1.0, 2.0])])).to_string();
        assert!(found.contains(what), "{found}");
    }
}
