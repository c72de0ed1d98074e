//! Elementwise functions at their ends and kinks: value, slope and curvature where a limit, or the documented choice,
//! says what they are. Derivatives are taken in every way there is, by both modes and in both precisions.

use femtograd::{Array, Float, Tensor, gradients_with, tangent, where_};
use std::f64::consts::{FRAC_2_SQRT_PI, FRAC_PI_2, FRAC_PI_4, LN_2, PI};

const INF: f64 = f64::INFINITY;
const NAN: f64 = f64::NAN;

/// The same number, to rounding; NaN is NaN.
fn same<T: Float>(a: T, want: f64) -> bool {
    let (a, near) = (a.to_f64(), 8.0 * T::EPSILON.to_f64());
    a == want || (a.is_nan() && want.is_nan()) || (a - want).abs() <= near * want.abs()
}

type Unary<T> = fn(&Tensor<T>) -> Tensor<T>;
/// A function's name, the function, and at some arguments its value, slope and curvature.
type Rows<T> = Vec<(&'static str, Unary<T>, Vec<(f64, [f64; 3])>)>;

fn unary<T: Float>() -> Rows<T> {
    // Activations that are 0 at −∞ and x at ∞, from their slope and curvature at 0.
    let gate = |slope, curvature| {
        let mut rows = vec![(0.0, [0.0, slope, curvature]), (-0.0, [0.0, slope, curvature])];
        rows.extend([-INF, -1e30, -1000.0].map(|x| (x, [0.0, 0.0, 0.0])));
        rows.extend([1000.0, 1e30, INF].map(|x| (x, [x, 1.0, 0.0])));
        rows
    };
    let logarithm = vec![
        (0.0, [-INF, INF, -INF]),
        (-0.0, [-INF, INF, -INF]),
        (1.0, [0.0, 1.0, -1.0]),
        (INF, [INF, 0.0, 0.0]),
    ];
    let scaled =
        |rows: &[(f64, [f64; 3])], s: f64| rows.iter().map(|(x, y)| (*x, y.map(|y| y * s))).collect();
    let flat = |values: [f64; 5]| {
        let x = [-INF, -1.5, -0.0, 2.5, INF];
        x.into_iter().zip(values).map(|(x, y)| (x, [y, 0.0, 0.0])).collect::<Vec<_>>()
    };
    let phi = FRAC_2_SQRT_PI * 0.5f64.sqrt(); // √(2/π)
    let elu = |alpha: f64| {
        let mut rows =
            vec![(0.0, [0.0, alpha, alpha]), (-0.0, [0.0, alpha, alpha]), (-INF, [-alpha, 0.0, 0.0])];
        rows.extend([1000.0, INF].map(|x| (x, [x, 1.0, 0.0])));
        rows
    };
    vec![
        ("abs", |x| x.abs(), vec![(0.0, [0.0, 0.0, 0.0]), (-INF, [INF, -1.0, 0.0])]),
        ("exp", |x| x.exp(), vec![(-INF, [0.0, 0.0, 0.0]), (-1e30, [0.0; 3]), (INF, [INF, INF, INF])]),
        (
            "exp_m1",
            |x| x.exp_m1(),
            vec![
                (-INF, [-1.0, 0.0, 0.0]),
                (0.0, [0.0, 1.0, 1.0]),
                (1e-12, [1e-12 + 5e-25, 1.0 + 1e-12, 1.0 + 1e-12]),
                (INF, [INF, INF, INF]),
            ],
        ),
        ("ln", |x| x.ln(), logarithm.clone()),
        ("log2", |x| x.log2(), scaled(&logarithm, 1.0 / LN_2)),
        ("log10", |x| x.log10(), scaled(&logarithm, 1.0 / 10f64.ln())),
        (
            "ln_1p",
            |x| x.ln_1p(),
            vec![
                (-1.0, [-INF, INF, -INF]),
                (0.0, [0.0, 1.0, -1.0]),
                (1e-12, [1e-12 - 5e-25, 1.0 - 1e-12, 2e-12 - 1.0]),
                (INF, [INF, 0.0, 0.0]),
            ],
        ),
        (
            "sqrt",
            |x| x.sqrt(),
            vec![(0.0, [0.0, INF, -INF]), (-0.0, [0.0, INF, -INF]), (INF, [INF, 0.0, 0.0])],
        ),
        ("rsqrt", |x| x.rsqrt(), vec![(0.0, [INF, -INF, INF]), (INF, [0.0, 0.0, 0.0])]),
        (
            "recip",
            |x| x.recip(),
            vec![
                (0.0, [INF, -INF, INF]),
                (-0.0, [-INF, -INF, -INF]),
                (INF, [0.0, 0.0, 0.0]),
                (-INF, [0.0, 0.0, 0.0]),
            ],
        ),
        ("square", |x| x.square(), vec![(0.0, [0.0, 0.0, 2.0]), (-INF, [INF, -INF, 2.0])]),
        ("powi 0", |x| x.powi(0), [0.0, -0.0, INF, NAN].map(|x| (x, [1.0, 0.0, 0.0])).to_vec()),
        ("powi 1", |x| x.powi(1), vec![(0.0, [0.0, 1.0, 0.0]), (INF, [INF, 1.0, 0.0])]),
        ("powi −1", |x| x.powi(-1), vec![(0.0, [INF, -INF, INF]), (INF, [0.0, 0.0, 0.0])]),
        ("powf ½", |x| x.powf(T::of(0.5)), vec![(0.0, [0.0, INF, -INF]), (INF, [INF, 0.0, 0.0])]),
        // x ↦ x², the exponents in a tensor.
        (
            "pow [2]",
            |x| x.pow(Tensor::constant([T::of(2.0)])),
            vec![(-2.0, [4.0, -4.0, 2.0]), (0.0, [0.0, 0.0, 2.0])],
        ),
        (
            "pow [0]",
            |x| x.pow(Tensor::constant([T::ZERO])),
            vec![(0.0, [1.0, 0.0, 0.0]), (-2.0, [1.0, 0.0, 0.0])],
        ),
        ("0ˣ", |x| Tensor::constant([T::ZERO]).pow(x), vec![(2.0, [0.0, 0.0, 0.0]), (0.0, [1.0, 0.0, 0.0])]),
        ("xˣ", |x| x.pow(x), vec![(0.0, [1.0, 0.0, 0.0]), (1.0, [1.0, 1.0, 2.0])]),
        ("tan", |x| x.tan(), vec![(0.0, [0.0, 1.0, 0.0]), (-0.0, [0.0, 1.0, 0.0])]),
        (
            "asin",
            |x| x.asin(),
            vec![(-1.0, [-FRAC_PI_2, INF, -INF]), (0.0, [0.0, 1.0, 0.0]), (1.0, [FRAC_PI_2, INF, INF])],
        ),
        (
            "acos",
            |x| x.acos(),
            vec![(-1.0, [PI, -INF, INF]), (0.0, [FRAC_PI_2, -1.0, 0.0]), (1.0, [0.0, -INF, -INF])],
        ),
        (
            "atan",
            |x| x.atan(),
            vec![
                (0.0, [0.0, 1.0, 0.0]),
                (-1e200, [-FRAC_PI_2, 0.0, 0.0]),
                (INF, [FRAC_PI_2, 0.0, 0.0]),
                (-INF, [-FRAC_PI_2, 0.0, 0.0]),
            ],
        ),
        (
            "sinh",
            |x| x.sinh(),
            vec![(0.0, [0.0, 1.0, 0.0]), (INF, [INF, INF, INF]), (-INF, [-INF, INF, -INF])],
        ),
        (
            "cosh",
            |x| x.cosh(),
            vec![(0.0, [1.0, 0.0, 1.0]), (INF, [INF, INF, INF]), (-INF, [INF, -INF, INF])],
        ),
        (
            "tanh",
            |x| x.tanh(),
            vec![(0.0, [0.0, 1.0, 0.0]), (INF, [1.0, 0.0, 0.0]), (-INF, [-1.0, 0.0, 0.0])],
        ),
        (
            "asinh",
            |x| x.asinh(),
            vec![(0.0, [0.0, 1.0, 0.0]), (INF, [INF, 0.0, 0.0]), (-INF, [-INF, 0.0, 0.0])],
        ),
        ("acosh", |x| x.acosh(), vec![(1.0, [0.0, INF, -INF]), (INF, [INF, 0.0, 0.0])]),
        (
            "atanh",
            |x| x.atanh(),
            vec![(-1.0, [-INF, INF, -INF]), (0.0, [0.0, 1.0, 0.0]), (1.0, [INF, INF, INF])],
        ),
        ("sign", |x| x.sign(), flat([-1.0, -1.0, 0.0, 1.0, 1.0])),
        ("floor", |x| x.floor(), flat([-INF, -2.0, 0.0, 2.0, INF])),
        ("ceil", |x| x.ceil(), flat([-INF, -1.0, 0.0, 3.0, INF])),
        ("round", |x| x.round(), flat([-INF, -2.0, 0.0, 2.0, INF])),
        ("trunc", |x| x.trunc(), flat([-INF, -1.0, 0.0, 2.0, INF])),
        (
            "sigmoid",
            |x| x.sigmoid(),
            vec![
                (0.0, [0.5, 0.25, 0.0]),
                (-INF, [0.0, 0.0, 0.0]),
                (-1000.0, [0.0, 0.0, 0.0]),
                (1000.0, [1.0, 0.0, 0.0]),
                (INF, [1.0, 0.0, 0.0]),
            ],
        ),
        (
            "logit",
            |x| x.logit(),
            vec![
                (0.0, [-INF, INF, -INF]),
                (-0.0, [-INF, INF, -INF]),
                (0.5, [0.0, 4.0, 0.0]),
                (1.0, [INF, INF, INF]),
            ],
        ),
        (
            "softplus",
            |x| x.softplus(),
            vec![
                (0.0, [LN_2, 0.5, 0.25]),
                (-INF, [0.0, 0.0, 0.0]),
                (-1000.0, [0.0, 0.0, 0.0]),
                (1000.0, [1000.0, 1.0, 0.0]),
                (INF, [INF, 1.0, 0.0]),
            ],
        ),
        (
            "log_sigmoid",
            |x| x.log_sigmoid(),
            vec![
                (0.0, [-LN_2, 0.5, -0.25]),
                (-INF, [-INF, 1.0, 0.0]),
                (-1000.0, [-1000.0, 1.0, 0.0]),
                (1000.0, [0.0, 0.0, 0.0]),
                (INF, [0.0, 0.0, 0.0]),
            ],
        ),
        (
            "erf",
            |x| x.erf(),
            vec![(0.0, [0.0, FRAC_2_SQRT_PI, 0.0]), (INF, [1.0, 0.0, 0.0]), (-INF, [-1.0, 0.0, 0.0])],
        ),
        (
            "erfc",
            |x| x.erfc(),
            vec![(0.0, [1.0, -FRAC_2_SQRT_PI, 0.0]), (INF, [0.0, 0.0, 0.0]), (-INF, [2.0, 0.0, 0.0])],
        ),
        ("relu", |x| x.relu(), gate(0.0, 0.0)),
        ("leaky_relu 0", |x| x.leaky_relu(T::ZERO), gate(0.0, 0.0)),
        (
            "leaky_relu",
            |x| x.leaky_relu(T::of(0.25)),
            vec![(0.0, [0.0, 0.25, 0.0]), (-INF, [-INF, 0.25, 0.0]), (INF, [INF, 1.0, 0.0])],
        ),
        ("gelu", |x| x.gelu(), gate(0.5, phi)),
        ("gelu_tanh", |x| x.gelu_tanh(), gate(0.5, phi)),
        ("silu", |x| x.silu(), gate(0.5, 0.5)),
        ("mish", |x| x.mish(), gate(0.6, 0.64)),
        ("elu 1", |x| x.elu(T::ONE), elu(1.0)),
        ("elu 2", |x| x.elu(T::of(2.0)), elu(2.0)),
        (
            "clamp from 0",
            |x| x.clamp(T::ZERO, T::of(INF)),
            vec![(0.0, [0.0; 3]), (-INF, [0.0; 3]), (1.0, [1.0, 1.0, 0.0])],
        ),
        (
            "clamp",
            |x| x.clamp(-T::ONE, T::ONE),
            vec![
                (-1.0, [-1.0, 0.0, 0.0]),
                (1.0, [1.0, 0.0, 0.0]),
                (0.5, [0.5, 1.0, 0.0]),
                (INF, [1.0, 0.0, 0.0]),
                (NAN, [NAN, 0.0, 0.0]),
            ],
        ),
        ("x ln x", |x| x.xlogy(x), vec![(0.0, [0.0, 0.0, 0.0]), (1.0, [0.0, 1.0, 1.0])]),
        ("x ln 2", |x| x.xlogy(T::of(2.0)), vec![(0.0, [0.0, LN_2, 0.0]), (INF, [INF, LN_2, 0.0])]),
        (
            "lgamma",
            |x| x.lgamma(),
            vec![
                (0.0, [INF, -INF, INF]),
                (1.0, [0.0, -0.577_215_664_901_532_9, PI * PI / 6.0]),
                (INF, [INF, INF, 0.0]),
                (-1.0, [INF, NAN, INF]),
            ],
        ),
        ("digamma", |x| x.digamma(), vec![(0.0, [-INF, INF, -INF]), (INF, [INF, 0.0, 0.0])]),
        ("polygamma 1", |x| x.polygamma(1), vec![(0.0, [INF, -INF, INF]), (INF, [0.0, 0.0, 0.0])]),
        (
            "√x where it exists",
            |x| where_(x.gt(T::ZERO), x.sqrt(), x),
            vec![(-4.0, [-4.0, 1.0, 0.0]), (4.0, [2.0, 0.25, -1.0 / 32.0])],
        ),
    ]
}

fn check<T: Float>(failures: &mut Vec<String>) {
    let one = Tensor::constant([T::ONE]);
    for (name, f, rows) in unary::<T>() {
        for (at, [value, slope, curvature]) in rows {
            let x = Tensor::new([T::of(at)]);
            let y = f(&x);
            let reverse = |y: &Tensor<T>| gradients_with(y, &[&x], &one).remove(0);
            let forward = |y: &Tensor<T>| tangent(y, &[(&x, &one)]);
            y.backward_with(Array::full(&[1], T::ONE));
            let fused = Tensor::constant(x.grad().expect("a gradient"));
            let (by_reverse, by_forward) = (reverse(&y), forward(&y));
            let all = [
                ("value", &y, value),
                ("slope, fused", &fused, slope),
                ("slope, reverse", &by_reverse, slope),
                ("slope, forward", &by_forward, slope),
                ("curvature, reverse over reverse", &reverse(&by_reverse), curvature),
                ("curvature, forward over reverse", &forward(&by_reverse), curvature),
                ("curvature, reverse over forward", &reverse(&by_forward), curvature),
                ("curvature, forward over forward", &forward(&by_forward), curvature),
            ];
            for (what, got, want) in all {
                let got = got.data().at(&[0]);
                if !same(got, want) {
                    failures.push(format!("{}: {name} at {at:?}, {what}: {got}, not {want}", T::NAME));
                }
            }
        }
    }
}

#[test]
#[cfg_attr(miri, ignore)]
fn functions_of_one_argument() {
    let mut failures = vec![];
    check::<f64>(&mut failures);
    check::<f32>(&mut failures);
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

type Binary = fn(&Tensor<f64>, &Tensor<f64>) -> Tensor<f64>;

#[test]
#[cfg_attr(miri, ignore)]
fn functions_of_two_arguments() {
    // Arguments, value, slopes, and the curvatures in both directions of a, mixed, and in b.
    type Row = ([f64; 2], f64, [f64; 2], [f64; 3]);
    const FLAT: [f64; 3] = [0.0; 3];
    let rows: [(&str, Binary, &[Row]); 6] = [
        (
            "atan2",
            |a, b| a.atan2(b),
            &[
                ([0.0, 0.0], 0.0, [0.0, 0.0], FLAT),
                ([0.0, -1.0], PI, [-1.0, 0.0], [0.0, -1.0, 0.0]),
                ([3e200, 4e200], 0.75f64.atan(), [1.6e-201, -1.2e-201], FLAT),
                ([3e-150, 4e-150], 0.75f64.atan(), [1.6e149, -1.2e149], [-3.84e298, -1.12e298, 3.84e298]),
                ([1.0, INF], 0.0, [0.0, 0.0], FLAT),
                ([-INF, 1.0], -FRAC_PI_2, [0.0, 0.0], FLAT),
                ([INF, INF], FRAC_PI_4, [0.0, 0.0], FLAT),
            ],
        ),
        (
            "hypot",
            |a, b| a.hypot(b),
            &[
                ([0.0, 0.0], 0.0, [0.0, 0.0], FLAT),
                ([0.0, -2.0], 2.0, [0.0, -1.0], [0.5, 0.0, 0.0]),
                ([3e300, -4e300], 5e300, [0.6, -0.8], [1.28e-301, 0.96e-301, 0.72e-301]),
                ([3e-300, -4e-300], 5e-300, [0.6, -0.8], [1.28e299, 0.96e299, 0.72e299]),
                ([-INF, 1.0], INF, [-1.0, 0.0], FLAT),
                ([-INF, INF], INF, [-1.0, 1.0], FLAT),
            ],
        ),
        (
            "xlogy",
            |a, b| a.xlogy(b),
            &[
                ([0.0, 0.0], 0.0, [0.0, 0.0], FLAT),
                ([0.0, -1.0], 0.0, [0.0, 0.0], FLAT),
                ([0.0, 2.0], 0.0, [LN_2, 0.0], [0.0, 0.5, 0.0]),
                ([0.0, INF], 0.0, [INF, 0.0], FLAT),
                ([2.0, 0.0], -INF, [-INF, INF], [0.0, INF, -INF]),
                ([0.0, NAN], NAN, [NAN, NAN], [0.0, NAN, NAN]),
            ],
        ),
        (
            "pow",
            |a, b| a.pow(b),
            &[
                ([0.0, 0.0], 1.0, [0.0, 0.0], FLAT),
                ([0.0, 2.0], 0.0, [0.0, 0.0], [2.0, 0.0, 0.0]),
                ([INF, -1.0], 0.0, [0.0, 0.0], FLAT),
                ([INF, 0.5], INF, [0.0, INF], [0.0, 0.0, INF]),
                ([0.5, 2000.0], 0.0, [0.0, 0.0], FLAT),
                ([-2.0, 2.0], 4.0, [-4.0, NAN], [2.0, NAN, NAN]),
            ],
        ),
        (
            "maximum",
            |a, b| a.maximum(b),
            &[([2.0, 2.0], 2.0, [0.0, 1.0], FLAT), ([0.0, -0.0], 0.0, [0.0, 1.0], FLAT)],
        ),
        (
            "minimum",
            |a, b| a.minimum(b),
            &[([2.0, 2.0], 2.0, [0.0, 1.0], FLAT), ([INF, INF], INF, [0.0, 1.0], FLAT)],
        ),
    ];
    let one = Tensor::constant([1.0]);
    let mut failures = vec![];
    for (name, f, rows) in rows {
        for &(at, value, slopes, [aa, ab, bb]) in rows {
            let x = at.map(|v| Tensor::new([v]));
            let y = f(&x[0], &x[1]);
            let gradient = |y: &Tensor<f64>| gradients_with(y, &[&x[0], &x[1]], &one);
            let mut check = |what: String, got: &Tensor<f64>, want: f64| {
                let got = got.data().at(&[0]);
                if !same(got, want) {
                    failures.push(format!("{name} at {at:?}, {what}: {got}, not {want}"));
                }
            };
            check("value".into(), &y, value);
            y.backward_with(Array::full(&[1], 1.0));
            let first = gradient(&y);
            for (i, row) in [[aa, ab], [ab, bb]].into_iter().enumerate() {
                check(format!("slope {i}, fused"), &Tensor::constant(x[i].grad().expect("one")), slopes[i]);
                check(format!("slope {i}, reverse"), &first[i], slopes[i]);
                check(format!("slope {i}, forward"), &tangent(&y, &[(&x[i], &one)]), slopes[i]);
                let second = gradient(&first[i]);
                for (k, want) in row.into_iter().enumerate() {
                    check(format!("curvature {i} {k}, reverse over reverse"), &second[k], want);
                    let forward = tangent(&first[i], &[(&x[k], &one)]);
                    check(format!("curvature {i} {k}, forward over reverse"), &forward, want);
                }
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Functions that are equal have equal slopes.
#[test]
#[cfg_attr(miri, ignore)]
fn equal_spellings_have_equal_slopes() {
    type F = Unary<f64>;
    let families: [(&[f64], &[F]); 4] = [
        (
            &[-INF, -2.0, -0.0, 0.0, 3.0],
            &[
                |x| x.relu(),
                |x| x.maximum(0.0),
                |x| x.clamp(0.0, INF),
                |x| where_(x.gt(0.0), x, 0.0),
                |x| x.leaky_relu(0.0),
                |x| x.elu(0.0),
            ],
        ),
        (&[-2.0, -1.0, 0.0, 1.0, 2.0], &[|x| x.clamp(-1.0, 1.0), |x| x.minimum(1.0).maximum(-1.0)]),
        (&[0.0, 4.0, INF], &[|x| x.rsqrt(), |x| x.sqrt().recip(), |x| 1.0 / x.sqrt()]),
        (&[-INF, -2.0, -0.0, 0.0, 4.0, INF], &[|x| x.recip(), |x| 1.0 / x, |x| x.powi(-1)]),
    ];
    for (at, family) in families {
        let slopes = family.iter().map(|f| {
            let x = Tensor::new(at.to_vec());
            f(&x).backward_with(Array::full(&[at.len()], 1.0));
            x.grad().expect("a gradient").to_vec()
        });
        let slopes: Vec<_> = slopes.collect();
        slopes.iter().for_each(|s| assert_eq!(s, &slopes[0], "at {at:?}"));
    }
}
