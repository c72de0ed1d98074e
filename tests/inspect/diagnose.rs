use crate::{digits, trained};
use femtograd::inspect::{Diagnosis, Kind, diagnose, diagnose_with};
use femtograd::nn::{Linear, Mlp};
use femtograd::optim::{Adam, Sgd};
use femtograd::random::Rng;
use femtograd::{Array, Tensor};

/// Exactly one finding, of this kind, that says all of this.
fn only(found: &Diagnosis, kind: Kind, says: &[&str]) {
    let text = found.to_string();
    assert!(found.findings.len() == 1 && found.has(kind), "{kind:?}: {text}");
    says.iter().for_each(|part| assert!(text.contains(part), "no {part:?} in {text}"));
}

fn fine(found: Diagnosis) {
    found.into_result().unwrap_or_else(|found| panic!("{found}"));
}

#[test]
fn columns_against_rows_in_a_loss() {
    let n = 5;
    let prediction = Tensor::new(Array::from_fn(&[n, 1], |i| i as f64)).named("prediction");
    let target = Tensor::constant(Array::from_fn(&[n], |i| i as f64)).named("target");
    let wrong: [Tensor<f64>; 4] = [
        (&prediction - &target).powi(2).mean(),
        (&target - &prediction).abs().sum(),
        (1.0 - &prediction * &target).relu().reshape(&[n * n]).mean(),
        (&prediction - &target).powi(2).mean_axes(1).mean(),
    ];
    for loss in wrong {
        only(&diagnose(&loss), Kind::OuterBroadcast, &["\"prediction\" [5, 1]", "diagnose.rs", "reshape"]);
    }
    let flat = prediction.reshape(&[n]);
    fine(diagnose(&(&flat - &target).powi(2).mean()));
    fine(diagnose(&(&prediction - target.reshape(&[1, n])).powi(2).mean())); // said so
    // All pairs that are meant: distances within a set, rows that are used one by one, products.
    let points = Tensor::new(Array::from_fn(&[n], |i| i as f64));
    fine(diagnose(&(points.reshape(&[n, 1]) - &points).powi(2).sum()));
    fine(diagnose(&(&prediction - &target).powi(2).sum_axes(1).max()));
    fine(diagnose(&((&prediction - &target).powi(2).sum_axes(1) * &target).sum()));
    fine(diagnose(&(&prediction * &target).matmul(&target).sum()));
    let square = Tensor::new(Array::full(&[n, n], 2.0));
    fine(diagnose(&(&square * (&prediction * &points)).sum()));
    fine(diagnose(&(&prediction + &points).log_softmax(1).exp().powi(2).sum()));
}

#[test]
fn the_softmax_of_a_softmax_through_any_views() {
    let scores = Tensor::new(Array::from_fn(&[4, 3], |i| (i % 5) as f64)).named("scores");
    let classes = [0, 1, 2, 0];
    let by_hand = scores.exp();
    let probabilities = [
        scores.softmax(1),
        scores.log_softmax(1).exp(),
        (&scores - scores.logsumexp_keepdims(1)).exp(),
        &by_hand / by_hand.sum_keepdims(1),
        &by_hand / by_hand.sum_axes(1).reshape(&[4, 1]).broadcast_to(&[4, 3]),
    ];
    for p in probabilities {
        let says = ["log_softmax", "the softmax of what is one already", "diagnose.rs"];
        let seen = p.t().reshape(&[3, 4]).permute(&[1, 0]).slice(0, ..).gather_rows([3, 0, 1, 2]);
        only(&diagnose(&seen.cross_entropy(classes)), Kind::SoftmaxTwice, &says);
        only(&diagnose(&p.cross_entropy(classes)), Kind::SoftmaxTwice, &says);
        // Probabilities may be used in every other way.
        fine(diagnose(&(&p * &p).sum()));
        fine(diagnose(&p.matmul(&Tensor::new([1.0, 2.0, 3.0])).logsumexp(0)));
    }
    fine(diagnose(&scores.cross_entropy(classes)));
    fine(diagnose(&scores.log_softmax(1).cross_entropy(classes)));
    fine(diagnose(&scores.exp().cross_entropy(classes)));
}

#[test]
fn layers_that_do_not_learn() {
    let mut rng = Rng::new(1);
    let (x, classes) = digits(&mut rng, 16);
    let (mut first, second) = (Linear::new(64, 8, &mut rng), Linear::new(8, 10, &mut rng));
    let last = |h: Tensor<f32>| second.forward(&h).cross_entropy(&classes);
    fine(diagnose(&last(first.forward(&x).relu())));
    fine(diagnose(&last(first.forward(&x).tanh())));
    first.bias.set_data(Array::full(&[8], -100.0));
    only(&diagnose(&last(first.forward(&x).relu())), Kind::DeadRelu, &["8 of 8 units", "all 16 examples"]);
    only(&diagnose(&last(first.forward(&x).tanh())), Kind::Saturated, &["128 of 128", "tanh [16, 8]"]);
    only(&diagnose(&last(first.forward(&x).sigmoid() * 2.0)), Kind::Saturated, &["sigmoid"]);
    // A few examples say nothing; a hinge loss may be 0, and an output sure.
    let (few, _) = (digits(&mut rng, 4), ());
    fine(diagnose(&second.forward(&first.forward(&few.0).relu()).cross_entropy(&few.1)));
    fine(diagnose(&first.forward(&x).relu().mean()));
    fine(diagnose(&first.forward(&x).sigmoid().mean()));
}

