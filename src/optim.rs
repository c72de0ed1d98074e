//! Optimisers: they read each parameter's gradient and put a new leaf in its place.

use crate::kernels::{Function, Input, Sink, map_over, uninterrupted};
use crate::num::{Float, Num};
use crate::{Array, Tensor};

/// Gradient descent: `p ← p − lr·g`.
#[derive(Clone, Debug)]
pub struct Sgd {
    /// The learning rate.
    pub lr: f64,
    /// Whether a parameter without a gradient is left as it is, rather than refused; false at first.
    pub allow_missing: bool,
}

impl Sgd {
    /// Gradient descent with learning rate `lr`.
    pub fn new(lr: f64) -> Sgd {
        Sgd { lr, allow_missing: false }
    }

    /// One step. The parameters' gradients are used up: the new leaves have none.
    ///
    /// # Panics
    /// If a parameter has no gradient: `backward` was not called, or the loss does not depend on it. Then nothing has
    /// changed. (Unless [`allow_missing`](Self::allow_missing) says that this is no mistake.)
    #[track_caller]
    pub fn step<'a, T: Float>(&mut self, parameters: impl IntoIterator<Item = &'a mut Tensor<T>>) {
        let parameters: Vec<_> = parameters.into_iter().collect();
        let gradients = gradients(&parameters, self.allow_missing);
        let _whole = uninterrupted();
        for (p, g) in parameters.into_iter().zip(gradients) {
            let Some(g) = g else { continue };
            p.zero_grad();
            p.update_data(|p| {
                let descent = Descent { lr: T::of(self.lr) };
                map_over(descent, [Input::Sink(0)], [Input::Array(&g)], g.shape(), [Sink::Write(p)]);
            });
        }
    }
}

#[derive(Clone, Copy)]
struct Descent<T> {
    lr: T,
}

impl<T: Float> Function<T, 1, 1, 1> for Descent<T> {
    #[inline(always)]
    fn at(&self, [p]: [T; 1], [g]: [T; 1]) -> [T; 1] {
        [p - self.lr * g]
    }
}

/// Adam (Kingma & Ba 2015):
///
/// `m ← β₁m + (1−β₁)g`, `v ← β₂v + (1−β₂)g²`, `p ← p − lr · (m/(1−β₁ᵗ)) / (√(v/(1−β₂ᵗ)) + ε)`
///
/// ```
/// use femtograd::{Tensor, optim::Adam};
/// let mut x: Tensor<f64> = Tensor::new([5.0, -3.0]);
/// let mut adam = Adam::new(0.3);
/// for _ in 0..200 {
///     (&x - 1.0).powi(2).sum().backward();
///     adam.step([&mut x]);
/// }
/// assert!(x.data().to_vec().iter().all(|x| (x - 1.0).abs() < 1e-3));
/// ```
#[derive(Clone, Debug)]
pub struct Adam<T: Float = f32> {
    /// The learning rate.
    pub lr: f64,
    /// `β₁` and `β₂`, how slowly the moments forget.
    pub betas: (f64, f64),
    /// `ε`, which keeps the quotient finite.
    pub epsilon: f64,
    /// Whether a parameter without a gradient is left as it is, and so are its moments, rather than refused; false at
    /// first.
    pub allow_missing: bool,
    states: Vec<State<T>>,
}

/// What Adam keeps of a parameter: `t`, `m` and `v`.
#[derive(Clone, Debug)]
struct State<T: Float> {
    steps: i32,
    mean: Array<T>,
    square: Array<T>,
}

impl<T: Float> Adam<T> {
    /// Adam with learning rate `lr`, `β = (0.9, 0.999)` and `ε = 10⁻⁸`.
    pub fn new(lr: f64) -> Adam<T> {
        Adam { lr, betas: (0.9, 0.999), epsilon: 1e-8, allow_missing: false, states: Vec::new() }
    }

    /// What it keeps of each parameter, in order: how many steps it has taken, and the two moments. Nothing before the first
    /// step.
    pub fn state(&self) -> impl Iterator<Item = (u32, &Array<T>, &Array<T>)> {
        self.states.iter().map(|state| (state.steps.unsigned_abs(), &state.mean, &state.square))
    }

