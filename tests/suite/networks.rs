//! What networks are made of, against plain definitions: loops over every index, and what must hold where numbers are
//! infinite, masked or missing.

#![cfg(not(miri))] // minutes: the table has a test for Miri

use femtograd::random::Rng;
use femtograd::{
    Array, Attention, Conv, ConvTranspose, CrossEntropy, Float, Moments, Pool, Tensor, gradients,
    gradients_with, scaled_dot_product_attention, tangent, where_,
};
use std::panic::{AssertUnwindSafe, catch_unwind};

const INF: f64 = f64::INFINITY;

fn random(shape: &[usize], seed: u64) -> Tensor<f64> {
    Tensor::new(Rng::new(seed).normal_array::<f64>(shape))
}

#[track_caller]
fn close(got: &Array<f64>, want: &Array<f64>) {
    assert_eq!(got.shape(), want.shape());
    let fits = |(a, b): (f64, f64)| a == b || (a - b).abs() < 1e-12;
    assert!(got.to_vec().into_iter().zip(want.to_vec()).all(fits), "{got} against {want}");
}

/// The index of each axis of element `i`.
fn index<const N: usize>(mut i: usize, shape: [usize; N]) -> [usize; N] {
    let mut index = [0; N];
    for k in (0..N).rev() {
        (index[k], i) = (i % shape[k], i / shape[k]);
    }
    index
}

/// Every way to move: `[stride, padding, dilation]` of an axis, and its kernel.
const MOVES: [([usize; 3], usize); 7] = [
    ([1, 0, 1], 1),
    ([1, 0, 1], 3),
    ([2, 0, 1], 3),
    ([3, 1, 1], 2),
    ([1, 2, 2], 3),
    ([2, 1, 3], 2),
    ([5, 4, 1], 7),
];

/// The definition of a convolution, and that of the transposed one: both go over the same pairs of an element `i` of
/// the short side and an element of the long one, `i·stride + k·dilation − padding`.
fn pairs(([s, p, d], k): ([usize; 3], usize), i: usize, long: usize) -> impl Iterator<Item = (usize, usize)> {
    (0..k).filter_map(move |k| Some((k, (i * s + k * d).checked_sub(p).filter(|&j| j < long)?)))
}

fn convolved(x: &Array<f64>, w: &Array<f64>, along: [([usize; 3], usize); 2], groups: usize) -> Array<f64> {
    let (&[n, channels, h, l], &[outputs, each, ..]) = (x.shape(), w.shape()) else { panic!("four axes") };
    assert_eq!(channels, each * groups);
    let length = |n: usize, ([s, p, d], k): ([usize; 3], usize)| (n + 2 * p - (k - 1) * d - 1) / s + 1;
    let shape = [n, outputs, length(h, along[0]), length(l, along[1])];
    Array::from_fn(&shape, |i| {
        let [n, o, i, j] = index(i, shape);
        let first = o / (outputs / groups) * each;
        let mut sum = 0.0;
        for c in 0..each {
            for (a, from) in pairs(along[0], i, h) {
                for (b, at) in pairs(along[1], j, l) {
                    sum += x.at(&[n, first + c, from, at]) * w.at(&[o, c, a, b]);
                }
            }
        }
        sum
    })
}

