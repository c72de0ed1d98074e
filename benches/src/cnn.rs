//! A convolutional network.

use crate::training::Model;
use femtograd::nn::Linear;
use femtograd::random::Rng;
use femtograd::{Array, Conv, Pool, Tensor};

/// Two convolutions, each with a ReLU and halved by a maximum over 2×2 points, and a linear layer, which sort 64 images of
/// 28×28 points into 10 classes.
pub struct Cnn {
    convolutions: [Convolution; 2],
    linear: Linear,
    images: Array<f32>,
    classes: Vec<usize>,
}

/// A convolution with kernels of 3×3 points that keeps the size of the image.
struct Convolution {
    weight: Tensor,
    bias: Tensor,
}

impl Convolution {
    fn new(channels: usize, outputs: usize, rng: &mut Rng) -> Convolution {
        let scale = (2.0 / (9 * channels) as f64).sqrt();
        let weight = Array::from_fn(&[outputs, channels, 3, 3], |_| (scale * rng.normal()) as f32);
        Convolution { weight: Tensor::new(weight), bias: Tensor::new(Array::full(&[outputs], 0.0)) }
    }

    fn forward(&self, x: &Tensor) -> Tensor {
        x.conv2d(&self.weight, Some(&self.bias), &Conv { padding: [1, 1], ..Conv::default() })
    }
}

impl Cnn {
    pub fn new() -> Cnn {
        let mut rng = Rng::new(0);
        Cnn {
            convolutions: [Convolution::new(1, 16, &mut rng), Convolution::new(16, 32, &mut rng)],
            linear: Linear::new(32 * 7 * 7, 10, &mut rng),
            images: rng.uniform_array(&[64, 1, 28, 28]),
            classes: (0..64).map(|_| rng.below(10)).collect(),
        }
    }
}

impl Model for Cnn {
    fn loss(&self) -> Tensor {
        let halves = Pool::new([2, 2]);
        let mut x = Tensor::constant(self.images.clone());
        for convolution in &self.convolutions {
            x = convolution.forward(&x).relu().max_pool2d(&halves);
        }
        self.linear.forward(&x.flatten(1, -1)).cross_entropy(&self.classes)
    }
    fn parameters_mut(&mut self) -> Vec<&mut Tensor> {
        let convolutions = self.convolutions.iter_mut().flat_map(|c| [&mut c.weight, &mut c.bias]);
        convolutions.chain([&mut self.linear.weight, &mut self.linear.bias]).collect()
    }
}
