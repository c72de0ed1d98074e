//! Multi-layer perceptrons.

use crate::training::Model;
use femtograd::nn::Mlp;
use femtograd::random::Rng;
use femtograd::{Array, Tensor};

/// A perceptron that sorts noise into classes.
pub struct Classifier {
    pub net: Mlp,
    examples: Array<f32>,
    classes: Vec<usize>,
}

impl Classifier {
    /// With these layers and a batch of so many examples.
    pub fn new(layers: &[usize], batch: usize) -> Classifier {
        let mut rng = Rng::new(0);
        let examples = rng.uniform_array(&[batch, layers[0]]);
        let classes = (0..batch).map(|_| rng.below(layers[layers.len() - 1])).collect();
        Classifier { net: Mlp::new(layers, &mut rng), examples, classes }
    }

    /// The network and the batch of `femtograd train digits`.
    pub fn digits() -> Classifier {
        Classifier::new(&[64, 256, 10], 32)
    }

    /// A network whose parameters fit into the second-level cache.
    pub fn small() -> Classifier {
        Classifier::new(&[784, 128, 10], 64)
    }

    /// A network whose parameters fit into no cache.
    pub fn large() -> Classifier {
        Classifier::new(&[1024, 4096, 4096, 10], 128)
    }
}

impl Model for Classifier {
    fn loss(&self) -> Tensor {
        self.net.forward(&Tensor::constant(self.examples.clone())).cross_entropy(&self.classes)
    }
    fn parameters_mut(&mut self) -> Vec<&mut Tensor> {
        self.net.parameters_mut()
    }
}