#[test]
fn convolutions_are_their_definition() {
    for (case, groups) in (0..MOVES.len() * MOVES.len()).zip([1, 2, 3].into_iter().cycle()) {
        let along = [MOVES[case / MOVES.len()], MOVES[case % MOVES.len()]];
        let [([s, p, d], k), ([t, q, e], m)] = along;
        let x = random(&[[1, 2, 3][case % 3], 2 * groups, 7, 11], 1);
        let (w, b) = (random(&[3 * groups, 2, k, m], 2), random(&[3 * groups], 3));
        let options = Conv { stride: [s, t], padding: [p, q], dilation: [d, e], groups };
        let y = x.conv2d(&w, None, &options);
        close(y.data(), &convolved(x.data(), w.data(), along, groups));
        let with_bias = x.conv2d(&w, Some(&b), &options);
        close(with_bias.data(), (&y + b.reshape(&[3 * groups, 1, 1])).data());

        // Along one axis: the same with a height of 1.
        let (x, w) = (x.slice(2, 3..4), w.slice(2, 0..1));
        let want = convolved(x.data(), w.data(), [([1, 0, 1], 1), along[1]], groups);
        let flat = |x: &Tensor<f64>| x.reshape(&[x.shape()[0], x.shape()[1], x.shape()[3]]);
        let options = Conv { stride: [t], padding: [q], dilation: [e], groups };
        close(flat(&x).conv1d(&flat(&w), None, &options).data(), flat(&Tensor::constant(want)).data());
    }
}

/// The last element never meets the first weight: no 0 of a padding may make NaN of that.
#[test]
fn an_infinite_weight_reaches_only_what_it_meets() {
    let x = Tensor::new([[[1.0, 2.0, 3.0]]]);
    let w = Tensor::new([[[f64::INFINITY, 1.0]]]);
    let y = x.conv1d(&w, None, &Conv::default());
    y.backward_with(Array::full(&[1, 1, 2], 1.0));
    assert_eq!(x.grad().unwrap().to_vec(), [f64::INFINITY, f64::INFINITY, 1.0]);
    assert_eq!(w.grad().unwrap().to_vec(), [3.0, 5.0]);
}

#[test]
fn transposed_convolutions_are_transposed() {
    for (case, groups) in (0..MOVES.len() * MOVES.len()).zip([1, 2, 3].into_iter().cycle()) {
        let along = [MOVES[case / MOVES.len()], MOVES[case % MOVES.len()]];
        let [([s, p, d], k), ([t, q, e], m)] = along;
        let options = Conv { stride: [s, t], padding: [p, q], dilation: [d, e], groups };
        let (long, w) = (random(&[2, 2 * groups, 7, 11], 1), random(&[3 * groups, 2, k, m], 2));
        let y = long.conv2d(&w, None, &options);
        let g = random(y.shape(), 3);
        // What the stride left over at the end: it tells the lengths apart that have the same number of windows.
        let rest = |n: usize, s: usize, p: usize, d: usize, k: usize| (n + 2 * p - (k - 1) * d - 1) % s;
        let output_padding = [rest(7, s, p, d, k), rest(11, t, q, e, m)];
        let Conv { stride, padding, dilation, groups } = options;
        let back = ConvTranspose { stride, padding, output_padding, dilation, groups };
        let gx = g.conv_transpose2d(&w, None, &back);
        close(gx.data(), gradients_with(&y, &[&long], &g)[0].data());
        // And the other way round: the transposed one's gradient is the convolution.
        close(gradients_with(&gx, &[&g], &long)[0].data(), y.data());

        let b = random(&[2 * groups], 4);
        let with_bias = g.conv_transpose2d(&w, Some(&b), &back);
        close(with_bias.data(), (gx + b.reshape(&[2 * groups, 1, 1])).data());
    }
    let x = Tensor::new([[[1.0, 10.0]]]);
    let w = Tensor::new([[[1.0, 2.0, 3.0]]]);
    let y = |stride, padding, output_padding| {
        let options = ConvTranspose {
            stride: [stride],
            padding: [padding],
            output_padding: [output_padding],
            ..ConvTranspose::default()
        };
        x.conv_transpose1d(&w, None, &options).to_string()
    };
    assert_eq!(y(1, 0, 0), "[[[1, 12, 23, 30]]]");
    assert_eq!(y(3, 0, 2), "[[[1, 2, 3, 10, 20, 30, 0, 0]]]");
    assert_eq!(y(3, 1, 0), "[[[2, 3, 10, 20]]]");
}

