//! Optimisers: they read each parameter's gradient and put a new leaf in its place.

use crate::kernels::{self, Buffer};
use crate::num::{Float, Num};
use crate::{Array, Tensor};

/// Gradient descent: `p ← p − lr·g`.
#[derive(Clone, Debug)]
pub struct Sgd {
    /// The learning rate.
    pub lr: f64,
}

impl Sgd {
    /// Gradient descent with learning rate `lr`.
    pub fn new(lr: f64) -> Sgd {
        Sgd { lr }
    }

    /// One step. The parameters' gradients are used up: the new leaves have none.
    ///
    /// # Panics
    /// If a parameter has no gradient: `backward` was not called, or the loss does not depend on it. Then nothing has
    /// changed.
    #[track_caller]
    pub fn step<'a, T: Float>(&mut self, parameters: impl IntoIterator<Item = &'a mut Tensor<T>>) {
        let parameters: Vec<_> = parameters.into_iter().collect();
        let gradients: Vec<_> = parameters.iter().enumerate().map(|(i, p)| gradient(p, i)).collect();
        for (p, g) in parameters.into_iter().zip(gradients) {
            let step = Array::scalar(T::of(-self.lr)) * g;
            p.set_data(p.data().clone() + step);
        }
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
    steps: i32,
    moments: Vec<(Array<T>, Array<T>)>,
}

impl<T: Float> Adam<T> {
    /// Adam with learning rate `lr`, `β = (0.9, 0.999)` and `ε = 10⁻⁸`.
    pub fn new(lr: f64) -> Adam<T> {
        Adam { lr, betas: (0.9, 0.999), epsilon: 1e-8, steps: 0, moments: Vec::new() }
    }

    /// One step. Give the same parameters in the same order each time: the moments are kept by position. The
    /// parameters' gradients are used up: the new leaves have none.
    ///
    /// # Panics
    /// If a parameter has no gradient (`backward` was not called, or the loss does not depend on it), or if the
    /// parameters have other shapes than at the first step. Then nothing has changed.
    #[track_caller]
    pub fn step<'a>(&mut self, parameters: impl IntoIterator<Item = &'a mut Tensor<T>>) {
        let parameters: Vec<_> = parameters.into_iter().collect();
        // Everything is checked before anything changes.
        let gradients: Vec<_> = parameters.iter().enumerate().map(|(i, p)| gradient(p, i)).collect();
        if self.steps == 0 {
            let zeros = |p: &&mut Tensor<T>| Array::full(p.shape(), T::ZERO);
            self.moments = parameters.iter().map(|p| (zeros(p), zeros(p))).collect();
        }
        let was: Vec<_> = self.moments.iter().map(|(m, _)| m.shape()).collect();
        let is: Vec<_> = parameters.iter().map(|p| p.shape()).collect();
        assert!(was == is, "Adam: the parameters have the shapes {is:?}, at the first step they had {was:?}");
        self.steps += 1;
        let update = Update {
            betas: [T::of(self.betas.0), T::of(self.betas.1)],
            rate: T::of(self.lr / (1.0 - self.betas.0.powi(self.steps))),
            correction: T::of(1.0 / (1.0 - self.betas.1.powi(self.steps))),
            epsilon: T::of(self.epsilon),
        };
        for ((p, g), (m, v)) in parameters.into_iter().zip(gradients).zip(&mut self.moments) {
            let mut fresh = [(); 3].map(|()| Buffer::scratch(g.len()));
            let sinks = fresh.each_mut().map(|buffer| kernels::Sink::Write(buffer));
            kernels::map_into(update, [p.data(), &g, m, v], [], p.shape(), sinks);
            let [next, m_next, v_next] = fresh.map(|buffer| Array::from_buffer(buffer, p.shape()));
            (*m, *v) = (m_next, v_next);
            p.set_data(next);
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

impl<T: Float> kernels::Function<T, 4, 0, 3> for Update<T> {
    #[inline(always)]
    fn at(&self, [p, g, m, v]: [T; 4], _: [T; 0]) -> [T; 3] {
        let [b1, b2] = self.betas;
        let m = b1 * m + (T::ONE - b1) * g;
        let v = b2 * v + (T::ONE - b2) * g * g;
        [p - self.rate * m / (Num::sqrt(v * self.correction) + self.epsilon), m, v]
    }
}

#[track_caller]
fn gradient<T: Float>(p: &Tensor<T>, i: usize) -> Array<T> {
    p.grad().unwrap_or_else(|| {
        let name = p.label().map_or(format!("parameter {i}"), |label| format!("parameter {label:?}"));
        panic!(
            "step: {name} of shape {:?} has no gradient: call backward() first, on a loss that depends on it",
            p.shape()
        )
    })
}
