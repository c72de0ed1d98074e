//! Derivatives as tensors that can be differentiated again.
//!
//! Of results that are there already ([`gradients`], [`tangent`]) and of functions ([`grad`], [`vjp`], [`jvp`] and what
//! is built of them). The same derivative, `d/dx x³ = 3x²` at 2, in four libraries:
//!
//! | | |
//! |---|---|
//! | PyTorch | `x = torch.tensor(2.0, requires_grad=True); y = x**3; y.backward(); x.grad` |
//! | | `torch.func.grad(lambda x: x**3)(torch.tensor(2.0))` |
//! | TensorFlow | `with tf.GradientTape() as tape: tape.watch(x); y = x**3` and then `tape.gradient(y, x)` |
//! | JAX | `jax.grad(lambda x: x**3)(2.0)` |
//! | FemtoGrad | any of these: |
//!
//! ```
//! use femtograd::{Tape, Tensor, grad, gradients};
//!
//! let x = Tensor::new(2.0); // as in PyTorch
//! x.powi(3).backward();
//! assert_eq!(x.grad().unwrap(), 12.0);
//!
//! let mut tape = Tape::new(); // as in TensorFlow
//! let x = tape.watch(&Tensor::constant(2.0));
//! let y = x.powi(3);
//! assert_eq!(tape.gradient(&y)[0].item(), 12.0);
//!
//! let slope = grad(|x: &Tensor<f64>| x.powi(3)); // as in JAX
//! assert_eq!(slope(&Tensor::constant(2.0)).item(), 12.0);
//!
//! let x = Tensor::new(2.0); // and of a graph, as in torch.autograd.grad
//! let y = x.powi(3);
//! assert_eq!(gradients(&y, &[&x])[0].item(), 12.0);
//! ```

mod checkpoint;
mod custom;
mod function;
mod graph;
mod tree;

pub use checkpoint::checkpoint;
pub use custom::custom_gradient;
pub(crate) use function::same;
pub use function::{
    Mode, grad, hessian, hessian_diagonal, hvp, jacobian, jacobian_by, jvp, laplacian, linearize,
    value_and_grad, vjp,
};
pub(crate) use graph::transposed;
pub use graph::{Tape, gradients, gradients_with, tangent};
pub use tree::Tree;
pub(crate) use tree::tensors;