#[test]
fn pools_are_their_definition() {
    for case in 0..MOVES.len() * MOVES.len() {
        let along = [MOVES[case / MOVES.len()], MOVES[case % MOVES.len()]];
        let [([s, p, d], k), ([t, q, e], m)] = along;
        let (p, q) = (p.min(((k - 1) * d).div_ceil(2)), q.min(((m - 1) * e).div_ceil(2)));
        let along = [([s, p, d], k), ([t, q, e], m)];
        let x = random(&[2, 3, 7, 11], 5);
        let length = |n: usize, ([s, p, d], k): ([usize; 3], usize)| (n + 2 * p - (k - 1) * d - 1) / s + 1;
        let shape = [2, 3, length(7, along[0]), length(11, along[1])];
        let fold = |start: f64, f: fn(f64, f64) -> f64| {
            Array::from_fn(&shape, |i| {
                let [n, c, i, j] = index(i, shape);
                let rows = pairs(along[0], i, 7);
                let places = rows.flat_map(|(_, i)| pairs(along[1], j, 11).map(move |(_, j)| [n, c, i, j]));
                places.map(|place| x.data().at(&place)).fold(start, f)
            })
        };
        let pool = Pool { size: [k, m], stride: [s, t], padding: [p, q], dilation: [d, e] };
        close(x.max_pool2d(&pool).data(), &fold(-INF, f64::max));
        let mean = x.avg_pool2d(&pool) * (k * m) as f64;
        close(mean.data(), &fold(0.0, |a, b| a + b));
    }
    let x = Tensor::new([3.0, 1.0, 1.0, 2.0, 2.0]);
    let y = x.max_pool1d(&Pool { padding: [1], ..Pool::new([3]) });
    assert_eq!(y.to_string(), "[3, 2]");
    y.backward_with([1.0, 6.0]);
    assert_eq!(x.grad().unwrap().to_string(), "[1, 0, 0, 3, 3]"); // equal ones share
    assert_eq!(x.avg_pool1d(&Pool { padding: [1], ..Pool::new([2]) }).to_string(), "[1.5, 1, 2]");
}

/// Values, gradients and second derivatives, in both modes, are numbers; the last are returned.
fn finite<T: Float>(x: &Tensor<T>, f: impl Fn(&Tensor<T>) -> Tensor<T>) -> (Array<T>, Array<T>, Array<T>) {
    let number = |a: &Array<T>| a.to_vec().iter().all(|v| v.to_f64().is_finite());
    let y = f(x);
    let mut rng = Rng::new(3);
    let (w, v) = (Tensor::new(rng.normal_array(y.shape())), Tensor::new(rng.normal_array(x.shape())));
    let g = &gradients_with(&y, &[x], &w)[0];
    let second = &gradients(&(g * &v).sum(), &[x])[0];
    let dy = tangent(&y, &[(x, &v)]);
    let over_forward = &gradients(&(&dy * &w).sum(), &[x])[0];
    let twice = tangent(&dy, &[(x, &v)]);
    for (what, a) in [("gradient", g), ("second", second), ("tangent", &dy), ("mixed", over_forward)] {
        assert!(number(a.data()), "{what}: {a}");
    }
    assert!(number(twice.data()), "forward twice: {twice}");
    y.backward_with(w.data());
    let pulled = x.grad().expect("a leaf");
    x.zero_grad();
    let same = |a: T, b: T| (a.to_f64() - b.to_f64()).abs() < 1e-5 * b.to_f64().abs().max(1.0);
    assert!(pulled.to_vec().into_iter().zip(g.data().to_vec()).all(|(a, b)| same(a, b)), "{pulled} {g}");
    (y.data().clone(), g.data().clone(), second.data().clone())
}