#[test]
fn parameters_the_loss_does_not_reach() {
    let mut rng = Rng::new(1);
    let (x, classes) = digits(&mut rng, 16);
    let mut net: Mlp<f32> = Mlp::new(&[64, 8, 10], &mut rng);
    let spare = Tensor::new([1.0_f32]).named("spare");
    let loss = net.forward(&x).cross_entropy(classes);
    let all = |net: &Mlp<f32>| net.parameters().into_iter().map(|(_, p)| p.clone()).collect::<Vec<_>>();
    fine(diagnose_with(&loss, &all(&net).iter().collect::<Vec<_>>()));
    only(&diagnose_with(&loss, &[&spare]), Kind::UnusedParameter, &["leaf \"spare\" [1] at tests"]);
    // A step later it is another parameter.
    loss.backward();
    Sgd::new(0.1).step(net.parameters_mut());
    let found = diagnose_with(&loss, &all(&net).iter().collect::<Vec<_>>());
    assert!(found.findings.len() == 4 && found.to_string().contains("another version"), "{found}");
}

#[test]
fn gradients_left_over() {
    let w = Tensor::new([1.0, 2.0]).named("w");
    let loss = (&w * &w).sum();
    fine(diagnose(&loss)); // no gradient yet
    loss.backward();
    fine(diagnose(&loss));
    loss.backward();
    only(
        &diagnose(&loss),
        Kind::StaleGradient,
        &["1 of 1 leaves", "2.000 times", "leaf \"w\"", "zero_grad()"],
    );
    w.zero_grad();
    (&w * 3.0).sum().backward();
    only(&diagnose(&loss), Kind::StaleGradient, &["not the one of this loss alone"]);
    assert_eq!(w.grad().unwrap().to_vec(), [3.0, 3.0]);
}

#[test]
fn a_total_that_keeps_all_graphs_alive() {
    let mut w = Tensor::new(1.0).named("w");
    let mut total: Option<Tensor<f64>> = None;
    for _ in 0..3 {
        let loss = (&w - 3.0).powi(2);
        loss.backward();
        total = Some(match total {
            Some(total) => total + &loss,
            None => loss,
        });
        Sgd::new(0.1).step([&mut w]);
    }
    only(&diagnose(&total.unwrap()), Kind::KeptGraph, &["two versions", "leaf \"w\"", "item()"]);
    // Layers of one name and shape are not versions of each other.
    let (a, b) = (Tensor::new(1.0).named("weight"), Tensor::new(2.0).named("weight"));
    fine(diagnose(&(&a * &b)));
}

#[test]
fn a_nan_is_found_with_the_rest() {
    let x = Tensor::new(-1.0).named("x");
    only(&diagnose(&x.ln()), Kind::Nonfinite, &["made by ln", "-1 in \"x\""]);
}

/// Programs that are right: the project's own.
#[test]
fn no_false_alarms() {
    for steps in [0, 1, 20] {
        let (net, loss) = trained(steps);
        let parameters: Vec<_> = net.parameters().into_iter().map(|(_, p)| p).collect();
        fine(diagnose_with(&loss, &parameters));
    }
    // The network of the library's first page, from start to end.
    let x = Tensor::constant([[0.0_f32, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]);
    let (mut net, mut adam) = (Mlp::new(&[2, 16, 2], &mut Rng::new(1)), Adam::new(0.05));
    for _ in 0..100 {
        let loss = net.forward(&x).cross_entropy([0, 1, 1, 0]);
        loss.backward();
        fine(diagnose(&loss));
        adam.step(net.parameters_mut());
    }
    // Margins of two moons, with weight decay, until all margins are kept.
    let mut rng = Rng::new(4);
    let sign = |i: usize| if i.is_multiple_of(2) { 1.0 } else { -1.0 };
    let x = Array::from_fn(&[100, 2], |i| sign(i / 2) * (1.0 + i as f64 / 200.0) + 0.1 * rng.normal());
    let (x, y) = (Tensor::constant(x), Tensor::constant(Array::from_fn(&[100], sign)));
    let mut net = Mlp::new(&[2, 16, 16, 1], &mut rng);
    for _ in 0..100 {
        let scores = net.forward(&x).reshape(&[100]);
        let size = net.parameters().iter().map(|(_, p)| (*p * *p).sum()).reduce(|a, b| a + b).unwrap();
        let loss = (1.0 - &y * scores).relu().mean() + 1e-4 * size;
        loss.backward();
        fine(diagnose(&loss));
        Sgd::new(0.05).step(net.parameters_mut());
    }
}
