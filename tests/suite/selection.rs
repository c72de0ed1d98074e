//! What reductions, order and selection promise at the edges: zeros, ties, NaN, ±∞, one element, none.

#![cfg(not(miri))] // minutes: the table has a test for Miri

use femtograd::{Array, Float, Indices, Tensor, gradients, gradients_with, tangent};
use std::panic::{AssertUnwindSafe, catch_unwind};

const INF: f64 = f64::INFINITY;
const NAN: f64 = f64::NAN;

fn wide<T: Float>(a: &Array<T>) -> Vec<f64> {
    a.to_vec().into_iter().map(T::to_f64).collect()
}

fn vector<T: Float>(x: &[f64]) -> Array<T> {
    Array::from_fn(&[x.len()], |i| T::of(x[i]))
}

/// Equal to what a few roundings in `f32` may change.
#[track_caller]
fn same(what: &str, got: &[f64], want: &[f64]) {
    let near = |(a, b): (&f64, &f64)| a == b || a.is_nan() && b.is_nan() || (a - b).abs() <= 1e-6 * b.abs();
    assert!(got.len() == want.len() && got.iter().zip(want).all(near), "{what}: {got:?}, not {want:?}");
}

/// At `x` the value of `f` is `y`, the gradient of `Σ f` is `g` and its Hessian `h`, in every mode. Without an `h` the
/// modes must agree on one that holds no NaN.
#[track_caller]
fn check<T: Float>(f: impl Fn(&Tensor<T>) -> Tensor<T>, x: &[f64], y: &[f64], g: &[f64], h: Option<&[f64]>) {
    let unit = |i| Tensor::constant(Array::from_fn(&[x.len()], |j| T::of((i == j) as u8 as f64)));
    let leaf = Tensor::new(vector(x));
    let value = f(&leaf);
    same("value", &wide(value.data()), y);
    let total = value.sum();
    total.backward();
    same("backward", &wide(&leaf.grad().expect("a leaf")), g);
    let recorded = &gradients(&total, &[&leaf])[0];
    same("recorded", &wide(recorded.data()), g);
    let mut hessian = vec![];
    for (i, &g) in g.iter().enumerate() {
        let slope = tangent(&total, &[(&leaf, &unit(i))]);
        same("forward", &wide(slope.data()), &[g]);
        let row = wide(gradients_with(recorded, &[&leaf], &unit(i))[0].data());
        same("forward over reverse", &wide(tangent(recorded, &[(&leaf, &unit(i))]).data()), &row);
        same("reverse over forward", &wide(gradients(&slope, &[&leaf])[0].data()), &row);
        hessian.extend(row);
    }
    match h {
        Some(h) => same("Hessian", &hessian, h),
        None => assert!(hessian.iter().all(|v| !v.is_nan()), "Hessian: {hessian:?}"),
    }
}

#[test]
fn products_with_zeros() {
    fn all<T: Float>() {
        let prod = Tensor::<T>::prod;
        let h = [0.0, 3.0, 0.0, 3.0, 0.0, 2.0, 0.0, 2.0, 0.0];
        check(prod, &[2.0, 0.0, 3.0], &[0.0], &[0.0, 6.0, 0.0], Some(&h));
        let h = [0.0, 0.0, 2.0, 0.0, 0.0, 0.0, 2.0, 0.0, 0.0];
        check(prod, &[0.0, 2.0, 0.0], &[0.0], &[0.0; 3], Some(&h));
        check(prod, &[0.0; 3], &[0.0], &[0.0; 3], Some(&[0.0; 9]));
        check(prod, &[5.0], &[5.0], &[1.0], Some(&[0.0]));
        check(prod, &[], &[1.0], &[], Some(&[]));
        check(prod, &[INF, 2.0], &[INF], &[2.0, INF], Some(&[0.0, 1.0, 1.0, 0.0]));
        check(prod, &[NAN, 2.0], &[NAN], &[2.0, NAN], Some(&[0.0, 1.0, 1.0, 0.0]));
        // x, xy, xyz
        let cumprod = |x: &Tensor<T>| x.cumprod(0);
        let h = [0.0, 4.0, 0.0, 4.0, 0.0, 2.0, 0.0, 2.0, 0.0];
        check(cumprod, &[2.0, 0.0, 3.0], &[2.0, 0.0, 0.0], &[1.0, 8.0, 0.0], Some(&h));
        let h = [0.0, 1.0, 2.0, 1.0, 0.0, 0.0, 2.0, 0.0, 0.0];
        check(cumprod, &[0.0, 2.0, 0.0], &[0.0; 3], &[3.0, 0.0, 0.0], Some(&h));
        check(cumprod, &[], &[], &[], Some(&[]));
        let cumsum = |x: &Tensor<T>| x.cumsum(0);
        check(cumsum, &[1.0, INF, -INF], &[1.0, INF, NAN], &[3.0, 2.0, 1.0], Some(&[0.0; 9]));
        check(cumsum, &[], &[], &[], Some(&[]));
    }
    all::<f32>();
    all::<f64>();
}

