//! Random numbers that repeat.
//!
//! A generator is a seed and a counter, and its `n`th number is a hash of the two: nothing is drawn from a global, the
//! same seed gives the same numbers on every machine, and streams for different purposes are made by
//! [`split`](Rng::split).

use crate::num::Float;
use crate::{Array, kernels};

/// A seeded, counter-based generator (SplitMix64: Steele, Lea & Flood, *Fast splittable pseudorandom number
/// generators*, 2014).
///
/// ```
/// use femtograd::random::Rng;
/// let (mut a, mut b) = (Rng::new(7), Rng::new(7));
/// assert_eq!(a.uniform(), b.uniform());
/// ```
#[derive(Clone, Debug)]
pub struct Rng {
    seed: u64,
    counter: u64,
}

impl Rng {
    /// The generator of this seed.
    pub fn new(seed: u64) -> Rng {
        Rng { seed: mix(seed), counter: 0 }
    }

    /// Where it stands, to go on from there another time: see [`from_state`](Self::from_state).
    pub fn state(&self) -> [u64; 2] {
        [self.seed, self.counter]
    }

    /// The generator that stood there.
    ///
    /// ```
    /// use femtograd::random::Rng;
    /// let mut rng = Rng::new(7);
    /// rng.uniform();
    /// let mut again = Rng::from_state(rng.state());
    /// assert_eq!(again.uniform(), rng.uniform());
    /// ```
    pub fn from_state([seed, counter]: [u64; 2]) -> Rng {
        Rng { seed, counter }
    }

    /// A generator of its own, which this one determines.
    pub fn split(&mut self) -> Rng {
        Rng::new(self.next_u64())
    }

    /// 64 random bits.
    pub fn next_u64(&mut self) -> u64 {
        self.counter = self.counter.wrapping_add(1);
        mix(self.seed.wrapping_add(self.counter.wrapping_mul(0x9E37_79B9_7F4A_7C15)))
    }

    /// A number in `[0, 1)`, uniformly.
    pub fn uniform(&mut self) -> f64 {
        (self.next_u64() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A number of the standard normal distribution (Box & Muller 1958).
    pub fn normal(&mut self) -> f64 {
        let (u, v) = (1.0 - self.uniform(), self.uniform());
        let (ln, cos) = (kernels::Float::ln(u), kernels::Float::cos(v * std::f64::consts::TAU));
        (-2.0 * ln).sqrt() * cos
    }

    /// A whole number below `n`, uniformly (Lemire's multiplication; the bias is below `n / 2⁶⁴`).
    ///
    /// # Panics
    /// If `n` is 0.
    pub fn below(&mut self, n: usize) -> usize {
        assert!(n > 0, "below: there is no number below 0");
        ((self.next_u64() as u128 * n as u128) >> 64) as usize
    }

    /// `0, 1, …, n − 1` in random order (Fisher & Yates).
    pub fn permutation(&mut self, n: usize) -> Vec<usize> {
        let mut order = kernels::room(n);
        order.extend(0..n);
        for i in (1..n).rev() {
            order.swap(i, self.below(i + 1));
            if i.is_multiple_of(1 << 14) {
                kernels::poll(1 << 21);
            }
        }
        order
    }

    /// An array of independent numbers of the standard normal distribution.
    pub fn normal_array<T: Float>(&mut self, shape: &[usize]) -> Array<T> {
        Array::from_fn(shape, |_| T::of(self.normal()))
    }

    /// An array of independent numbers, uniform in `[0, 1)`.
    pub fn uniform_array<T: Float>(&mut self, shape: &[usize]) -> Array<T> {
        Array::from_fn(shape, |_| T::of(self.uniform()))
    }
}

/// Scrambles 64 bits: a bijection after which neighbours have nothing in common.
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}
