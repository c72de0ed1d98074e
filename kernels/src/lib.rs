//! Kernels.
mod array;
mod buffer;
mod float;
mod index;
mod map;

pub mod math;
mod matmul;
mod reduce;
pub mod simd;
mod threads;

pub use array::{Array, Layout, Shape, broadcast, count};
pub use buffer::{Buffer, live_bytes, peak_bytes, reset_peak, trim};
pub use float::Float;
pub use index::{add_to_slice, concat, gather_rows, scatter_add_rows};
pub use map::{Function, Sink, map, map_into};
pub use matmul::matmul;
pub use reduce::{max, sum, sum_to};
pub use threads::{set_threads, threads};

/// What is wrong with the arguments of a kernel, in words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error(pub String);
impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}
impl std::error::Error for Error {}
/// The result of a kernel whose arguments may not fit.
pub type Result<T> = std::result::Result<T, Error>;