#[test]
fn minima_share_and_positions_do_not() {
    fn all<T: Float>() {
        let min = Tensor::<T>::min;
        check(min, &[1.0, 2.0, 1.0], &[1.0], &[0.5, 0.0, 0.5], Some(&[0.0; 9]));
        check(min, &[INF, INF], &[INF], &[0.5, 0.5], Some(&[0.0; 4]));
        check(min, &[], &[INF], &[], Some(&[]));
        assert!(min(&Tensor::new(vector(&[1.0, NAN, 0.0]))).item().to_f64().is_nan());
        let max = |x: &Tensor<T>| x.max_with_positions(0).0;
        check(max, &[1.0, 2.0, 2.0], &[2.0], &[0.0, 1.0, 0.0], Some(&[0.0; 9]));
        check(max, &[2.0, NAN, NAN], &[NAN], &[0.0, 1.0, 0.0], Some(&[0.0; 9]));
        check(max, &[-INF, -INF], &[-INF], &[1.0, 0.0], Some(&[0.0; 4]));
        check(max, &[-0.0, 0.0], &[0.0], &[1.0, 0.0], Some(&[0.0; 4]));
        let min = |x: &Tensor<T>| x.min_with_positions(0).0;
        check(min, &[1.0, 2.0, 1.0], &[1.0], &[1.0, 0.0, 0.0], Some(&[0.0; 9]));
        check(min, &[2.0, NAN, -INF], &[NAN], &[0.0, 1.0, 0.0], Some(&[0.0; 9]));
    }
    all::<f32>();
    all::<f64>();
}

#[test]
fn spread_of_few_or_equal_numbers() {
    fn all<T: Float>() {
        let (var, std) = (|x: &Tensor<T>| x.var(1), |x: &Tensor<T>| x.std(1));
        let h = [2.0, -1.0, -1.0, -1.0, 2.0, -1.0, -1.0, -1.0, 2.0].map(|v| v / 3.0);
        check(var, &[0.1; 3], &[0.0], &[0.0; 3], Some(&h));
        check(var, &[], &[NAN], &[], Some(&[]));
        check(std, &[0.1; 3], &[0.0], &[0.0; 3], Some(&[0.0; 9]));
        check(std, &[1.0, 3.0], &[2f64.sqrt()], &[-0.5f64.sqrt(), 0.5f64.sqrt()], None);
        check(std, &[], &[NAN], &[], Some(&[]));
        let (s, g) = (2f64.powi(100), 1.0 / 6f64.sqrt());
        check(|x: &Tensor<T>| x.std(0), &[s, 3.0 * s, 2.0 * s], &[2.0 * g * s], &[-g, g, 0.0], None);
        check(|x: &Tensor<T>| x.std(0), &[5.0], &[0.0], &[0.0], Some(&[0.0]));
        check(|x: &Tensor<T>| x.var(0), &[5.0], &[0.0], &[0.0], Some(&[0.0]));
        // Of one number the unbiased estimates are 0/0, whichever it is: no slope.
        for f in [var, std] {
            let x = Tensor::new(vector(&[5.0]));
            let y = f(&x);
            y.backward();
            same("one number", &[y.item().to_f64(), x.grad().unwrap().item().to_f64()], &[NAN, 0.0]);
        }
    }
    all::<f32>();
    all::<f64>();
}

