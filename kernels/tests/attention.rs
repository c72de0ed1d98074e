//! Attention a block at a time against its definition, on every kind of shape, layout and mask.

#![cfg(not(miri))] // safe code, and minutes of it

use femtograd_kernels::*;

fn numbers<T: Float>(shape: &[usize], seed: usize) -> Array<T> {
    Array::from_fn(shape, |i| T::of(((i * 7919 + seed * 104_729) % 2003) as f64 / 1001.0 - 1.0))
}

/// The same numbers with their axes but the last in the opposite order in memory, backwards and spread out.
fn scattered<T: Float>(x: &Array<T>) -> Array<T> {
    let mut order: Vec<usize> = (0..x.ndim()).collect();
    order[..x.ndim() - 1].reverse();
    let turned = x.permute(&order).unwrap();
    let last = x.ndim() - 1;
    let n = x.shape()[last];
    let wide = concat(&[&turned, &turned], last).unwrap();
    let backwards = wide.slice(last, (2 * n).saturating_sub(1), -1, 2 * n).unwrap().copied();
    backwards.slice(last, n.saturating_sub(1), -1, n).unwrap().permute(&order).unwrap()
}

/// The result for one matrix, and the cotangents of queries, keys and values.
struct Naive {
    y: Vec<f64>,
    back: [Vec<f64>; 3],
}

/// The definition, in `f64`. `at` reads queries, keys, values and the cotangent, `extra` what is added to a score: −∞ where
/// nothing is seen.
fn naive(
    [t, s, d, e]: [usize; 4],
    scale: f64,
    at: [&dyn Fn(usize, usize) -> f64; 4],
    extra: &dyn Fn(usize, usize) -> f64,
) -> Naive {
    let [q, k, v, g] = at;
    let mut all = Naive { y: vec![0.0; t * e], back: [vec![0.0; t * d], vec![0.0; s * d], vec![0.0; s * e]] };
    for i in 0..t {
        let score = |j: usize| (0..d).map(|c| q(i, c) * k(j, c)).sum::<f64>() * scale + extra(i, j);
        let exponentials: Vec<f64> = (0..s).map(|j| score(j).exp()).collect();
        let total: f64 = exponentials.iter().sum();
        let weights: Vec<f64> =
            exponentials.iter().map(|w| if total == 0.0 { 0.0 } else { w / total }).collect();
        let slope = |j: usize| (0..e).map(|c| g(i, c) * v(j, c)).sum::<f64>();
        let mean: f64 = (0..s).map(|j| weights[j] * slope(j)).sum();
        for (j, weight) in weights.iter().enumerate() {
            let by_score = weight * (slope(j) - mean) * scale;
            (0..e).for_each(|c| all.y[i * e + c] += weight * v(j, c));
            (0..d).for_each(|c| all.back[0][i * d + c] += by_score * k(j, c));
            (0..d).for_each(|c| all.back[1][j * d + c] += by_score * q(i, c));
            (0..e).for_each(|c| all.back[2][j * e + c] += weight * g(i, c));
        }
    }
    all
}

fn close<T: Float>(what: &str, got: &Array<T>, want: &[f64]) {
    assert_eq!(got.len(), want.len(), "{what}");
    for (i, (got, want)) in got.to_vec().iter().zip(want).enumerate() {
        let off = (got.to_f64() - want).abs();
        assert!(off < 40.0 * T::EPSILON.to_f64() * (1.0 + want.abs()), "{what}: {got} at {i}, not {want}");
    }
}

