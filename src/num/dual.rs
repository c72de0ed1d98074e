//! Dual numbers: a value and its slopes, carried forward together.

use super::{Num, by_rule};
use crate::Rule;
use std::array::from_fn;
use std::ops::{Add, Neg, Sub};

/// A value and its slopes in `N` arguments: forward mode.
///
/// `Dual(v, [d₁, …])` stands for `v + d₁ε₁ + …` with `εᵢεⱼ = 0` (Clifford 1873; Griewank & Walther, *Evaluating
/// Derivatives*, ch. 3). Any formula written over [`Num`] and run on duals computes its own derivatives:
///
/// ```
/// use femtograd::num::{Dual, Num};
/// fn f<V: Num>(x: V, w: V) -> V { (x * w).tanh() }
/// let [x, w] = Dual::arguments([0.5, 2.0]);
/// let y = f(x, w);
/// let slope = 1.0 - 1f64.tanh().powi(2);
/// assert!((y.1[0] - 2.0 * slope).abs() < 1e-15 && (y.1[1] - 0.5 * slope).abs() < 1e-15);
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dual<V, const N: usize>(pub V, pub [V; N]);

impl<V: Num, const N: usize> Dual<V, N> {
    /// The `N` arguments of a function: each has slope 1 in itself and 0 in the others.
    #[inline(always)]
    pub fn arguments(x: [V; N]) -> [Self; N] {
        from_fn(|i| Dual(x[i], from_fn(|k| if i == k { V::lit(1.0) } else { V::nothing() })))
    }
}

impl<V: Num, const N: usize> Num for Dual<V, N> {
    type Mask = V::Mask;
    #[inline(always)]
    fn lit(v: f64) -> Self {
        Dual(V::lit(v), [V::nothing(); N])
    }
    #[inline(always)]
    fn apply<R: Rule<M>, const M: usize>(rule: R, x: [Self; M]) -> Self {
        let values = x.map(|x| x.0);
        let y = V::apply(rule, values);
        let slopes = rule.slopes(values, y);
        let d = from_fn(|k| {
            let terms: [V; M] = from_fn(|i| x[i].1[k].carry(slopes[i]));
            terms.into_iter().reduce(|a, b| a + b).unwrap_or(V::nothing())
        });
        Dual(y, d)
    }
    #[inline(always)]
    fn lt(self, other: Self) -> V::Mask {
        self.0.lt(other.0)
    }
    #[inline(always)]
    fn le(self, other: Self) -> V::Mask {
        self.0.le(other.0)
    }
    #[inline(always)]
    fn eq(self, other: Self) -> V::Mask {
        self.0.eq(other.0)
    }
    #[inline(always)]
    fn select(mask: V::Mask, a: Self, b: Self) -> Self {
        Dual(V::select(mask, a.0, b.0), from_fn(|k| V::select(mask, a.1[k], b.1[k])))
    }
}
by_rule!([V: Num, const N: usize] Dual<V, N>, Mul mul other);
by_rule!([V: Num, const N: usize] Dual<V, N>, Div div other);

// Slopes of ±1 need no product, and no guard for one: sums of duals are sums.
impl<V: Num, const N: usize> Add for Dual<V, N> {
    type Output = Self;
    #[inline(always)]
    fn add(self, other: Self) -> Self {
        Dual(self.0 + other.0, from_fn(|k| self.1[k] + other.1[k]))
    }
}
impl<V: Num, const N: usize> Sub for Dual<V, N> {
    type Output = Self;
    #[inline(always)]
    fn sub(self, other: Self) -> Self {
        Dual(self.0 - other.0, from_fn(|k| self.1[k] - other.1[k]))
    }
}
impl<V: Num, const N: usize> Neg for Dual<V, N> {
    type Output = Self;
    #[inline(always)]
    fn neg(self) -> Self {
        Dual(-self.0, self.1.map(|d| -d))
    }
}