#[test]
fn norms_at_zero_and_infinity() {
    fn all<T: Float>() {
        let norm = |p: f64| move |x: &Tensor<T>| x.norm(T::of(p));
        for p in [1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 0.5, -1.0, -0.5, INF, -INF, 0.0] {
            check(norm(p), &[0.0, -0.0], &[0.0], &[0.0, 0.0], Some(&[0.0; 4]));
            check(norm(p), &[3.0], &[if p == 0.0 { 1.0 } else { 3.0 }], &[(p != 0.0) as u8 as f64], None);
            check(norm(p), &[], &[if p < 0.0 { INF } else { 0.0 }], &[], Some(&[]));
            let y = norm(p)(&Tensor::new(vector(&[1.0, NAN]))).item().to_f64();
            assert!(if p == 0.0 { y == 2.0 } else { y.is_nan() }, "norm {p} of NaN: {y}");
        }
        // By an element 0, of a vector that is not.
        check(norm(2.0), &[0.0, 3.0], &[3.0], &[0.0, 1.0], Some(&[1.0 / 3.0, 0.0, 0.0, 0.0]));
        check(norm(3.0), &[0.0, 3.0], &[3.0], &[0.0, 1.0], Some(&[0.0; 4]));
        check(norm(2.5), &[0.0, 3.0], &[3.0], &[0.0, 1.0], Some(&[0.0; 4]));
        check(norm(1.5), &[0.0, 3.0], &[3.0], &[0.0, 1.0], Some(&[INF, 0.0, 0.0, 0.0]));
        check(norm(1.0), &[0.0, -3.0], &[3.0], &[0.0, -1.0], Some(&[0.0; 4]));
        check(norm(0.5), &[0.0, 3.0], &[3.0], &[0.0, 1.0], Some(&[0.0; 4]));
        check(norm(-1.0), &[0.0, 3.0], &[0.0], &[0.0, 0.0], Some(&[0.0; 4]));
        check(norm(INF), &[-3.0, 3.0], &[3.0], &[-0.5, 0.5], Some(&[0.0; 4]));
        check(norm(-INF), &[-3.0, 3.0], &[3.0], &[-0.5, 0.5], Some(&[0.0; 4]));
        check(norm(0.0), &[0.0, 3.0], &[1.0], &[0.0, 0.0], Some(&[0.0; 4]));
        for p in [1.0, 1.5, 2.0, 3.0, INF] {
            let by_one = if p == 1.0 { 1.0 } else { 0.0 };
            check(norm(p), &[-INF, 1.0], &[INF], &[-1.0, by_one], Some(&[0.0; 4]));
        }
        // What a plain sum of squares cannot hold.
        let large = if T::NAME == "f32" { 1e30 } else { 1e300 };
        for scale in [large, 1.0 / large] {
            let [a, b] = [3.0 * scale, -4.0 * scale];
            check(norm(2.0), &[a, b], &[5.0 * scale], &[0.6, -0.8], None);
            check(norm(3.0), &[a, a], &[a * 2f64.cbrt()], &[0.25f64.cbrt(), 0.25f64.cbrt()], None);
            check(norm(-2.0), &[a, a], &[a / 2f64.sqrt()], &[0.125f64.sqrt(), 0.125f64.sqrt()], None);
        }
    }
    all::<f32>();
    all::<f64>();
}

#[test]
fn order_of_ties_and_nan() {
    let x = Tensor::new([2.0, NAN, 0.0, -0.0, 2.0, -INF, NAN]);
    assert_eq!(x.argsort(0, false).as_slice(), [5, 2, 3, 0, 4, 1, 6]);
    assert_eq!(x.argsort(0, true).as_slice(), [1, 6, 0, 4, 2, 3, 5]);
    for k in 0..=7 {
        assert_eq!(x.topk(k, 0).1.as_slice(), &x.argsort(0, true).as_slice()[..k]);
    }
    assert_eq!((x.argmax(0).as_slice(), x.argmin(0).as_slice()), (&[1][..], &[1][..]));
    let m = Tensor::new([[1.0, 5.0, 5.0], [4.0, 0.0, 0.0]]);
    assert_eq!(m.argmax(1), Indices::from([1, 0]));
    assert_eq!(m.argmax(0), Indices::from([1, 0, 0]));
    assert_eq!(m.argmin(-1), Indices::from([0, 1]));
    let (sorted, places) = m.sort(1, true);
    assert_eq!(
        (sorted.to_string(), places.to_string()),
        ("[[5, 5, 1], [4, 0, 0]]".into(), "[[1, 2, 0], [0, 1, 2]]".into())
    );
    assert_eq!(Tensor::new(Array::full(&[0, 3], 0.0)).argmax(1).shape(), [0]);
}

