//! The ops, each in one place.

mod arrange;
mod attention;
mod conv;
mod dropout;
mod einsum;
pub mod elementwise;
pub(crate) mod fused;
mod index;
#[cfg(feature = "linalg")]
mod linalg;
pub(crate) mod linear;
pub(crate) mod loss;
mod matmul;
mod norm;
mod normalize;
mod operators;
mod order;
mod reduce;
mod scan;
mod shape;
mod softmax;

pub use arrange::Padding;
pub use attention::{Attention, scaled_dot_product_attention};
pub use conv::{Conv, ConvTranspose, Pool};
pub use einsum::einsum;
pub use elementwise::where_;
pub use loss::CrossEntropy;
pub use normalize::Moments;
pub use reduce::Axes;
pub use shape::{concat, stack};
