//! Shapes and memory layouts: broadcast, empty, single, long, and arrays that do not lie in order.

use crate::cases::{Point, elementwise, empty, single, table};
use crate::compare::{ROUNDING, close, flat};
use crate::{each, everything};
use femtograd::{Array, Tensor, concat};

/// All broadcast against all, so in both orders.
const BROADCAST: [&[usize]; 7] = [&[], &[1], &[3], &[2, 3], &[2, 1], &[1, 3], &[4, 1, 3]];

#[test]
#[cfg_attr(miri, ignore)]
fn every_broadcast() {
    for op in elementwise::<f64>().iter().filter(|op| op.values.len() > 1) {
        let mut combinations: Vec<Vec<&[usize]>> = vec![vec![]];
        for _ in &op.values {
            let longer = |c: &Vec<&'static [usize]>| BROADCAST.map(|shape| [&c[..], &[shape]].concat());
            combinations = combinations.iter().flat_map(longer).collect();
        }
        let cases: Vec<_> = combinations.iter().map(|shapes| op.on(shapes)).collect();
        each(&cases, everything);
    }
}

#[test]
#[cfg_attr(miri, ignore)]
fn without_elements() {
    each(&empty(), everything);
    // What nothing sums, averages, and maximises to; gradients as empty as what they belong to.
    let x = || Tensor::<f64>::new(Array::full(&[2, 0], 0.0));
    let ninf = f64::NEG_INFINITY;
    let results = [
        (x().sum(), 0.0),
        (x().mean(), f64::NAN),
        (x().max(), ninf),
        (x().logsumexp([0, 1]), ninf),
        (x().sum_axes(1), 0.0),
        (x().mean_axes(-1), f64::NAN),
        (x().max_axes(1), ninf),
        (x().logsumexp(1), ninf),
        (x().log_softmax(1), 0.0),
        (x().mse(x()), f64::NAN),
        (x().matmul(&Tensor::new(Array::full(&[0, 3], 0.0))), 0.0),
    ];
    for (y, want) in results {
        let op = y.op().expect("recorded").name();
        assert!(y.data().to_vec().iter().all(|&v| v == want || v.is_nan() && want.is_nan()), "{op}: {y}");
        y.backward_with(Array::full(y.shape(), 1.0));
        let mut leaf = &y;
        while let Some(parent) = leaf.parents().first() {
            leaf = parent;
        }
        assert_eq!(leaf.grad().expect(op).shape(), leaf.shape(), "{op}");
    }
}

#[test]
#[cfg_attr(miri, ignore)]
fn with_one_element() {
    each(&single(), everything);
}

/// Long enough for whole blocks of every kernel and for an end that fills none: bit for bit what one number at a
/// time gives.
#[test]
#[cfg_attr(miri, ignore)]
fn long_arrays_are_many_numbers() {
    let ops = elementwise::<f64>();
    let cases: Vec<_> = ops.iter().map(|op| op.on_all(&[3, 67])).collect();
    each(&cases, |case| {
        let p = Point::of(case);
        p.y.backward_with(p.w.data());
        let (y, w) = (p.y.data().to_vec(), p.w.data().to_vec());
        let leaves: Vec<Vec<f64>> = p.x.iter().map(|x| x.data().to_vec()).collect();
        for (k, &w) in w.iter().enumerate() {
            let x: Vec<_> = leaves.iter().map(|x| Tensor::new(x[k])).collect();
            let one = (case.build)(&x);
            one.backward_with(w);
            close(&format!("value {k}"), one.data(), &Array::scalar(y[k]), 0.0, 0.0)?;
            for (i, (one, all)) in x.iter().zip(&p.x).enumerate() {
                let grad = |x: &Tensor<f64>, k: usize| x.grad().map_or(0.0, |g| g.to_vec()[k]);
                let (a, b) = (Array::scalar(grad(one, 0)), Array::scalar(grad(all, k)));
                close(&format!("gradient {k} by input {i}"), &a, &b, 0.0, 0.0)?;
            }
        }
        Ok(())
    });
}

/// The same numbers, lying differently in memory.
type Layout = fn(&Array<f64>) -> Array<f64>;

/// In the order of the last axis first.
fn transposed(a: &Array<f64>) -> Array<f64> {
    let back: Vec<usize> = (0..a.ndim()).rev().collect();
    a.permute(&back).expect("each axis once").copied().permute(&back).expect("each axis once")
}

