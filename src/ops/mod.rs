//! The ops, each in one place.

mod attention;
mod conv;
pub mod elementwise;
mod index;
mod linear;
mod loss;
mod matmul;
mod normalize;
mod operators;
mod reduce;
mod shape;
mod softmax;

pub use attention::{Attention, scaled_dot_product_attention};
pub use conv::{Conv, ConvTranspose, Pool};
pub use elementwise::where_;
pub use loss::CrossEntropy;
pub use normalize::Moments;
pub use reduce::Axes;
pub use shape::{concat, stack};
