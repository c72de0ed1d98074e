//! The ops, each in one place.

mod arrange;
mod einsum;
pub mod elementwise;
mod index;
#[cfg(feature = "linalg")]
mod linalg;
pub(crate) mod linear;
mod loss;
mod matmul;
mod norm;
mod operators;
mod order;
mod reduce;
mod scan;
mod shape;

pub use arrange::Padding;
pub use einsum::einsum;
pub use elementwise::where_;
pub use reduce::Axes;
pub use shape::{concat, stack};