fn masked_scores<T: Float>() {
    let numbers = [[0.5, -INF, 1.0], [-INF, -INF, -INF], [1000.0, -INF, -1000.0], [0.0, 0.0, 0.0]];
    let x: Tensor<T> = Tensor::new(numbers.map(|row| row.map(T::of)));
    let zero = |a: &Array<T>, i: usize, j: usize| assert_eq!(a.at(&[i, j]).to_f64(), 0.0, "at {i}, {j}: {a}");
    let (y, g, second) = finite(&x, |x| x.softmax(1));
    for a in [&y, &g, &second] {
        [0, 2].into_iter().for_each(|i| zero(a, i, 1));
        (0..3).for_each(|j| zero(a, 1, j));
    }
    let rows = Tensor::constant(&y).sum_axes(1).data().to_vec();
    assert!(rows.iter().zip([1.0, 0.0, 1.0, 1.0]).all(|(a, b)| (a.to_f64() - b).abs() < 1e-6));

    // The other spellings.
    let (by_log, ..) = finite(&x, |x| x.log_softmax(1).exp());
    let slope = &gradients(&x.logsumexp(1).sum(), &[&x])[0];
    for other in [&by_log, slope.data()] {
        let pairs = other.to_vec().into_iter().zip(y.to_vec());
        assert!(pairs.into_iter().all(|(a, b)| (a.to_f64() - b.to_f64()).abs() < 1e-6), "{other} {y}");
    }
    let (log, g, second) = finite(&x, |x| x.log_softmax(1));
    assert_eq!([1, 3, 4, 5, 7].map(|i| log.to_vec()[i].to_f64()), [-INF; 5]);
    for a in [&g, &second] {
        (0..3).for_each(|j| zero(a, 1, j));
    }
    finite(&x, |x| x.slice(0, 0..1).logsumexp(1));
    let (_, g, second) = finite(&x, |x| x.logsumexp(1));
    for a in [&g, &second] {
        (0..3).for_each(|j| zero(a, 1, j));
    }
    finite(&x, |x| x.cross_entropy([0, 0, 0, 2]));
    finite(&x, |x| where_(x.softmax(1).gt(T::ZERO), x.softmax(1).ln(), T::ZERO));
}

#[test]
fn masked_scores_are_masked_at_every_order() {
    masked_scores::<f64>();
    masked_scores::<f32>();
}

#[test]
fn infinite_scores_win() {
    let x = Tensor::new([[INF, 1.0, 2.0], [INF, INF, 0.0]]);
    let (y, g, _) = finite(&x, |x| x.slice(0, 0..1).softmax(1));
    assert_eq!((y.to_vec(), g.to_vec()), (vec![1.0, 0.0, 0.0], vec![0.0; 6]));
    assert_eq!(finite(&x, |x| x.softmax(1)).0.to_vec(), [1.0, 0.0, 0.0, 0.5, 0.5, 0.0]);
    assert_eq!(x.log_softmax(1).exp().to_string(), "[[1, 0, 0], [0.5, 0.5, 0]]");
    assert_eq!(finite(&x, |x| x.logsumexp(1)).0.to_vec(), [INF, INF]);
    let nan = Tensor::new([f64::NAN, 1.0]);
    assert!(nan.softmax(0).data().to_vec().iter().all(|v| v.is_nan()));
    assert!(nan.log_softmax(0).data().to_vec().iter().all(|v| v.is_nan()));
}

