//! Exact gradients of every order from a core of about 100 lines.
//!
//! ```
//! use femtograd::Tensor;
//!
//! let a = Tensor::new(2.0);
//! let b = Tensor::new(3.0);
//! let c = &a * &b + b.powi(2);
//! c.backward();
//! assert_eq!(a.grad().unwrap(), 3.0); // dc/da = b
//! assert_eq!(b.grad().unwrap(), 8.0); // dc/db = a + 2b
//! ```
//!
//! # Why backpropagation
//!
//! A program that computes one number from many is a composition of simple operations, and the chain rule says how the
//! derivative of a composition follows from the derivatives of its parts. Differences approximate, need one run of
//! the program for each input, and lose half the digits; formulas written out explode. Applied backwards, from the result
//! to the inputs, the chain rule is exact to rounding and gives the derivative by **every** input for a small
//! multiple of the cost of the program, however many there are (Linnainmaa 1970; Griewank & Walther, *Evaluating
//! Derivatives*, 2008). That is why networks with millions of parameters can be trained at all.
//!
//! # The graph
//!
//! A [`Tensor`] remembers the op and the parents it was computed from. Nothing is declared beforehand: loops and
//! branches are those of the program, and each run builds its own graph.
//!
//! ```
//! # use femtograd::Tensor;
//! let x = Tensor::new([1.0, 2.0]).named("x");
//! let y = (&x * &x).sum();
//! let square = &y.parents()[0].parents()[0]; // the sum is a reduction and a reshape
//! assert_eq!(square.op().unwrap().name(), "mul");
//! assert_eq!(square.parents()[1].label().as_deref(), Some("x"));
//! ```
//!
//! [`Tensor::new`] makes a leaf that wants a gradient, [`Tensor::constant`] one that does not; what is computed from
//! constants alone, or inside [`no_grad`], is not recorded. [`Tensor::backward`] leaves a gradient in every leaf, in
//! every tensor you still hold, and in every single number. Leaves add up the gradients of several calls. A tensor's
//! value never changes: an update ([`Tensor::set_data`], or an optimiser of [`optim`]) puts a new leaf in its place, so
//! no parameter can keep a gradient of what it was before.
//!
//! # Numbers and types
//!
//! A literal like `2.0` is `f64` unless something says otherwise, by Rust's rule for literals, so `Tensor::new(2.0)` is a
//! `Tensor<f64>`. `Tensor` alone, as a type, means `Tensor<f32>`, what networks train in. The two do not mix. Where Rust
//! wants to know the type before the literal's rule has spoken (a method called on `2.0 * &a`, say), write it once:
//! `let a: Tensor<f64> = Tensor::new(2.0);`.
//!
//! Operators take tensors, references and numbers, on either side. In a function of references the body reads like the
//! mathematics:
//!
//! ```
//! # use femtograd::Tensor;
//! fn rosenbrock(x: &Tensor<f64>, y: &Tensor<f64>) -> Tensor<f64> {
//!     (1.0 - x).powi(2) + 100.0 * (y - x * x).powi(2)
//! }
//! let (x, y) = (Tensor::new(1.0), Tensor::new(1.0));
//! rosenbrock(&x, &y).backward();
//! assert_eq!((x.grad().unwrap(), y.grad().unwrap()), (0.0.into(), 0.0.into())); // the minimum
//! ```
//!
//! # Higher orders, and forwards
//!
//! [`gradients`] gives the gradient as tensors with a history of their own, to be differentiated again; [`tangent`] goes
//! the other way and carries a movement forwards. [`grad`], [`vjp`], [`jvp`], [`jacobian`], [`hessian`] and [`hvp`] do so for
//! functions, in any nesting:
//!
//! ```
//! # use femtograd::{Tensor, grad, gradients, jvp};
//! let x = Tensor::new(0.5);
//! let y = x.sin();
//! let dy = &gradients(&y, &[&x])[0];
//! let ddy = &gradients(dy, &[&x])[0];
//! assert_eq!(ddy.item(), -y.item());
//!
//! let sin = |x: &Tensor<f64>| x.sin();
//! assert_eq!(grad(grad(sin))(&x).item(), ddy.item());
//! assert_eq!(jvp(grad(sin), &x, &Tensor::constant(1.0)).1.item(), ddy.item());
//! ```
//!
//! [`transform`] shows the same derivative in PyTorch, TensorFlow, JAX and here.
//!
//! # Never silent
//!
//! [`report`] says of each parameter whether a loss reaches it, and if not on which line the path ends; [`nonfinite`] finds
//! the op that produced a NaN; [`verify`] names an op whose rule is wrong; [`diagnose`] knows programs that are legal and
//! probably wrong. See [`inspect`].
//!
//! # A network
//!
//! ```
//! use femtograd::{Tensor, nn::Mlp, optim::Adam, random::Rng};
//!
//! let x = Tensor::constant([[0.0_f32, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]);
//! let xor = [0, 1, 1, 0];
//! let mut net = Mlp::new(&[2, 16, 2], &mut Rng::new(1));
//! let mut adam = Adam::new(0.05);
//! for _ in 0..100 {
//!     net.forward(&x).cross_entropy(&xor).backward();
//!     adam.step(net.parameters_mut());
//! }
//! assert!(net.forward(&x).cross_entropy(&xor).item() < 0.05);
//! ```
//!
//! # Your own ops
//!
//! An elementwise op is one [`Rule`], any other one [`Op`]: see there. Both may live in your crate. [`custom_gradient`] replaces
//! the rule of a function, [`Tensor::hook`] looks at a gradient on its way.
//!
//! # How it is built
//!
//! `tensor.rs` is the core. A [`Rule`] is an elementwise op, run on every [kind of number](num); [`ops`] holds all ops,
//! each in one place; the crate [`kernels`] holds arrays and loops and does not know what a gradient is. [`transform`] and
//! [`inspect`] read graphs. [`nn`] and [`optim`] are compositions of the public interface. `DESIGN.md` in the repository gives the reasons.

mod access;
mod census;
mod context;
mod cut;
mod few;
mod frontier;
pub mod inspect;
mod mistake;
pub mod nn;
mod notes;
pub mod num;
mod once;
mod op;
pub mod ops;
pub mod optim;
pub mod random;
mod release;
pub mod replay;
mod rule;
mod tensor;
pub mod transform;

pub use femtograd_kernels as kernels;

pub use access::Operand;
pub use context::{During, Period, begin};
pub use context::{Place, StrongZero, called_from, caller, count_strong_zeros, no_grad, recording, strict};
pub use cut::CutKind;
pub use inspect::{diagnose, gradcheck, live, nonfinite, report, trace_nonfinite, verify};
#[cfg(feature = "linalg")]
pub use kernels::Triangle;
pub use kernels::{Array, Error, Indices, Shape, set_threads};
pub use mistake::Mistake;
pub use num::Float;
pub use op::{Op, Shortcut};
pub use ops::{Attention, Conv, ConvTranspose, CrossEntropy, Moments, Pool, scaled_dot_product_attention};
pub use ops::{Axes, Padding, concat, einsum, stack, where_};
pub use replay::{Given, Replay, record, record_with};
pub use rule::{Blockwise, Elementwise, Rule};
use tensor::Parents;

pub use tensor::Tensor;
pub use transform::{
    Mode, Tape, Tree, checkpoint, custom_gradient, grad, gradients, gradients_with, hessian,
    hessian_diagonal, hvp, jacobian, jacobian_by, jvp, laplacian, linearize, tangent, value_and_grad, vjp,
};

/// The README's examples, run as tests.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
