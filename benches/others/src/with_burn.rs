//! burn, on its processor backend.

use crate::{LEARNING_RATE, classes};
use burn::backend::{Autodiff, Flex};
use burn::module::Module;
use burn::nn::loss::{CrossEntropyLoss, CrossEntropyLossConfig};
use burn::nn::{Linear, LinearConfig};
use burn::optim::{AdamConfig, GradientsParams, Optimizer};
use burn::tensor::activation::relu;
use burn::tensor::{DType, Distribution, Int, Tensor};

type Backend = Autodiff<Flex>;

pub fn chain() -> impl FnMut() {
    let device = Default::default();
    let number = move |x: f32| Tensor::<Backend, 1>::from_floats([x], &device).cast(DType::F64);
    move || {
        let (a, b) = (number(2.0).require_grad(), number(3.0).require_grad());
        let end = (0..1000).fold(a.clone(), |x, _| (x * b.clone() + a.clone()).tanh());
        std::hint::black_box(end.backward());
    }
}

#[derive(Module, Debug)]
struct Mlp<B: burn::tensor::backend::Backend> {
    layers: Vec<Linear<B>>,
}

impl<B: burn::tensor::backend::Backend> Mlp<B> {
    fn forward(&self, x: Tensor<B, 2>) -> Tensor<B, 2> {
        let first = self.layers[0].forward(x);
        self.layers[1..].iter().fold(first, |x, layer| layer.forward(relu(x)))
    }
}

pub fn mlp(sizes: &[usize], batch: usize) -> impl FnMut() {
    let device = Default::default();
    let layer = |s: &[usize]| LinearConfig::new(s[0], s[1]).init(&device);
    let mut network = Some(Mlp::<Backend> { layers: sizes.windows(2).map(layer).collect() });
    let mut adam = AdamConfig::new().with_epsilon(1e-8).init();
    let loss: CrossEntropyLoss<Backend> = CrossEntropyLossConfig::new().init(&device);
    let examples = Tensor::random([batch, sizes[0]], Distribution::Uniform(0.0, 1.0), &device);
    let classes: Vec<_> = classes(batch).map(|class| class as i32).collect();
    let classes = Tensor::<Backend, 1, Int>::from_ints(&classes[..], &device);
    let mut step = move |network: Mlp<Backend>| {
        let scores = network.forward(examples.clone());
        let gradients = loss.forward(scores, classes.clone()).backward();
        let gradients = GradientsParams::from_grads(gradients, &network);
        adam.step(LEARNING_RATE, network, gradients)
    };
    move || network = network.take().map(&mut step)
}