#[test]
fn attention_is_its_definition() {
    let (q, k, v) = (random(&[3, 2], 1), random(&[4, 2], 2), random(&[4, 5], 3));
    let bias = random(&[3, 4], 4);
    let mask = random(&[4], 5).gt(0.0);
    let seen: [&dyn Fn(usize, usize) -> bool; 3] =
        [&|_, _| true, &|i, j| j <= i, &|_, j| mask.data().at(&[j]) != 0.0];
    for (case, seen) in seen.into_iter().enumerate() {
        let options = Attention { bias: Some(&bias), causal: case == 1, mask: (case == 2).then_some(&mask) };
        let y = scaled_dot_product_attention(&q, &k, &v, &options);
        let at = |t: &Tensor<f64>, i: usize, j: usize| t.data().at(&[i, j]);
        let want = Array::from_fn(&[3, 5], |n| {
            let (i, e) = (n / 5, n % 5);
            let score =
                |j| (0..2).map(|d| at(&q, i, d) * at(&k, j, d)).sum::<f64>() / 2f64.sqrt() + at(&bias, i, j);
            let weight = |j| if seen(i, j) { score(j).exp() } else { 0.0 };
            let total: f64 = (0..4).map(weight).sum();
            (0..4).map(|j| weight(j) / total * at(&v, j, e)).sum()
        });
        close(y.data(), &want);
    }
}

#[test]
fn a_query_that_sees_nothing_gets_nothing() {
    let mask = Tensor::constant([[1.0, 0.0, 1.0], [0.0, 0.0, 0.0]]);
    let minus = where_(&mask, 0.0, -INF);
    for options in [
        Attention { mask: Some(&mask), ..Attention::default() },
        Attention { bias: Some(&minus), ..Attention::default() },
        Attention { mask: Some(&mask), causal: true, bias: Some(&minus) },
    ] {
        let x = random(&[8, 2], 7); // queries, keys and values at once
        let (y, g, second) = finite(&x, |x| {
            scaled_dot_product_attention(&x.slice(0, 0..2), &x.slice(0, 2..5), &x.slice(0, 5..8), &options)
        });
        for a in [y.slice(0, 1, 1, 1), g.slice(0, 1, 1, 1), second.slice(0, 1, 1, 1)] {
            assert_eq!(a.unwrap().to_vec(), [0.0, 0.0]); // of the second query
        }
        for masked in [3, 6] {
            assert_eq!(g.slice(0, masked, 1, 1).unwrap().to_vec(), [0.0, 0.0]); // the second key, its value
        }
    }
}

/// Mean 0 and variance 1 of each of these rows.
fn standard(rows: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let row = |row: &Vec<f64>| {
        let n = row.len() as f64;
        let mean = row.iter().sum::<f64>() / n;
        let var = row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
        row.iter().map(|x| (x - mean) / (var + 0.25).sqrt()).collect()
    };
    rows.iter().map(row).collect()
}

#[test]
fn norms_are_their_definition() {
    let shape = [3, 4, 5];
    let x = random(&shape, 1);
    let (w, b) = (random(&[4], 2), random(&[4], 3));
    // Each norm, and which row an element belongs to.
    type Row = fn([usize; 3]) -> usize;
    let norms: [(Tensor<f64>, Row); 4] = [
        (x.batch_norm(&x.channel_moments(), &w, &b, 0.25), |[_, c, _]| c),
        (x.group_norm(1, &w, &b, 0.25), |[n, _, _]| n),
        (x.group_norm(2, &w, &b, 0.25), |[n, c, _]| n * 2 + c / 2),
        (x.group_norm(4, &w, &b, 0.25), |[n, c, _]| n * 4 + c),
    ];
    for (y, row) in norms {
        let mut rows = vec![vec![]; 12];
        (0..60).for_each(|i| rows[row(index(i, shape))].push(x.data().to_vec()[i]));
        let mut rows: Vec<_> = standard(&rows).into_iter().map(Vec::into_iter).collect();
        let want = Array::from_fn(&shape, |i| {
            let [n, c, l] = index(i, shape);
            rows[row([n, c, l])].next().unwrap() * w.data().at(&[c]) + b.data().at(&[c])
        });
        close(y.data(), &want);
    }
    let last = random(&[4, 5], 4);
    let want = standard(&x.data().to_vec().chunks(20).map(<[f64]>::to_vec).collect::<Vec<_>>()).concat();
    close(x.layer_norm(&last, None, 0.25).data(), (Tensor::constant(want).reshape(&shape) * &last).data());
    let (x, w) = (Tensor::new([3.0, 4.0]), Tensor::new([1.0, 2.0]));
    let want = Array::from([3.0, 8.0].map(|v| v / 12.5f64.sqrt()));
    close(x.rms_norm(&w, 0.0).data(), &want);
    // A constant row is 0, and so is its gradient.
    let (y, g, _) = finite(&Tensor::new([2.0f32, 2.0, 2.0]), |x| x.standardize(0, 1e-5));
    assert_eq!((y.to_vec(), g.to_vec().iter().any(|g| g.is_nan())), (vec![0.0; 3], false));
}

