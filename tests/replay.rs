//! Recorded functions give what the functions give, at other arguments too, and refuse what a program cannot do again.

use femtograd::random::Rng;
use femtograd::{
    Array, Attention, Conv, Given, Indices, Replay, Tensor, Tree, checkpoint, concat, custom_gradient, grad,
    hvp, no_grad, record, record_with, scaled_dot_product_attention, set_threads, strict, value_and_grad,
    where_,
};
use std::panic::{AssertUnwindSafe, catch_unwind};

type Leaves = Vec<Tensor<f64>>;
type Read = fn(&Tensor<f64>) -> Tensor<f64>;

fn close(what: &str, a: &Tensor<f64>, b: &Tensor<f64>) {
    assert_eq!(a.shape(), b.shape(), "{what}");
    let (a, b) = (a.data().to_vec(), b.data().to_vec());
    let largest = a.iter().chain(&b).filter(|v| v.is_finite()).fold(1e-3, |m: f64, v| m.max(v.abs()));
    let fits = |(a, b): (&f64, &f64)| (a - b).abs() <= 1e-12 * largest || a == b || a.is_nan() && b.is_nan();
    let wrong = a.iter().zip(&b).position(|pair| !fits(pair));
    assert!(wrong.is_none(), "{what}: element {wrong:?} of {}", a.len());
}

/// The program at `x` against the function.
fn agrees<X: Tree<f64, Of<Tensor<f64>> = X>, G: Given<f64>, F: Fn(&X, &G) -> Tensor<f64>>(
    f: &F,
    replay: &Replay<f64, X, G, &F>,
    x: &X,
    given: &G,
) {
    let (y, dy) = replay.value_and_grad_with(x, given);
    let (y_was, dy_was) = value_and_grad(|x: &X| f(x, given))(x);
    close("the value", &y, &y_was);
    close("the value alone", &replay.value_with(x, given), &y_was);
    let (mut all, mut all_were) = (vec![], vec![]);
    dy.tensors(&mut all);
    dy_was.tensors(&mut all_were);
    assert_eq!(all.len(), all_were.len());
    all.iter().zip(all_were).for_each(|(g, g_was)| close("the gradient", g, g_was));
    assert!(!y.wants_grad() && all.iter().all(|g| !g.wants_grad() && g.op().is_none()));
}

/// `f` at random numbers of these shapes, three times with one program.
fn replays(shapes: &[&[usize]], f: impl Fn(&Leaves) -> Tensor<f64>) {
    let f = |x: &Leaves, _: &()| f(x);
    let replay = record_with(&f);
    let mut rng = Rng::new(3);
    for _ in 0..3 {
        let x = shapes.iter().map(|shape| Tensor::constant(rng.normal_array(shape))).collect();
        agrees(&f, &replay, &x, &());
    }
}

/// What it says when it refuses.
fn refusal<R>(f: impl FnOnce() -> R) -> String {
    let panic = catch_unwind(AssertUnwindSafe(f)).err().expect("refused");
    panic.downcast_ref::<String>().expect("a sentence").clone()
}

#[test]
fn a_chain_of_numbers() {
    let n = if cfg!(miri) { 5 } else { 50 };
    replays(&[&[], &[]], |x| (0..n).fold(x[0].clone(), |y, _| (y * &x[1] + &x[0]).tanh()));
    // One element under any shape is a number too.
    replays(&[&[1], &[1, 1]], |x| (&x[0] * &x[1]).exp().sum() / x[0].reshape(&[]));
}

#[test]
fn a_formula_on_arrays() {
    let sizes: &[usize] =
        if cfg!(miri) { &[9] } else { &[0, 1, 3, 127, 128, 129, 641, 1000, 40_000, 70_001] };
    for &n in sizes {
        replays(&[&[n], &[n], &[n]], |x| {
            (((&x[0] * &x[1] + &x[2]).tanh() - &x[0]).powi(2) * x[1].sigmoid()).mean()
        });
    }
}