/// The heads of a batch [2, 3], of which the keys have the last axis alone and the values the first.
fn check<T: Float>(size: [usize; 4], causal: bool, extra: usize, lie: fn(&Array<T>) -> Array<T>) {
    let [t, s, d, e] = size;
    let (q, k) = (lie(&numbers(&[2, 3, t, d], 1)), lie(&numbers(&[3, s, d], 2)));
    let (v, g) = (lie(&numbers(&[2, 1, s, e], 3)), lie(&numbers(&[2, 3, t, e], 4)));
    let bias = (extra & 1 > 0).then(|| lie(&numbers::<T>(&[2, 1, t, s], 5)));
    let mask = (extra & 2 > 0).then(|| Array::from_fn(&[1, s], |i| T::of((i % 3) as f64)));
    let scale = 0.7;
    let scores = Scores { scale: T::of(scale), bias: bias.as_ref(), mask: mask.as_ref(), causal };
    let y = attention(&q, &k, &v, scores).unwrap();
    let back = attention_back(&q, &k, &v, &g, scores).unwrap();
    assert_eq!(y.shape(), [2, 3, t, e]);
    for (a, b) in [(0, 0), (0, 2), (1, 1)] {
        let want = naive(
            size,
            T::of(scale).to_f64(),
            [
                &|i, c| q.at(&[a, b, i, c]).to_f64(),
                &|j, c| k.at(&[b, j, c]).to_f64(),
                &|j, c| v.at(&[a, 0, j, c]).to_f64(),
                &|i, c| g.at(&[a, b, i, c]).to_f64(),
            ],
            &|i, j| {
                let unseen = causal && j > i || mask.as_ref().is_some_and(|m| m.at(&[0, j]) == T::ZERO);
                let added = bias.as_ref().map_or(0.0, |bias| bias.at(&[a, 0, i, j]).to_f64());
                if unseen { f64::NEG_INFINITY } else { added }
            },
        );
        let one = |x: &Array<T>| x.slice(0, a, 1, 1).unwrap().slice(1, b, 1, 1).unwrap();
        let case = format!("{size:?}, causal {causal}, extras {extra}, matrix {a} {b}");
        close(&case, &one(&y), &want.y);
        for (got, want) in back.iter().zip(&want.back) {
            close(&format!("{case}, back"), &one(got), want);
        }
    }
}

#[test]
fn attention_is_its_definition() {
    let sizes: &[[usize; 4]] = &[
        [1, 1, 1, 1],
        [3, 5, 2, 4],
        [5, 3, 0, 2],
        [5, 0, 3, 2],
        [0, 5, 3, 2],
        [3, 5, 2, 0],
        [31, 33, 32, 31],
        [32, 32, 33, 32],
        [33, 30, 7, 33],
        [65, 64, 65, 3],
        [70, 131, 16, 16],
        [259, 37, 5, 6],
    ];
    for &size in sizes {
        for (causal, extra) in [(false, 0), (true, 0), (false, 1), (false, 2), (true, 3)] {
            check::<f64>(size, causal, extra, Array::clone);
            check::<f32>(size, causal, extra, scattered);
        }
    }
}

/// As when the heads are parts of one array: no copy is needed to put them side by side again.
#[test]
fn results_lie_as_the_queries_do() {
    let q = numbers::<f32>(&[2, 5, 3, 4], 1).permute(&[0, 2, 1, 3]).unwrap();
    let scores = Scores { scale: 1.0, bias: None, mask: None, causal: true };
    let y = attention(&q, &q, &q, scores).unwrap();
    let back = attention_back(&q, &q, &q, &y, scores).unwrap();
    for x in back.iter().chain([&y]) {
        assert_eq!((x.shape(), x.layout().strides), (&[2, 3, 5, 4][..], q.layout().strides));
    }
}

#[test]
fn one_thread_and_two_give_the_same_bits() {
    let (q, g) = (numbers::<f32>(&[3, 2, 300, 40], 1), numbers::<f32>(&[3, 2, 300, 40], 2));
    let scores = Scores { scale: 0.2, bias: None, mask: None, causal: true };
    let both = || (attention(&q, &q, &g, scores).unwrap(), attention_back(&q, &q, &q, &g, scores).unwrap());
    let wide = both();
    set_threads(1);
    let alone = both();
    set_threads(0);
    assert_eq!(wide, alone);
}