#[test]
fn moments_run() {
    let x = Tensor::new([[1.0, 10.0], [2.0, 30.0], [6.0, 20.0]]);
    let batch = x.channel_moments();
    assert_eq!((batch.mean.to_string(), batch.count), ("[3, 20]".into(), 3));
    let running = Moments::standard(2).updated(&batch, 0.5);
    assert_eq!(running.mean.to_string(), "[1.5, 10]");
    assert_eq!(running.var.to_string(), "[4, 50.5]"); // (1 + 7)/2 and (1 + 100)/2: of n − 1
    assert!(!running.mean.wants_grad() && !running.var.wants_grad() && batch.var.wants_grad());
}

#[test]
fn dropout_keeps_the_mean() {
    let x = Tensor::new([1.0, INF, -2.0]);
    let mut rng = Rng::new(1);
    assert_eq!(x.dropout(0.0, &mut rng).data(), x.data());
    let nothing = x.dropout(1.0, &mut rng);
    assert_eq!(nothing.data().to_vec(), [0.0; 3]);
    nothing.sum().backward();
    assert_eq!(x.grad().unwrap().to_vec(), [0.0; 3]);
    let many = Tensor::constant(Array::full(&[100_000], 1.0f64)).dropout(0.3, &mut rng);
    assert!(many.data().to_vec().iter().all(|&v| v == 0.0 || v == 1.0 / 0.7));
    assert!((many.mean().item() - 1.0).abs() < 0.01);
}

#[test]
fn losses_at_the_ends() {
    let x = Tensor::new([INF, -INF, 1000.0, -1000.0, 0.0]);
    let t = Tensor::constant([1.0, 0.0, 1.0, 0.0, 0.5]);
    let (y, g, _) = finite(&x, |x| x.bce_with_logits(&t) * 5.0);
    assert_eq!((y.item(), g.to_vec()), (2f64.ln(), vec![0.0; 5]));
    // To the last digits, not 1 − something.
    let sure = Tensor::new([40.0]).bce_with_logits(Tensor::constant([1.0])).item();
    assert!((sure / (-40f64).exp() - 1.0).abs() < 1e-14);
    let weighted = x.slice(0, 4..5).bce_with_logits_weighted(Tensor::constant([1.0]), 3.0);
    assert_eq!(weighted.item(), 3.0 * 2f64.ln());

    let p = Tensor::new([[0.0, -INF, -INF], [0.25f64.ln(), 0.75f64.ln(), -INF]]);
    let t = Tensor::constant([[1.0, 0.0, 0.0], [0.5, 0.5, 0.0]]);
    let (y, g, _) = finite(&p, |p| p.kl_div(&t));
    let want = (0.5 * (0.5 / 0.25f64).ln() + 0.5 * (0.5 / 0.75f64).ln()) / 2.0;
    assert!((y.item() - want).abs() < 1e-15 && g.at(&[0, 1]) == 0.0 && g.at(&[1, 2]) == 0.0);

    let x = Tensor::new([1.0, -3.0, 0.5, 0.0]);
    let t = Tensor::constant([1.0, 1.0, 0.0, 2.0]);
    assert_eq!(x.l1_loss(&t).item(), 6.5 / 4.0);
    assert_eq!(x.huber(&t, 1.0).item(), (0.0 + 3.5 + 0.125 + 1.5) / 4.0);
    assert_eq!(x.huber(&t, 100.0).item(), x.mse(&t).item() / 2.0);
    let hinge = x.hinge(Tensor::constant([1.0, 1.0, -1.0, -1.0]));
    assert_eq!(hinge.item(), (0.0 + 4.0 + 1.5 + 1.0) / 4.0);
    hinge.backward();
    assert_eq!(x.grad().unwrap().to_vec(), [0.0, -0.25, 0.25, 0.25]); // 0 at the kink
}

