//! Networks in training.

use crate::Bench;
use femtograd::nn::Mlp;
use femtograd::optim::Adam;
use femtograd::random::Rng;
use femtograd::{Array, Tensor};
use std::io;

/// `digits`: one step of `femtograd train digits`, on images of noise.
pub fn run(bench: &mut Bench) -> io::Result<()> {
    let mut digits = Training::digits();
    bench.time("digits", 1, &mut [("", &mut || digits.step())])
}

/// A classifier, its optimiser and a batch of examples, the same each time.
pub struct Training {
    pub net: Mlp,
    adam: Adam,
    examples: Array<f32>,
    classes: Vec<usize>,
}

impl Training {
    /// The network and the batch of the command line.
    pub fn digits() -> Training {
        Training::new(&[64, 256, 10], 32)
    }

    /// A network with these layers and a batch of so many examples.
    pub fn new(layers: &[usize], batch: usize) -> Training {
        let mut rng = Rng::new(0);
        let examples = rng.uniform_array(&[batch, layers[0]]);
        let classes = (0..batch).map(|_| rng.below(layers[layers.len() - 1])).collect();
        // Slow enough to stay at the beginning: what is learned by heart leaves subnormal numbers, which are slow.
        Training { net: Mlp::new(layers, &mut rng), adam: Adam::new(1e-7), examples, classes }
    }

    /// The way forward, on a graph of its own.
    pub fn loss(&self) -> Tensor {
        self.net.forward(&Tensor::constant(self.examples.clone())).cross_entropy(&self.classes)
    }

    /// Forward, backward, Adam.
    pub fn step(&mut self) {
        self.loss().backward();
        self.adam.step(self.net.parameters_mut());
    }
}
