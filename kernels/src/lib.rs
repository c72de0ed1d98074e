//! The numerical half of femtograd: n-dimensional arrays and the loops over them. Nothing here knows what a gradient is.
//!
//! - [`Array`]: numbers with a shape, views without copying, NumPy's broadcasting.
//! - [`map`], [`map_into`], [`map_over`]: any [`Function`] of several arrays in one pass over memory, vectorised.
//! - [`Chain`]: many functions in one pass.
//! - [`sum`], [`max`], [`sum_to`]: reductions along any axes, accurate and the same on any number of threads.
//! - [`matmul`], [`matmul_to`], [`affine`]; [`convolve`], [`max_pool`], [`mean_pool`], [`attention()`] and the way back.
//! - [`softmax`], [`logsumexp`], [`log_likelihood`], [`Normalize`]: what looks at whole rows, and the ways back.
//! - [`concat()`], [`index_select`], [`take_along_axis`] and their reverses; [`Indices`].
//! - [`argsort`], [`argmax`], [`argmin`]; [`cumsum`].
//! - With the feature `linalg`: linear systems and what goes with them.
//! - [`simd`]: one loop compiled for AVX-512, AVX2 and everything else, chosen at run time; [`math`]: elementary functions
//!   for such loops; [`special`]: functions for one number at a time; [`Buffer`]: memory that is used again.
//! - For programs that embed them: [`on_poll`], which may stop long work; [`NO_MEMORY`]; [`Buffer::borrowed`].
//!
//! ```
//! use femtograd_kernels::{Array, matmul, sum};
//! let a = Array::from([[1.0, 2.0], [3.0, 4.0]]);
//! let turned = a.permute(&[1, 0])?; // another view of the same numbers
//! assert_eq!(matmul(&a, &turned)?.to_string(), "[[5, 11], [11, 25]]");
//! assert_eq!(sum(&turned, &[0])?.to_string(), "[[3, 7]]"); // reduced axes keep length 1
//! # Ok::<(), femtograd_kernels::Error>(())
//! ```
//!
//! `unsafe` stands in eight files: `buffer.rs` (bytes as numbers, others' memory), `simd.rs` (calling a function compiled for
//! an instruction set that was found to be there), `vector.rs`, `gemm.rs` and `conv.rs` (that set's own registers, and the loops
//! that need them by name), `map.rs` and `chain.rs` (blocks whose place is an address and a step, and which are written while
//! others are read), and `team.rs` (work that other threads borrow).

mod array;
mod attention;
mod buffer;
mod chain;
mod conv;
mod copy;
mod float;
mod gemm;
mod index;
mod indices;
#[cfg(feature = "linalg")]
mod linalg;
mod map;
pub mod math;
mod matmul;
mod once;
mod order;
mod poll;
mod pool;
mod reduce;
mod rows;
mod scan;
pub mod simd;
pub mod special;
#[cfg(feature = "threads")]
mod team;
mod threads;
mod vector;

pub use array::{Array, Layout, Shape, broadcast, count, window_count};
pub use attention::{Scores, attention, attention_back};
pub use buffer::{Buffer, NO_MEMORY, live_bytes, peak_bytes, reset_peak, room, trim};
pub use chain::{Chain, Register, Step, StepFn, Write, map_blocks};
pub use conv::{Convolution, convolve, convolve_back};
pub use float::{Float, chain};
pub use index::{
    add_to_slice, add_to_windows, concat, index_add, index_select, scatter_add, take_along_axis,
};
pub use indices::{Indices, Origin};
#[cfg(feature = "linalg")]
pub use linalg::{Triangle, cholesky, slogdet, solve, solve_triangular};
pub use map::{Function, Input, Sink, map, map_into, map_over};
pub use matmul::{affine, matmul, matmul_to};
pub use order::{argmax, argmin, argsort};
pub use poll::{Uninterrupted, on_poll, poll, uninterrupted};
pub use pool::{Pooling, max_pool, max_pool_back, mean_pool, mean_pool_back};
pub use reduce::{all_finite, max, sum, sum_to};
pub use rows::{
    Normalize, Picks, log_likelihood, log_likelihood_back, log_softmax, log_softmax_back, logsumexp,
    logsumexp_back, share, shifted, softmax, softmax_back,
};
pub use scan::cumsum;
pub use threads::{forked, set_threads, threads};

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