#[test]
fn cross_entropy_with_options_is_its_definition() {
    let x = random(&[4, 3], 1);
    let log = x.log_softmax(1);
    let at = |i: usize, k: usize| log.data().at(&[i, k]);
    let weights = [0.5, 2.0, 0.0];
    let classes = [1, 7, 0, 2];
    let options = CrossEntropy { weights: weights.to_vec(), ignore: Some(7), smoothing: 0.3 };
    let (mut loss, mut total) = (0.0, 0.0);
    for (i, &class) in classes.iter().enumerate().filter(|(i, _)| *i != 1) {
        loss -= 0.7 * weights[class] * at(i, class);
        loss -= 0.3 / 3.0 * (0..3).map(|k| weights[k] * at(i, k)).sum::<f64>();
        total += weights[class];
    }
    let got = x.cross_entropy_with(classes, &options);
    assert!((got.item() - loss / total).abs() < 1e-14);
    let plain = CrossEntropy::default();
    assert_eq!(x.cross_entropy([0, 1, 2, 0]).data(), log.nll([0, 1, 2, 0]).data());
    assert_eq!(x.cross_entropy([0, 1, 2, 0]).data(), x.cross_entropy_with([0, 1, 2, 0], &plain).data());

    let nothing = x.cross_entropy_with([7, 7, 7, 7], &options);
    nothing.backward();
    assert_eq!((nothing.item(), x.grad().unwrap().to_vec()), (0.0, vec![0.0; 12]));
    // A class that was masked out and does not count.
    let masked = Tensor::new([[0.0, -INF, 0.0]]);
    let without = CrossEntropy { weights: vec![1.0, 0.0, 1.0], ignore: None, smoothing: 0.5 };
    let (y, ..) = finite(&masked, |x| x.cross_entropy_with([0], &without));
    assert!((y.item() - (0.5 + 0.5 * 2.0 / 3.0) * 2f64.ln()).abs() < 1e-15);
}