/// With gaps, which hold NaN so that nobody reads them unseen.
fn spaced(a: &Array<f64>) -> Array<f64> {
    let Some((&n, rest)) = a.shape().split_last() else { return a.clone() };
    let (values, wide) = (a.to_vec(), 2 * n + 1);
    let number = |i: usize| if i % wide % 2 == 1 { values[i / wide * n + i % wide / 2] } else { f64::NAN };
    let wider = Array::from_fn(&[rest, &[wide]].concat(), number);
    wider.slice(rest.len(), 1, 2, n).expect("inside")
}

/// Along the first axis from the last to the first.
fn reversed(a: &Array<f64>) -> Array<f64> {
    let Some(&n) = a.shape().first() else { return a.clone() };
    let backwards = |a: &Array<f64>| a.slice(0, n.saturating_sub(1), -1, n).expect("inside");
    backwards(&backwards(a).copied())
}

#[test]
#[cfg_attr(miri, ignore)]
fn layouts_make_no_difference() {
    let layouts: [(&str, Layout); 3] =
        [("transposed", transposed), ("spaced", spaced), ("reversed", reversed)];
    each(&table(), |case| {
        let p = Point::of(case);
        p.y.backward_with(p.w.data());
        let grads = |x: &[Tensor<f64>]| flat(&x.iter().filter_map(Tensor::grad).collect::<Vec<_>>());
        for (name, layout) in layouts {
            let x: Vec<_> = p.x.iter().map(|x| Tensor::new(layout(x.data()))).collect();
            let y = (case.build)(&x);
            close(&format!("value, {name}"), y.data(), p.y.data(), ROUNDING, 0.0)?;
            y.backward_with(layout(p.w.data()));
            close(&format!("gradient, {name}"), &grads(&x), &grads(&p.x), ROUNDING, 0.0)?;
        }
        Ok(())
    });
}

/// How an input is cut out of a larger leaf: the tensor that has the input's shape, from the leaf.
type View = fn(&Tensor<f64>) -> Tensor<f64>;

/// A leaf that holds `a` among other numbers, such that a view of it has the values of `a` (or, where the view repeats
/// numbers, at least its shape).
fn leaves(a: &Array<f64>) -> Vec<(&'static str, Tensor<f64>, View)> {
    let mut list: Vec<(&'static str, Tensor<f64>, View)> = vec![];
    let n = a.ndim();
    if n >= 2 {
        let order: Vec<usize> = (0..n - 2).chain([n - 1, n - 2]).collect();
        list.push(("t()", Tensor::new(a.permute(&order).expect("each axis once").copied()), |x| x.t()));
    }
    if n >= 1 {
        let x = Tensor::constant(a);
        let beside = concat([&x, &x, &x], -1);
        list.push(("slice()", Tensor::new(beside.data()), |x| {
            let n = x.shape()[x.shape().len() - 1] / 3;
            x.slice(-1, n..2 * n)
        }));
    }
    if n >= 1 && a.shape()[0] == 2 {
        let row = a.slice(0, 0, 1, 1).expect("a row").copied();
        list.push(("broadcast_to()", Tensor::new(row), |x| {
            x.broadcast_to(&[&[2], &x.shape()[1..]].concat())
        }));
    }
    list
}

#[test]
#[cfg_attr(miri, ignore)]
fn views_are_as_good_as_copies() {
    each(&table(), |case| {
        for (i, a) in case.values().iter().enumerate() {
            for (name, leaf, view) in leaves(a) {
                let part = view(&leaf);
                let copy = Tensor::new(part.data().copied());
                let inputs = |x: &Tensor<f64>| {
                    let mut inputs: Vec<_> = case.values().iter().map(Tensor::constant).collect();
                    inputs[i] = x.clone();
                    inputs
                };
                let (y, z) = ((case.build)(&inputs(&part)), (case.build)(&inputs(&copy)));
                close(&format!("value, {name}"), y.data(), z.data(), ROUNDING, 0.0)?;
                if !y.wants_grad() {
                    continue; // as the condition of a `where`
                }
                let w = Point::of(case).w;
                y.backward_with(w.data());
                z.backward_with(w.data());
                let (Some(by_part), Some(by_copy)) = (part.grad(), copy.grad()) else {
                    return Err(format!("no gradient, {name}"));
                };
                close(&format!("gradient, {name}"), &by_part, &by_copy, ROUNDING, 0.0)?;
                // And on to the leaf, as the view alone does it.
                let alone = Tensor::new(leaf.data());
                view(&alone).backward_with(by_copy);
                let [got, want] = [&leaf, &alone].map(|x| x.grad().expect("a leaf"));
                close(&format!("gradient of the leaf, {name}"), &got, &want, ROUNDING, 0.0)?;
            }
        }
        Ok(())
    });
}
