//! Checks of a case as a whole: all ways to the same derivative must agree, with each other and with differences.

use crate::cases::{Case, Point, elementwise, table};
use crate::compare::{Outcome, ROUNDING, close, equal, flat, inner, is_slope, step};
use crate::each;
use femtograd::{Array, Float, Tensor, gradients, gradients_with, no_grad, stack, tangent};

/// The output for these inputs, not recorded.
fn output(case: &Case<f64>, x: &[Array<f64>]) -> Array<f64> {
    no_grad(|| (case.build)(&x.iter().map(Tensor::constant).collect::<Vec<_>>()).data().clone())
}

/// The gradient by each input for the cotangent `w`, by `backward_with`; zero where the output does not reach it.
fn pulled<T: Float>(case: &Case<T>, x: &[Tensor<T>], w: &Array<T>) -> Vec<Array<T>> {
    (case.build)(x).backward_with(w);
    x.iter().map(|x| x.grad().unwrap_or_else(|| Array::full(x.shape(), T::ZERO))).collect()
}

fn data<T: Float>(tensors: &[Tensor<T>]) -> Vec<Array<T>> {
    tensors.iter().map(|t| t.data().clone()).collect()
}

/// An elementwise op's value is that of its formula, under NumPy's broadcasting.
pub fn value(case: &Case<f64>) -> Outcome {
    let Some(formula) = &case.formula else { return Ok(()) };
    let x = case.values();
    let y = output(case, &x);
    let element = |mut at: usize| {
        // From the last axis to the first: the place in `y`, and in each input that has this axis.
        let mut places = vec![(0, 1); x.len()];
        for (back, &n) in y.shape().iter().rev().enumerate() {
            for (x, (place, stride)) in x.iter().zip(&mut places) {
                if let Some(&length) = x.shape().iter().rev().nth(back) {
                    *place += if length == 1 { 0 } else { at % n * *stride };
                    *stride *= length;
                }
            }
            at /= n;
        }
        formula(&x.iter().zip(places).map(|(x, (place, _))| x.to_vec()[place]).collect::<Vec<_>>())
    };
    close("value against formula", &y, &Array::from_fn(y.shape(), element), ROUNDING, 0.0)
}

/// Reverse mode with bare numbers (`backward_with`, fused kernels) is reverse mode recorded (`vjp`); and the derivative
/// of `⟨Jᵀ·w, v⟩` by `w`, through what was recorded, is forward mode.
pub fn all_ways_agree(case: &Case<f64>) -> Outcome {
    let p = Point::of(case);
    let (reverse, forward) = (p.reverse(), p.forward());
    let fused = pulled(case, &p.x, p.w.data());
    close("backward against vjp", &flat(&fused), &flat(&data(&reverse)), ROUNDING, 0.0)?;
    let tangent = p.second(&reverse).pop().expect("the gradient by w");
    close("gradient by the cotangent", tangent.data(), forward.data(), ROUNDING, 0.0)
}

/// Reverse mode against differences, one input element at a time.
pub fn gradient(case: &Case<f64>) -> Outcome {
    let p = Point::of(case);
    let g = pulled(case, &p.x, p.w.data());
    let x = case.values();
    for (i, g) in g.iter().enumerate() {
        let output_at = |k: usize, s: f64| {
            let unit = Array::from_fn(g.shape(), |j| (j == k) as u8 as f64);
            let mut x = x.clone();
            x[i] = step(&x[i], &unit, s);
            inner([(&output(case, &x), p.w.data())]).0
        };
        is_slope(&format!("gradient by input {i}"), g, |s| Array::from_fn(g.shape(), |k| output_at(k, s)))?;
    }
    Ok(())
}

