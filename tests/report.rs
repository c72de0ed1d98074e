//! What became of each parameter, and what is alive.

use femtograd::inspect::{Break, Reach, keep_register, live, report};
use femtograd::{CutKind, Tensor, checkpoint, no_grad, where_};
use std::sync::Mutex;

fn p(v: f64, name: &str) -> Tensor<f64> {
    Tensor::new(v).named(name)
}

/// What [`report`] says of one parameter.
fn reach(loss: &Tensor<f64>, x: &Tensor<f64>) -> Reach {
    report(loss, [x]).parameters.remove(0).reach
}

fn cut(loss: &Tensor<f64>, x: &Tensor<f64>) -> (CutKind, &'static str, u32) {
    match reach(loss, x) {
        Reach::Disconnected(Break::Cut(kind, op, place)) if place.file() == "tests/report.rs" => {
            (kind, op, place.line())
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn gradients_zeros_and_their_culprits() {
    let (a, b) = (p(3.0, "a"), p(-4.0, "b"));
    let dead = (&a * &b).relu();
    let line = line!() - 1;
    let loss = dead.exp() * 2.0 + &b * &b;
    match reach(&loss, &a) {
        Reach::Zero(ops) => {
            assert_eq!(
                ops.iter().map(|(op, place)| (*op, place.line())).collect::<Vec<_>>(),
                [("relu", line)]
            )
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(reach(&loss, &b), Reach::Gradient { norm: 8.0 });
    assert!(a.grad().is_none() && b.grad().is_none(), "nobody's gradient changes");
    // Cancelled: both ops passed something on, and the sum is nothing.
    let loss = &a * 2.0 - &a * 2.0;
    assert!(matches!(reach(&loss, &a), Reach::Zero(ops) if ops.len() == 2));
    let text = report(&loss, [&a, &Tensor::new(1.0)]).to_string();
    assert!(text.starts_with("\"a\" []: zero because of mul at tests/report.rs:"), "{text}");
    assert!(text.contains("\nparameter 1 []: disconnected: the loss was not computed from it"), "{text}");
}

#[test]
fn the_strong_zero_is_counted_in_the_report() {
    let x = Tensor::new([-4.0, 4.0]);
    let loss = where_(x.gt(0.0), x.sqrt(), &x).sum();
    let report = report(&loss, [&x]);
    assert_eq!(
        (report.strong_zeros.len(), report.strong_zeros[0].op, report.strong_zeros[0].count),
        (1, "sqrt", 1)
    );
    assert!(report.to_string().contains("strong zero: 1 × in sqrt at tests/report.rs:"), "{report}");
    assert!(report.is_connected());
}

#[test]
fn every_kind_of_cut_names_its_line() {
    let (a, b) = (p(3.0, "a"), p(4.0, "b"));
    let h = (&a * 2.0).tanh().detach();
    assert_eq!(cut(&(h * &b), &a), (CutKind::Detach, "detach", line!() - 1));
    let h = no_grad(|| &a * &a);
    assert_eq!(cut(&(h * &b), &a), (CutKind::NoGrad, "mul", line!() - 1));
    let h = where_(a.lt(5.0), 1.0, 2.0);
    assert_eq!(cut(&(&h * &b), &a), (CutKind::Comparison, "lt", line!() - 1));
    let scores = Tensor::new([1.0, 3.0, 2.0]);
    let place = scores.argmax(0);
    let line = line!() - 1;
    let table = Tensor::new([10.0, 20.0, 30.0]);
    let loss = table.index_select(0, &place) * &b;
    assert_eq!(cut(&loss, &scores), (CutKind::Indices, "argmax", line));
    assert_eq!(loss.item(), 80.0);

    // Through constants computed from it, recorded or not, and through a tensor that is long gone.
    let h = {
        let gone = (&a * &a).detach();
        gone.exp().sin() + 1.0
    };
    assert_eq!(cut(&((h * 3.0).cos() * &b), &a), (CutKind::Detach, "detach", line!() - 3));
    // Where several meet, the one nearest to the loss is named.
    let first = (&a * &a).detach();
    let second = no_grad(|| &first * &a);
    assert_eq!(cut(&(second * &b), &a), (CutKind::NoGrad, "mul", line!() - 1));
    // One that lies behind a recorded op, before another cut.
    let second = (&b * no_grad(|| &a * 2.0)).detach();
    assert_eq!(cut(&(second * &b), &a), (CutKind::NoGrad, "mul", line!() - 1));
    // The loss itself may be one.
    assert_eq!(cut(&(&a * &b).detach(), &a), (CutKind::Detach, "detach", line!()));
    // A parameter that is also reached is not cut off.
    assert_eq!(reach(&(first * &a), &a), Reach::Gradient { norm: 9.0 });
}

#[test]
fn other_breaks() {
    let b = p(4.0, "b");
    let constant = Tensor::constant(2.0).named("k");
    assert!(matches!(reach(&(&b * &constant), &constant), Reach::Disconnected(Break::Constant(_))));
    let mut a = p(3.0, "a");
    let loss = &a * &b;
    a.set_data(5.0);
    let line = line!() - 1;
    assert!(matches!(reach(&loss, &a), Reach::Disconnected(Break::Replaced(place)) if place.line() == line));
    // Behind more nodes than a cut looks at, perhaps.
    let long = (0..1000).fold(a.clone(), |x, _| x.tanh());
    let h = long.detach();
    assert!(matches!(reach(&(&h * &b), &a), Reach::Disconnected(Break::Perhaps(CutKind::Detach, ..))));
    assert_eq!(reach(&(&b * 2.0), &a), Reach::Disconnected(Break::Unused));
    assert_eq!(reach(&checkpoint(|x: &Tensor<f64>| x.exp())(&a), &a), Reach::Gradient { norm: 5f64.exp() });
}

/// A running average remembers only so many cuts, and says so.
#[test]
#[cfg_attr(miri, ignore)] // a hundred thousand nodes
fn traces_of_long_histories_are_cut_short() {
    let mut average = Tensor::constant(0.0);
    let mut parameters = vec![];
    for i in 0..10_000 {
        let w = p(i as f64, "w");
        average = no_grad(|| &average * 0.9 + (&w * 0.1).sin());
        parameters.push(w);
    }
    let loss = average * p(1.0, "b");
    assert!(matches!(
        reach(&loss, &parameters[9_999]),
        Reach::Disconnected(Break::Cut(CutKind::NoGrad, "mul", _))
    ));
    let first = reach(&loss, &parameters[0]);
    assert!(matches!(first, Reach::Disconnected(Break::Perhaps(CutKind::NoGrad, ..))), "{first:?}");
}

#[test]
fn a_parameter_is_known_by_itself_and_not_by_its_name() {
    let (used, mut other) = (p(1.0, "weight"), p(2.0, "weight"));
    let loss = &used * &other;
    assert_eq!(reach(&(&used * 2.0), &other), Reach::Disconnected(Break::Unused));
    for v in [3.0, 4.0, 5.0] {
        other.set_data(v);
    }
    assert!(matches!(reach(&loss, &other), Reach::Disconnected(Break::Replaced(_))));
    // Small gradients are no zeros.
    let tiny = reach(&(&used * 1e-170), &used);
    assert!(matches!(tiny, Reach::Gradient { norm } if norm == 1e-170), "{tiny:?}");
}

/// One at a time: what is alive is counted in the whole program.
static ALONE: Mutex<()> = Mutex::new(());

#[test]
fn the_register_names_who_keeps_what_alive() {
    let _alone = ALONE.lock().unwrap();
    keep_register(true);
    let w = Tensor::new([1.0, 2.0]).named("weight");
    let mut losses = vec![];
    for _ in 0..3 {
        let x = Tensor::constant([3.0, 4.0]);
        losses.push((&w * x).sum().named("loss"));
    }
    let line = line!() - 2;
    let mine = |live: &femtograd::inspect::Live| {
        let here = |held: &&femtograd::inspect::Held| {
            held.place.file() == "tests/report.rs" && held.place.line() == line
        };
        live.held.iter().filter(here).cloned().collect::<Vec<_>>()
    };
    let alive = live();
    let held = mine(&alive);
    assert_eq!(held.len(), 3, "{alive}");
    // A reshape, a sum, a product, the data, and the weight.
    assert_eq!((held[0].label.as_deref(), held[0].op, held[0].keeps), (Some("loss"), Some("reshape"), 5));
    assert_eq!(held[0].oldest, w.location());
    assert!(alive.to_string().contains("\"loss\" reshape [] of tests/report.rs:"), "{alive}");
    let found = femtograd::diagnose(&losses[2]).to_string();
    assert!(found.contains("2 earlier results of the line that made reshape \"loss\""), "{found}");
    assert!(femtograd::diagnose(&losses[0]).is_ok());
    losses.truncate(1);
    assert_eq!(mine(&live()).len(), 1);
    keep_register(false);
    assert!(live().held.is_empty());
}