#[test]
fn broadcasts_sums_and_views() {
    replays(&[&[3, 4], &[4], &[3, 1], &[]], |x| {
        let y = (&x[0] * &x[1] + &x[2]) * &x[3];
        let rows = y.sum_axes([0]).exp();
        (y.t().reshape(&[12]).sin() * concat([&rows, &rows, &rows], 0)).sum()
            + x[1].broadcast_to(&[5, 4]).sum()
    });
    replays(&[&[6]], |x| x[0].broadcast_to(&[2, 6]).reshape(&[12]).slice(0, 1..9).powi(3).mean());
    replays(&[&[2, 3]], |x| (&x[0] * &x[0] + &x[0]).sum() * x[0].mean());
    // Where one pass ends and another begins: sums of cotangents cross.
    replays(&[&[5], &[5]], |x| {
        let a = (&x[0] * &x[1]).tanh();
        let b = &a * a.sum() + &x[0];
        (&b * b.sum() * &a + &x[0]).sum()
    });
}

#[test]
#[cfg_attr(miri, ignore)] // takes minutes
fn an_unused_argument_one_given_twice_and_one_returned() {
    replays(&[&[3], &[2]], |x| x[0].sum());
    replays(&[&[3], &[0]], |x| x[0].sum());
    replays(&[&[]], |x| x[0].clone());
    replays(&[&[]], |_| Tensor::constant(3.0));
    let twice = record(|(a, b): &(Tensor<f64>, Tensor<f64>)| (a * b).sum());
    let x = Tensor::constant([1.0, 2.0]);
    let (_, (da, db)) = twice.value_and_grad(&(x.clone(), x.clone()));
    assert_eq!((da.to_string(), db.to_string()), ("[1, 2]".into(), "[1, 2]".into()));
    // A value need not be one number.
    let same = record(|x: &Tensor<f64>| x * 2.0);
    assert_eq!(same.value(&x).to_string(), "[2, 4]");
    assert!(refusal(|| same.value_and_grad(&x)).contains("the gradient of one number"));
}

#[test]
fn results_stay_as_they_were() {
    let f = record(|x: &Tensor<f64>| (x * x).sum());
    let (y, dy) = f.value_and_grad(&Tensor::constant([1.0, 2.0]));
    let (y2, dy2) = f.value_and_grad(&Tensor::constant([3.0, 4.0]));
    assert_eq!((y.item(), dy.to_string()), (5.0, "[2, 4]".into()));
    assert_eq!((y2.item(), dy2.to_string()), (25.0, "[6, 8]".into()));
}

#[test]
#[cfg_attr(miri, ignore)]
fn networks() {
    replays(&[&[8, 5], &[5, 7], &[7], &[7, 3]], |x| {
        let h = (x[0].matmul(&x[1]) + &x[2]).relu().layer_norm(
            &Tensor::constant(Array::ones(&[7])),
            Some(&Tensor::constant(Array::zeros(&[7]))),
            1e-5,
        );
        h.matmul(&x[3]).log_softmax(1).mean()
    });
    replays(&[&[2, 4, 3], &[2, 4, 3], &[2, 4, 3]], |x| {
        let options = Attention { causal: true, ..Attention::default() };
        scaled_dot_product_attention(&x[0], &x[1], &x[2], &options).sin().sum()
    });
    replays(&[&[2, 1, 6, 6], &[3, 1, 3, 3]], |x| x[0].conv2d(&x[1], None, &Conv::default()).gelu().mean());
}

