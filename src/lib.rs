//! Exact gradients of every order from a core of about 100 lines.

mod access;
mod context;
mod frontier;
pub mod inspect;
mod mistake;
pub mod nn;
mod notes;
pub mod num;
mod op;
pub mod ops;
pub mod optim;
pub mod random;
mod rule;
mod tensor;
mod transform;

pub use femtograd_kernels as kernels;

pub use access::Operand;
pub use context::{Place, no_grad, recording};
pub use kernels::{Array, Error, Shape, set_threads};
pub use mistake::Mistake;
pub use num::Float;
pub use op::Op;
pub use ops::{Axes, concat, stack, where_};
pub use rule::{Elementwise, Rule};
pub use tensor::{Parents, Tensor};
pub use transform::{gradients, jvp, vjp};