#[test]
fn mistakes_say_what_to_change() {
    let x = Tensor::new([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]);
    let none = Tensor::new(Array::full(&[2, 0], 0.0));
    let s = Tensor::new([[1.0, 2.0]]);
    // What a message begins with, what it must hold, and the mistake.
    type Mistake<'a> = (&'a str, &'a [&'a str], &'a dyn Fn());
    let mistakes: [Mistake; 14] = [
        ("index_select", &["index 3 at [1]", "axis 1", "[2, 3]"], &|| drop(x.index_select(1, [0, 3]))),
        ("index_select", &["no axis 2"], &|| drop(x.index_select(2, [0]))),
        ("gather_rows", &["no axis 0"], &|| drop(x.sum().gather_rows([0]))),
        ("take_along_axis", &["index 7 at [1, 0]", "axis 1"], &|| drop(x.take_along_axis([[0], [7]], 1))),
        ("take_along_axis", &["[1, 1]", "along axis 1 only"], &|| drop(x.take_along_axis([[0]], 1))),
        ("take_along_axis", &["[1]", "[2, 3]"], &|| drop(x.take_along_axis([0], 1))),
        ("scatter_add", &["[1, 2]", "[2, 2]"], &|| drop(x.scatter_add(1, [[0, 0], [0, 0]], &s))),
        ("scatter_add", &["[1, 2]", "[2, 3]"], &|| drop(x.scatter_add(1, [[0, 0]], &s))),
        ("argmax", &["axis 1", "no elements to choose from"], &|| drop(none.argmax(1))),
        ("min_with_positions", &["no elements to choose from"], &|| drop(none.min_with_positions(1))),
        ("topk", &["axis 1", "fewer than 4"], &|| drop(x.topk(4, 1))),
        ("norm", &["NaN"], &|| drop(x.norm(NAN))),
        ("cumprod", &["no axis 5"], &|| drop(x.cumprod(5))),
        ("prod", &["named twice"], &|| drop(x.prod_axes([0, -2]))),
    ];
    for (op, parts, mistake) in mistakes {
        let payload = catch_unwind(AssertUnwindSafe(mistake)).expect_err(op);
        let message = *payload.downcast::<String>().expect("a message");
        assert!(message.starts_with(op) && message.contains(file!()), "{op}: {message}");
        parts.iter().for_each(|part| assert!(message.contains(part), "{part} is not in {message}"));
    }
}

#[test]
fn every_node_is_the_users_line() {
    let x = Tensor::new([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]);
    let here = line!();
    let made = [
        x.min(), // here + 2
        x.prod_axes(0),
        x.prod_axes(1),
        x.cumsum(1),
        x.cumprod(1),
        x.var(1),
        x.std_axes(0, 1),
        x.norm(2.0),
        x.norm(0.0),
        x.norm_keepdims(INF, 0),
        x.logsumexp_keepdims(..),
        x.index_select(1, [0]),
        x.take_along_axis([[0], [1]], 1),
        x.scatter_add(1, [[0], [1]], &x.slice(1, ..1)),
        x.masked_fill(x.gt(2.0), 0.0),
        x.max_with_positions(0).0,
        x.sort(0, false).0,
        x.topk(1, 0).0,
    ];
    for (i, t) in made.iter().enumerate() {
        let mut waiting = vec![t.clone()];
        while let Some(t) = waiting.pop().filter(|t| t.id() != x.id()) {
            assert_eq!((t.location().file(), t.location().line()), (file!(), here + 2 + i as u32), "{t:?}");
            waiting.extend(t.parents().iter().filter(|p| p.id() != x.id()).cloned());
        }
    }
}