#[test]
#[cfg_attr(miri, ignore)]
fn labels_are_replaced() {
    let f = |(w, b): &(Tensor<f64>, Tensor<f64>), (x, labels): &(Tensor<f64>, Indices)| {
        let log = (x.matmul(w) + b).log_softmax(1);
        -log.take_along_axis(labels.reshape(&[labels.as_slice().len(), 1]).unwrap(), 1).mean()
    };
    let replay = record_with(&f);
    let mut rng = Rng::new(5);
    let mut normal = |shape: &[usize]| Tensor::constant(rng.normal_array(shape));
    let net = (normal(&[4, 3]), normal(&[3]));
    for labels in [[0, 1, 2], [2, 2, 0], [1, 1, 1]] {
        agrees(&f, &replay, &net, &(normal(&[3, 4]), Indices::from(labels)));
    }
    // Rows of a table that is a constant: they depend on the indices alone.
    let table = Tensor::constant([[1.0, 2.0], [3.0, 4.0]]);
    let rows = record_with(move |x: &Tensor<f64>, rows: &Indices| (table.index_select(0, rows) * x).sum());
    let x = Tensor::constant([1.0, 10.0]);
    assert_eq!(rows.value_with(&x, &Indices::from([0])).item(), 21.0);
    assert_eq!(rows.value_with(&x, &Indices::from([1])).item(), 43.0);
    let outside = refusal(|| rows.value_with(&x, &Indices::from([7])));
    assert!(outside.starts_with("index_select: index 7") && outside.contains("tests/replay.rs"), "{outside}");
}

#[test]
#[cfg_attr(miri, ignore)] // takes minutes
fn what_no_gradient_flows_through_is_not_kept() {
    replays(&[&[4]], |x| where_(x[0].gt(0.0), x[0].exp(), &x[0] * 2.0).sum());
    replays(&[&[4]], |x| (x[0].detach() * &x[0]).sum());
    replays(&[&[4]], |x| (no_grad(|| x[0].exp()) * &x[0] + x[0].floor()).sum());
    replays(&[&[]], |x| x[0].detach().exp());
    replays(&[&[2, 3], &[2, 3]], |x| {
        x[0].maximum(&x[1]).max() + x[0].pow(x[1].sigmoid()).sum().detach().relu()
    });
}

#[test]
#[cfg_attr(miri, ignore)] // takes minutes
fn derivatives_inside() {
    let energy = |x: &Tensor<f64>| (x.powi(3).sum() * x.sin().sum()).tanh();
    replays(&[&[3]], |x| grad(energy)(&x[0]).powi(2).sum());
    replays(&[&[3]], |x| grad(|y: &Tensor<f64>| grad(energy)(y).sum())(&x[0]).exp().mean());
    replays(&[&[3], &[3]], |x| (hvp(energy, &x[0], &x[1]) * &x[1]).sum());
    replays(&[&[3]], |x| grad(energy)(&x[0].detach()).sum() * x[0].sum());
    replays(&[&[3]], |x| no_grad(|| grad(energy)(&x[0])).sum() * x[0].sum());
    replays(&[&[], &[]], |x| grad(|y: &Tensor<f64>| y * &x[0] * (y + &x[1]).sin())(&x[1]));
}

#[test]
#[cfg_attr(miri, ignore)] // takes minutes
fn checkpoints_rules_of_ones_own_and_hooks() {
    replays(&[&[3], &[3]], |x| {
        let w = x[1].clone();
        let layers = move |x: &Tensor<f64>| (0..3).fold(x.clone(), |x, _| (x * &w).tanh());
        checkpoint(layers)(&x[0]).sum()
    });
    replays(&[&[3]], |x| {
        let rounded = custom_gradient(|x| x[0].floor(), |_, _, g, _| g.clone(), [&x[0]]);
        rounded.powi(2).hook(|g| g.minimum(0.5)).sum()
    });
    // A rule that holds what was computed from an argument would hold it for ever.
    let held = record(|x: &Tensor<f64>| {
        let half = x * 0.5;
        custom_gradient(move |x| &x[0] * &half, |_, _, g, _| g.clone(), [x]).sum()
    });
    assert!(refusal(|| held.value(&Tensor::constant([1.0]))).contains("a recorded program would keep"));
    let held = record(|x: &Tensor<f64>| {
        let half = x * 0.5;
        custom_gradient(|x| x[0].clone(), move |_, _, g, _| g * &half, [x]).sum()
    });
    assert!(
        refusal(|| held.value_and_grad(&Tensor::constant([1.0]))).contains("a recorded program would keep")
    );
}

