//! What looks at recorded graphs: that mistakes are found and named, and that right programs raise no alarm.

#![cfg(not(miri))] // much arithmetic, nothing new

mod diagnose;
mod gradcheck;
mod nonfinite;
mod verify;

use femtograd::nn::Mlp;
use femtograd::optim::Adam;
use femtograd::random::Rng;
use femtograd::{Array, Error, Float, Op, Tensor};

/// `y = x²`, with its derivatives multiplied by what each of them is given.
#[derive(Clone)]
struct Square {
    vjp: f64,
    jvp: f64,
    pull: f64,
}

const RIGHT: Square = Square { vjp: 1.0, jvp: 1.0, pull: 1.0 };

impl<T: Float> Op<T> for Square {
    fn name(&self) -> &'static str {
        "square"
    }
    fn forward(&self, x: &[Tensor<T>]) -> Result<Array<T>, Error> {
        Ok(x[0].data().clone() * x[0].data().clone())
    }
    fn vjp(&self, x: &[Tensor<T>], _: &Tensor<T>, g: &Tensor<T>, _: usize) -> Tensor<T> {
        g * &x[0] * T::of(2.0 * self.vjp)
    }
    fn jvp(&self, x: &[Tensor<T>], _: &Tensor<T>, dx: &[Option<Tensor<T>>]) -> Tensor<T> {
        dx[0].as_ref().unwrap() * &x[0] * T::of(2.0 * self.jvp)
    }
    fn pull(&self, x: &[Tensor<T>], _: &Tensor<T>, g: Array<T>, sums: &mut [Option<Array<T>>]) {
        let own = g * x[0].data().clone() * Array::scalar(T::of(2.0 * self.pull));
        sums[0] = Some(match sums[0].take() {
            Some(sum) => sum + own,
            None => own,
        });
    }
}

/// Blobs around ten centres, in the shape of the digits: 64 numbers in `[0, 1]`, many of them 0.
fn digits(rng: &mut Rng, n: usize) -> (Tensor<f32>, Vec<usize>) {
    let classes: Vec<usize> = (0..n).map(|_| rng.below(10)).collect();
    let pixel = |i: usize, rng: &mut Rng| {
        let (class, pixel) = (classes[i / 64], i % 64);
        let ink = if pixel % 10 == class { 0.8 } else { 0.1 };
        (ink + 0.2 * rng.normal()).clamp(0.0, 1.0) as f32
    };
    (Tensor::constant(Array::from_fn(&[n, 64], |i| pixel(i, rng))), classes)
}

/// A network on [`digits`] after some steps of training, its last loss backpropagated.
fn trained(steps: usize) -> (Mlp<f32>, Tensor<f32>) {
    let mut rng = Rng::new(3);
    let (mut net, mut adam) = (Mlp::new(&[64, 256, 10], &mut rng), Adam::new(0.01));
    for _ in 0..steps {
        let (x, classes) = digits(&mut rng, 64);
        net.forward(&x).cross_entropy(&classes).backward();
        adam.step(net.parameters_mut());
    }
    let (x, classes) = digits(&mut rng, 64);
    let loss = net.forward(&x).cross_entropy(&classes);
    loss.backward();
    (net, loss)
}