/// What does not fit is refused, in a sentence with the op's name and the shapes.
#[test]
fn mistakes_are_named() {
    type Wrong = fn(&Tensor<f64>, &Tensor<f64>);
    let x = random(&[2, 4, 5], 1); // of examples, channels and places
    let v = random(&[3], 2);
    let mistakes: &[(&str, &str, Wrong)] = &[
        ("softmax", "no axis 3", |x, _| drop(x.softmax(3))),
        ("layer_norm", "[3]", |x, v| drop(x.layer_norm(v, None, 0.1))),
        ("batch_norm", "4 channels", |x, v| drop(x.batch_norm(&Moments::standard(4), v, v, 0.1))),
        ("batch_norm", "[3]", |x, v| drop(x.batch_norm(&Moments::standard(3), v, v, 0.1))),
        ("group_norm", "3 groups", |x, v| drop(x.group_norm(3, v, v, 0.1))),
        ("windows", "does not fit into 5", |x, _| drop(x.windows(-1, 3, 1, 3))),
        ("windows", "step 0", |x, _| drop(x.windows(-1, 3, 0, 3))),
        ("conv1d", "[3]", |x, v| drop(x.conv1d(v, None, &Conv::default()))),
        ("conv1d", "4 channels, 2 groups", |x, _| {
            drop(x.conv1d(&random(&[2, 4, 1], 1), None, &Conv { groups: 2, ..Conv::default() }))
        }),
        ("conv1d", "axis 2", |x, _| drop(x.conv1d(&random(&[1, 4, 6], 1), None, &Conv::default()))),
        ("conv1d", "2 channels", |x, v| drop(x.conv1d(&random(&[2, 4, 1], 1), Some(v), &Conv::default()))),
        ("conv2d", "2 more", |x, _| drop(x.conv2d(x, None, &Conv::default()))),
        ("conv_transpose1d", "output padding 1", |x, _| {
            let options = ConvTranspose { output_padding: [1], ..ConvTranspose::default() };
            drop(x.conv_transpose1d(&random(&[4, 1, 1], 1), None, &options))
        }),
        ("conv_transpose1d", "leaves nothing", |x, _| {
            let options = ConvTranspose { padding: [3], ..ConvTranspose::default() };
            drop(x.conv_transpose1d(&random(&[4, 1, 1], 1), None, &options))
        }),
        ("max_pool1d", "half a window", |x, _| drop(x.max_pool1d(&Pool { padding: [2], ..Pool::new([2]) }))),
        ("avg_pool2d", "does not fit", |x, _| drop(x.avg_pool2d(&Pool::new([5, 2])))),
        ("max_pool2d", "more axes", |_, v| drop(v.max_pool2d(&Pool::new([1, 1])))),
        ("scaled_dot_product_attention", "[2, 4, 5]", |x, _| {
            drop(scaled_dot_product_attention(x, &x.t(), x, &Attention::default()))
        }),
        ("scaled_dot_product_attention", "not beyond", |x, _| {
            let mask = random(&[3, 1, 4, 4], 1);
            let options = Attention { mask: Some(&mask), ..Attention::default() };
            drop(scaled_dot_product_attention(x, x, x, &options))
        }),
        ("dropout", "1.5", |x, _| drop(x.dropout(1.5, &mut Rng::new(1)))),
        ("dropout", "NaN", |x, _| drop(x.dropout(f64::NAN, &mut Rng::new(1)))),
        ("l1_loss", "[3]", |x, v| drop(x.l1_loss(v))),
        ("huber", "another shape", |x, v| drop(x.huber(v, 1.0))),
        ("huber", "-1", |_, v| drop(v.huber(v, -1.0))),
        ("bce_with_logits", "another shape", |x, v| drop(x.bce_with_logits(v))),
        ("bce_with_logits", "more elements", |x, v| drop(v.bce_with_logits_weighted(v, x.slice(-1, 0..1)))),
        ("kl_div", "another shape", |x, v| drop(x.kl_div(v))),
        ("hinge", "neither 1 nor", |_, v| drop(v.hinge(v))),
        ("nll", "row", |x, _| drop(x.nll([1, 2]))),
        ("cross_entropy", "2 weights", |x, _| {
            let options = CrossEntropy { weights: vec![1.0, 1.0], ..CrossEntropy::default() };
            drop(x.slice(1, 0..1).reshape(&[2, 5]).cross_entropy_with([0, 1], &options))
        }),
        ("cross_entropy", "class 5", |x, _| drop(x.slice(1, 0..1).reshape(&[2, 5]).cross_entropy([0, 5]))),
        ("updated", "1 numbers", |_, v| {
            drop(Moments::standard(3).updated(&v.reshape(&[1, 3]).channel_moments(), 0.1))
        }),
    ];
    for (op, part, mistake) in mistakes {
        let outcome = catch_unwind(AssertUnwindSafe(|| mistake(&x, &v)));
        let message = *outcome.expect_err(op).downcast::<String>().expect("a sentence");
        assert!(message.starts_with(&format!("{op}: ")) && message.contains(part), "{part}? {message}");
        assert!(message.contains("arguments: ") && message.contains(file!()), "{message}");
    }
}
