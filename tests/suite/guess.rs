//! The way back of a rule in a loop leaves the guards of the strong zero out and repairs the blocks where that matters: it must
//! give what single numbers give, to the last bit.

use femtograd::num::Num;
use femtograd::ops::elementwise as rules;
use femtograd::{Array, Rule, Tensor};

/// `√a · b` where that is positive, `b / a` elsewhere.
#[derive(Clone, Copy)]
struct Branches;
impl Rule<2> for Branches {
    const NAME: &'static str = "branches";
    #[inline(always)]
    fn value<V: Num>(&self, [a, b]: [V; 2]) -> V {
        let root = a.sqrt() * b;
        V::select(V::lit(0.0).lt(root), root, b / a)
    }
}

/// `(tanh(a·b) − a)² · σ(b) · 0`
#[derive(Clone, Copy)]
struct Nothing;
impl Rule<2> for Nothing {
    const NAME: &'static str = "nothing";
    #[inline(always)]
    fn value<V: Num>(&self, [a, b]: [V; 2]) -> V {
        let d = (a * b).tanh() - a;
        d * d * b.sigmoid() * V::lit(0.0)
    }
}

/// `ln|a|·eᵇ − (a − 3)`: in which a tangent meets a literal, a sign and a sum.
#[derive(Clone, Copy)]
struct Sums;
impl Rule<2> for Sums {
    const NAME: &'static str = "sums";
    #[inline(always)]
    fn value<V: Num>(&self, [a, b]: [V; 2]) -> V {
        -(V::lit(3.0) - a.abs().ln() * b.exp()) + (V::lit(3.0) - a) + V::lit(0.0) * b
    }
}

const NUMBERS: [f64; 16] = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.5,
    -2.5,
    1e-300,
    -1e-300,
    1e300,
    -1e300,
    5e-324,
    f64::INFINITY,
    f64::NEG_INFINITY,
    f64::NAN,
    700.0,
    -700.0,
];

/// Every pair of numbers under every cotangent: alone, and a whole block of them, since one NaN has all its block repaired.
fn compare<R: Rule<2>>(rule: R) {
    const BLOCK: usize = 128;
    let gradients = |a: Array<f64>, b: Array<f64>, g: Array<f64>| {
        let x = [a, b].map(Tensor::new);
        rule.on([&x[0], &x[1]]).backward_with(g);
        x.map(|x| x.grad().unwrap().to_vec()[0])
    };
    for (a, b, g) in
        NUMBERS.iter().flat_map(|a| NUMBERS.iter().flat_map(move |b| NUMBERS.map(|g| (*a, *b, g))))
    {
        let alone = gradients(Array::scalar(a), Array::scalar(b), Array::scalar(g));
        let block = gradients(Array::full(&[BLOCK], a), Array::full(&[BLOCK], b), Array::full(&[BLOCK], g));
        let same = |(x, y): (&f64, &f64)| x.to_bits() == y.to_bits() || x.is_nan() && y.is_nan();
        assert!(
            alone.iter().zip(&block).all(same),
            "{}: the slopes at ({a:?}, {b:?}) under {g:?} are {block:?}, alone {alone:?}",
            R::NAME
        );
    }
}

#[test]
#[cfg_attr(miri, ignore)] // 4096 graphs for each rule
fn a_loop_gives_what_single_numbers_give() {
    compare(Branches);
    compare(Nothing);
    compare(Sums);
    compare(rules::Mul);
    compare(rules::Div);
    compare(rules::Hypot);
    compare(rules::Maximum);
    compare(rules::Xlogy);
    compare(rules::Atan2);
}