    /// Goes on from what [`state`](Self::state) was.
    ///
    /// ```
    /// use femtograd::{Tensor, optim::Adam};
    /// let mut w: Tensor<f64> = Tensor::new([1.0, 2.0]);
    /// let mut adam = Adam::new(0.1);
    /// (&w * &w).sum().backward();
    /// adam.step([&mut w]);
    /// let mut again = Adam::new(0.1);
    /// again.set_state(adam.state().map(|(steps, mean, square)| (steps, mean.clone(), square.clone())));
    /// let mut twin = Tensor::new(w.data());
    /// for w in [&w, &twin] {
    ///     (w * w).sum().backward();
    /// }
    /// adam.step([&mut w]);
    /// again.step([&mut twin]);
    /// assert_eq!(w.data(), twin.data());
    /// ```
    ///
    /// # Panics
    /// If two moments of one parameter have different shapes.
    #[track_caller]
    pub fn set_state(&mut self, states: impl IntoIterator<Item = (u32, Array<T>, Array<T>)>) {
        let state = |(steps, mean, square): (u32, Array<T>, Array<T>)| {
            let (a, b) = (mean.shape(), square.shape());
            if a != b {
                let why = format!("moments of one parameter have the shapes {a:?} and {b:?}");
                Tensor::<T>::refuse("set_state", &why, &[])
            }
            State { steps: i32::try_from(steps).unwrap_or(i32::MAX), mean, square }
        };
        self.states = states.into_iter().map(state).collect();
    }

    /// One step. Give the same parameters in the same order each time: the moments are kept by position. The
    /// parameters' gradients are used up: the new leaves have none.
    ///
    /// # Panics
    /// If a parameter has no gradient (`backward` was not called, or the loss does not depend on it), or if the
    /// parameters have other shapes than at the first step. Then nothing has changed. (A missing gradient is no mistake
    /// if [`allow_missing`](Self::allow_missing) says so.)
    #[track_caller]
    pub fn step<'a>(&mut self, parameters: impl IntoIterator<Item = &'a mut Tensor<T>>) {
        let parameters: Vec<_> = parameters.into_iter().collect();
        // Everything is checked before anything changes.
        let gradients = gradients(&parameters, self.allow_missing);
        if self.states.is_empty() {
            let zeros = |p: &Tensor<T>| Array::full(p.shape(), T::ZERO);
            self.states =
                parameters.iter().map(|p| State { steps: 0, mean: zeros(p), square: zeros(p) }).collect();
        }
        let was: Vec<_> = self.states.iter().map(|state| state.mean.shape()).collect();
        let is: Vec<_> = parameters.iter().map(|p| p.shape()).collect();
        if was != is {
            let why = format!("the parameters have the shapes {is:?}, at the first step they had {was:?}");
            Tensor::<T>::refuse("step", &why, &[])
        }
        let _whole = uninterrupted();
        for ((p, g), state) in parameters.into_iter().zip(gradients).zip(&mut self.states) {
            let Some(g) = g else { continue };
            state.steps = state.steps.saturating_add(1);
            let update = Update {
                betas: [T::of(self.betas.0), T::of(self.betas.1)],
                rate: T::of(self.lr / (1.0 - self.betas.0.powi(state.steps))),
                correction: T::of(1.0 / (1.0 - self.betas.1.powi(state.steps))),
                epsilon: T::of(self.epsilon),
            };
            p.zero_grad();
            p.update_data(|p| {
                let sinks = [p, state.mean.as_mut_slice(), state.square.as_mut_slice()].map(Sink::Write);
                map_over(update, [0, 1, 2].map(Input::Sink), [Input::Array(&g)], g.shape(), sinks);
            });
        }
    }
}

#[derive(Clone, Copy)]
struct Update<T> {
    betas: [T; 2],
    rate: T,
    correction: T,
    epsilon: T,
}

impl<T: Float> Function<T, 3, 1, 3> for Update<T> {
    #[inline(always)]
    fn at(&self, [p, m, v]: [T; 3], [g]: [T; 1]) -> [T; 3] {
        let [b1, b2] = self.betas;
        let m = b1 * m + (T::ONE - b1) * g;
        let v = b2 * v + (T::ONE - b2) * g * g;
        [p - self.rate * m / (Num::sqrt(v * self.correction) + self.epsilon), m, v]
    }
}

/// Each parameter's gradient; if one has none, that is a mistake unless it is allowed.
#[track_caller]
fn gradients<T: Float>(parameters: &[&mut Tensor<T>], allow_missing: bool) -> Vec<Option<Array<T>>> {
    let gradients: Vec<_> = parameters.iter().map(|p| p.grad()).collect();
    if let (Some(i), false) = (gradients.iter().position(Option::is_none), allow_missing) {
        let p = &parameters[i];
        let name = p.label().map_or(format!("parameter {i}"), |label| format!("parameter {label:?}"));
        let shape = p.shape();
        let why = match p.wants_grad() {
            true => format!(
                "{name} of shape {shape:?} has no gradient: call backward() first, on a loss that depends on it. \
                 report() says where the path from a loss to it ends; allow_missing lets it be"
            ),
            false => format!(
                "{name} of shape {shape:?} is a constant, made at {}: Tensor::new makes one that wants a gradient",
                p.location()
            ),
        };
        Tensor::refuse("step", &why, &[p])
    }
    gradients
}