/// Forward mode: along one input or all, dual to reverse mode, and equal to differences.
pub fn forward_mode(case: &Case<f64>) -> Outcome {
    let p = Point::of(case);
    let (g, x) = (data(&p.reverse()), case.values());
    let mut directions: Vec<Vec<usize>> = (0..x.len()).map(|i| vec![i]).collect();
    directions.push((0..x.len()).collect());
    for moving in directions {
        let along: Vec<_> = moving.iter().map(|&i| (&p.x[i], &p.v[i])).collect();
        let dy = tangent(&p.y, &along);
        let dual = equal(
            "duality",
            inner([(p.w.data(), dy.data())]),
            inner(moving.iter().map(|&i| (&g[i], p.v[i].data()))),
        );
        dual.map_err(|why| format!("along {moving:?}: {why}"))?;
        is_slope(&format!("jvp along {moving:?}"), dy.data(), |s| {
            let mut x = x.clone();
            moving.iter().for_each(|&i| x[i] = step(&x[i], p.v[i].data(), s));
            output(case, &x)
        })?;
    }
    Ok(())
}

/// The second derivative of `⟨w, y⟩` along `v`: reverse over reverse, forward over reverse, reverse over forward and
/// forward over forward, against each other and against differences of the gradient.
pub fn second_order(case: &Case<f64>) -> Outcome {
    let p = Point::of(case);
    let (reverse, forward) = (p.reverse(), p.forward());
    let mut second = data(&p.second(&reverse));
    second.pop().expect("the gradient by w");
    let x = case.values();
    is_slope("reverse over reverse", &flat(&second), |s| {
        let moved = x.iter().zip(&p.v).map(|(x, v)| Tensor::new(step(x, v.data(), s)));
        flat(&pulled(case, &moved.collect::<Vec<_>>(), p.w.data()))
    })?;
    let over_reverse: Vec<_> = reverse.iter().map(|g| tangent(g, &p.along()).data().clone()).collect();
    close("forward over reverse", &flat(&over_reverse), &flat(&second), ROUNDING, 0.0)?;
    let over_forward = data(&gradients(&(&forward * &p.w).sum(), &p.xs()));
    close("reverse over forward", &flat(&over_forward), &flat(&second), ROUNDING, 0.0)?;
    let forward_twice = tangent(&forward, &p.along());
    equal(
        "forward over forward",
        inner([(p.w.data(), forward_twice.data())]),
        inner(second.iter().zip(p.v.iter().map(Tensor::data))),
    )
}

/// Value, gradient, tangent and second derivative.
fn all<T: Float>(case: &Case<T>) -> [Array<f64>; 4] {
    let p = Point::of(case);
    let second = data(&p.second(&p.reverse()));
    [
        flat(&data(std::slice::from_ref(&p.y))),
        flat(&pulled(case, &p.x, p.w.data())),
        flat(&data(&[p.forward()])),
        flat(&second),
    ]
}

#[test]
#[cfg_attr(miri, ignore)] // much arithmetic, nothing new
fn values_are_those_of_the_formulas() {
    each(&table(), value);
}

#[test]
#[cfg_attr(miri, ignore)]
fn fused_and_recorded_derivatives_agree() {
    each(&table(), all_ways_agree);
}

#[test]
#[cfg_attr(miri, ignore)]
fn reverse_mode_agrees_with_differences() {
    each(&table(), gradient);
}

#[test]
#[cfg_attr(miri, ignore)]
fn forward_mode_agrees_with_reverse_mode() {
    each(&table(), forward_mode);
}

#[test]
#[cfg_attr(miri, ignore)]
fn second_derivatives_agree_whichever_way() {
    each(&table(), second_order);
}

#[test]
#[cfg_attr(miri, ignore)]
fn f32_agrees_with_f64() {
    let single = table::<f32>();
    each(&table(), |case| {
        let other = single.iter().find(|other| other.name == case.name).expect("the same table");
        let what = ["value", "gradient", "tangent", "second derivative"];
        let pairs = what.iter().zip(all(other)).zip(all(case));
        pairs.into_iter().try_for_each(|((what, a), b)| close(what, &a, &b, 1e-4, 1e-5))
    });
}