#[test]
#[cfg_attr(miri, ignore)] // takes minutes
fn what_is_refused() {
    let x = Tensor::constant([1.0, 2.0]).named("x");
    let reads: [Read; 6] = [
        |x| if x.sum().item() > 0.0 { x.clone() } else { -x },
        |x| Tensor::constant(x.data()),
        |x| x.sort(0, false).0,
        |x| x.index_select(0, x.argmax(0).reshape(&[1]).unwrap()),
        |x| x * no_grad(|| x.exp()).to_string().len() as f64,
        |x| x * x.detach().data().to_vec()[0],
    ];
    for read in reads {
        let why = refusal(|| record(read).value(&x));
        assert!(why.contains("a recorded program would keep it"), "{why}");
    }
    let line = line!() + 1;
    let why = refusal(|| record(|x: &Tensor<f64>| x * x.data().len() as f64).value(&x));
    assert!(why.contains("\"x\"") && why.contains(&format!("tests/replay.rs:{line}")), "{why}");
    let why = refusal(|| record(|x: &Tensor<f64>| x.gather_rows([1])).value(&x));
    assert!(why.starts_with("index_select: ") && why.contains("record_with"), "{why}");
    let why = refusal(|| {
        record(|x: &Tensor<f64>| {
            x.sum().backward();
            x.sum()
        })
        .value(&x)
    });
    assert!(why.starts_with("backward: ") && why.contains("use grad"), "{why}");
    // A refusal leaves nothing behind.
    assert_eq!(x.sum().item(), 3.0);
    assert_eq!((&x * 2.0).op().map(|op| op.name()), None);
}

#[test]
#[cfg_attr(miri, ignore)] // takes minutes
fn constants_are_kept_and_not_differentiated_by() {
    let w = Tensor::new(3.0);
    let f = record({
        let w = w.clone();
        move |x: &Tensor<f64>| x * &w
    });
    let (y, dy) = f.value_and_grad(&Tensor::new(2.0));
    assert_eq!((y.item(), dy.item(), w.grad()), (6.0, 3.0, None));
}

#[test]
#[cfg_attr(miri, ignore)] // takes minutes
fn other_shapes_are_recorded_again_and_the_oldest_forgotten() {
    let runs = std::cell::Cell::new(0);
    let f = record(|x: &Tensor<f64>| {
        runs.set(runs.get() + 1);
        (x * x).sum()
    });
    let at = |n: usize| f.value(&Tensor::constant(Array::ones(&[n]))).item();
    for n in (1..9).chain(1..9) {
        assert_eq!(at(n), n as f64);
    }
    assert_eq!(runs.get(), 8);
    at(9); // 1 goes
    at(2);
    assert_eq!(runs.get(), 9);
    at(1);
    assert_eq!(runs.get(), 10);
}

#[test]
#[cfg_attr(miri, ignore)] // takes minutes
fn inside_others_it_is_the_function() {
    let square = record(|x: &Tensor<f64>| x * x);
    let outer = record(|x: &Tensor<f64>| square.value(x) + square.value_and_grad(x).1);
    for x in [1.0, 3.0] {
        let (y, dy) = outer.value_and_grad(&Tensor::constant(x));
        assert_eq!((y.item(), dy.item()), (x * x + 2.0 * x, 2.0 * x + 2.0));
    }
    let root = record(|x: &Tensor<f64>| where_(x.gt(0.0), x.sqrt(), x));
    let x = Tensor::constant(-4.0);
    assert_eq!(root.value_and_grad(&x).1.item(), 1.0);
    assert!(strict(|| root.value_and_grad(&x).1.item()).is_nan());
}

#[test]
#[cfg_attr(miri, ignore)]
fn threads_do_not_change_the_bits() {
    let f = record(|(a, b): &(Tensor<f32>, Tensor<f32>)| ((a * b).tanh() * a.exp()).mean() + (a + b).sum());
    let mut rng = Rng::new(9);
    let x = (Tensor::constant(rng.normal_array(&[300_007])), Tensor::constant(rng.normal_array(&[300_007])));
    let run = |threads| {
        set_threads(threads);
        let (y, (da, db)) = f.value_and_grad(&x);
        (y.item(), da.data().to_vec(), db.data().to_vec())
    };
    let (one, two) = (run(1), run(2));
    set_threads(0);
    assert!(one == two);
}

