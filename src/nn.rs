//! Layers: compositions of the tensor operations, nothing more.

use crate::num::Float;
use crate::random::Rng;
use crate::{Array, Tensor};

/// `y = x·w + b` for each row `x`.
#[derive(Clone, Debug)]
pub struct Linear<T: Float = f32> {
    /// `[inputs, outputs]`
    pub weight: Tensor<T>,
    /// `[outputs]`
    pub bias: Tensor<T>,
}

impl<T: Float> Linear<T> {
    /// Weights from a normal distribution of variance `2 / inputs` (He et al. 2015), which keeps the size of signals
    /// through ReLUs; biases 0.
    #[track_caller]
    pub fn new(inputs: usize, outputs: usize, rng: &mut Rng) -> Linear<T> {
        let scale = (2.0 / inputs as f64).sqrt();
        let weight = Array::from_fn(&[inputs, outputs], |_| T::of(scale * rng.normal()));
        Linear {
            weight: Tensor::new(weight).named("weight"),
            bias: Tensor::new(Array::full(&[outputs], T::ZERO)).named("bias"),
        }
    }

    /// `[…, inputs] → […, outputs]`
    #[track_caller]
    pub fn forward(&self, x: &Tensor<T>) -> Tensor<T> {
        x.linear(&self.weight, &self.bias)
    }
}

/// A multi-layer perceptron: [`Linear`] layers with a ReLU between each two.
///
/// ```
/// use femtograd::{Tensor, nn::Mlp, random::Rng};
/// let net = Mlp::new(&[4, 8, 3], &mut Rng::new(0));
/// let scores = net.forward(&Tensor::constant([[0.1, 0.2, 0.3, 0.4]]));
/// assert_eq!(scores.shape(), [1, 3]);
/// assert_eq!(net.parameters()[0].0, "0.weight");
/// ```
#[derive(Clone, Debug)]
pub struct Mlp<T: Float = f32> {
    /// The layers, first to last.
    pub layers: Vec<Linear<T>>,
}

impl<T: Float> Mlp<T> {
    /// Layers of the given sizes: `[inputs, hidden…, outputs]`.
    ///
    /// # Panics
    /// If there are fewer than two sizes.
    #[track_caller]
    pub fn new(sizes: &[usize], rng: &mut Rng) -> Mlp<T> {
        assert!(sizes.len() >= 2, "Mlp: {sizes:?} names no layer: give inputs and outputs at least");
        let mut net = Mlp { layers: Vec::new() };
        for s in sizes.windows(2) {
            net.layers.push(Linear::new(s[0], s[1], rng));
        }
        for (i, layer) in net.layers.iter_mut().enumerate() {
            layer.weight = layer.weight.clone().named(format!("{i}.weight"));
            layer.bias = layer.bias.clone().named(format!("{i}.bias"));
        }
        net
    }

    /// `[…, inputs] → […, outputs]`
    #[track_caller]
    pub fn forward(&self, x: &Tensor<T>) -> Tensor<T> {
        let mut y = self.layers[0].forward(x);
        for layer in &self.layers[1..] {
            y = layer.forward(&y.relu());
        }
        y
    }

    /// Every parameter with its name: `0.weight`, `0.bias`, `1.weight`, …
    pub fn parameters(&self) -> Vec<(String, &Tensor<T>)> {
        let layers = self.layers.iter().enumerate();
        layers
            .flat_map(|(i, l)| [(format!("{i}.weight"), &l.weight), (format!("{i}.bias"), &l.bias)])
            .collect()
    }

    /// Every parameter, in the order of [`parameters`](Self::parameters), for an optimiser.
    pub fn parameters_mut(&mut self) -> Vec<&mut Tensor<T>> {
        self.layers.iter_mut().flat_map(|l| [&mut l.weight, &mut l.bias]).collect()
    }
}