/// At kinks, infinities and NaN, where differences say nothing, the fused and the recorded reverse rule and the forward
/// rule still multiply any cotangent (or tangent) with the same slope, by the same strong zero.
#[test]
#[cfg_attr(miri, ignore)]
fn all_ways_agree_on_special_numbers() {
    const SPECIAL: [f64; 8] = [f64::NEG_INFINITY, -1.0, -0.0, 0.0, 0.5, 1.0, f64::INFINITY, f64::NAN];
    // Forwards, ops that choose do so rather than multiply by 0: what is not chosen may then be NaN one way only.
    let differ = |a: &Array<f64>, b: &Array<f64>, chooses: bool| {
        let differ = |(a, b): (f64, f64)| {
            a != b && !(a.is_nan() && b.is_nan()) && !(chooses && (a.is_nan() || b.is_nan()))
        };
        a.to_vec().into_iter().zip(b.to_vec()).position(differ)
    };
    let mut failures = vec![];
    for op in elementwise::<f64>() {
        // All combinations of special arguments.
        let n = op.values.len() as u32;
        let shape = [SPECIAL.len().pow(n)];
        let case = op.on_all(&shape);
        let chooses = ["where", "chain"].iter().any(|name| case.name.starts_with(name));
        let argument = |i| Array::from_fn(&shape, |k| SPECIAL[k / SPECIAL.len().pow(i) % SPECIAL.len()]);
        for w in [1.0, -2.0, 0.0, f64::INFINITY, f64::NAN] {
            let x: Vec<_> = (0..n).map(|i| Tensor::new(argument(i))).collect();
            let (y, w) = ((case.build)(&x), Array::full(&shape, w));
            let fused = pulled(&case, &x, &w);
            let recorded = gradients_with(&y, &x.iter().collect::<Vec<_>>(), &Tensor::constant(&w));
            for ((x_i, fused), recorded) in x.iter().zip(&fused).zip(&recorded) {
                let forward = tangent(&y, &[(x_i, &Tensor::constant(&w))]);
                for (way, other) in [("recorded", recorded), ("forward", &forward)] {
                    if let Some(k) = differ(fused, other.data(), chooses && way == "forward") {
                        let at: Vec<_> = x.iter().map(|x| x.data().at(&[k])).collect();
                        let (a, b, w) = (fused.at(&[k]), other.data().at(&[k]), w.at(&[k]));
                        failures.push(format!(
                            "{} at {at:?}, {w} times the slope: {a} fused, {b} {way}",
                            case.name
                        ));
                    }
                }
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn comparisons_are_those_of_numbers() {
    for a in [-1.0, -0.0, 0.0, 1.0, f64::NAN] {
        for b in [-1.0, -0.0, 0.0, 1.0, f64::NAN] {
            let (x, y) = (Tensor::new(a), Tensor::new(b));
            let got = [x.lt(&y), x.le(&y), x.gt(&y), x.ge(&y), x.equals(&y)].map(|mask| mask.item() == 1.0);
            assert_eq!(got, [a < b, a <= b, a > b, a >= b, a == b], "{a} and {b}");
        }
    }
}

/// The slopes that the ops' documentation promises where there is no derivative.
#[test]
fn slopes_at_kinks_are_the_documented_ones() {
    type F = fn(&[Tensor<f64>]) -> Tensor<f64>;
    let kinks: [(&str, F, &[f64], &[f64]); 10] = [
        ("abs", |x| x[0].abs(), &[0.0], &[0.0]),
        ("relu", |x| x[0].relu(), &[0.0], &[0.0]),
        ("sqrt", |x| x[0].sqrt(), &[0.0], &[f64::INFINITY]),
        ("maximum", |x| x[0].maximum(&x[1]), &[2.0, 2.0], &[0.0, 1.0]),
        ("minimum", |x| x[0].minimum(&x[1]), &[2.0, 2.0], &[0.0, 1.0]),
        ("powi 0", |x| x[0].powi(0), &[0.0], &[0.0]),
        ("powi 1", |x| x[0].powi(1), &[0.0], &[1.0]),
        ("pow", |x| x[0].pow(&x[1]), &[0.0, 2.0], &[0.0, 0.0]),
        ("pow 0", |x| x[0].pow(&x[1]), &[0.0, 0.0], &[0.0, 0.0]),
        ("max", |x| stack(x, 0).max(), &[3.0, 1.0, 3.0], &[0.5, 0.0, 0.5]),
    ];
    for (name, f, at, slopes) in kinks {
        let x: Vec<_> = at.iter().map(|&v| Tensor::new(v)).collect();
        f(&x).backward();
        let got: Vec<_> = x.iter().map(|x| x.grad().expect(name).item()).collect();
        assert_eq!(got, slopes, "{name} at {at:?}");
    }
}