#[test]
#[cfg_attr(miri, ignore)] // takes minutes
fn integers_are_computed_again() {
    use femtograd::replay::indices_from;
    let shifted = |by: usize| {
        move |from: &[Indices]| {
            Indices::from_vec(from[0].as_slice().iter().map(|i| i + by).collect::<Vec<_>>(), from[0].shape())
        }
    };
    // The place in a row of all elements, from rows, which are kept, and columns, which are given.
    let f = move |x: &Tensor<f64>, columns: &Indices| {
        let next = indices_from(&[columns], shifted(1));
        let places = indices_from(&[&Indices::from([0, 1]), &next], |from| {
            let (rows, columns) = (from[0].as_slice(), from[1].as_slice());
            rows.iter().zip(columns).map(|(i, j)| 3 * i + j).collect::<Vec<_>>().into()
        });
        x.reshape(&[6]).index_select(0, places.reshape(&[2, 1]).unwrap()).powi(2).sum()
    };
    let replay = record_with(&f);
    let x = Tensor::constant([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]);
    for columns in [[0, 1], [1, 0], [1, 1]] {
        agrees(&f, &replay, &x, &columns.into());
    }
    assert_eq!(replay.value_with(&x, &[0, 1].into()).item(), 2.0 * 2.0 + 6.0 * 6.0);
    let kept = record(move |x: &Tensor<f64>| {
        x.index_select(0, indices_from(&[&Indices::from([0])], shifted(1))).sum()
    });
    assert!(refusal(|| kept.value(&x)).contains("a recorded program would keep these indices"));
}

#[test]
#[cfg_attr(miri, ignore)] // takes minutes
fn the_gradient_is_given_where_there_is_one() {
    let runs = std::cell::Cell::new(0);
    let square = record(|x: &Tensor<f64>| {
        runs.set(runs.get() + 1);
        x * x
    });
    for x in [3.0, 4.0] {
        let (y, dy) = square.try_value_and_grad_with(&Tensor::constant(x), &());
        assert_eq!((y.item(), dy.unwrap().item()), (x * x, 2.0 * x));
    }
    let (y, dy) = square.try_value_and_grad_with(&Tensor::constant([1.0, 2.0]), &());
    assert_eq!((y.to_string(), dy.is_none(), runs.get()), ("[1, 4]".into(), true, 2));
}

#[test]
#[cfg_attr(miri, ignore)] // takes minutes
fn nothing_is_handed_on_from_call_to_call() {
    let before = std::cell::RefCell::new(None);
    let f = record(|x: &Tensor<f64>| {
        let y = match &*before.borrow() {
            Some(before) => x.sum() + before,
            None => x.sum(),
        };
        *before.borrow_mut() = Some(y.clone());
        y
    });
    assert_eq!(f.value(&Tensor::constant([1.0])).item(), 1.0);
    let why = refusal(|| f.value(&Tensor::constant([1.0, 2.0])));
    assert!(why.contains("kept from an earlier call"), "{why}");
}

#[test]
#[cfg_attr(miri, ignore)] // takes minutes
fn what_examples_count_for_is_not_kept() {
    use femtograd::CrossEntropy;
    let weighted =
        |smoothing: f64| CrossEntropy { weights: vec![1.0, 2.0], smoothing, ..CrossEntropy::default() };
    let f = move |x: &Tensor<f64>, classes: &Indices| x.cross_entropy_with(classes, &weighted(0.0));
    let replay = record_with(&f);
    let x = Tensor::constant([[1.0, 2.0], [3.0, 5.0]]);
    for classes in [[0, 1], [1, 1], [0, 0]] {
        agrees(&f, &replay, &x, &classes.into());
    }
    let smoothed =
        record_with(move |x: &Tensor<f64>, classes: &Indices| x.cross_entropy_with(classes, &weighted(0.1)));
    let why = refusal(|| smoothed.value_with(&x, &[0, 1].into()));
    assert!(why.contains("what each example counts for"), "{why}");
}
