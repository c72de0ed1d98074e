//! What is compiled once, in this crate.
//!
//! A generic function is compiled where it is used: every program and every test would hold its own copies of the kernels,
//! three instruction sets each. So a public kernel `f` only calls a method of [`Kernels`], and the code stands in `f_here`,
//! which `f32` and `f64` have as an ordinary method, compiled with this crate.

use crate::{Array, Convolution, Indices, Normalize, Picks, Pooling, Result, Scores, Sink};
#[cfg(feature = "linalg")]
use crate::{Triangle, linalg};
use crate::{attention, conv, index, matmul, order, pool, reduce, rows, scan};

macro_rules! once {
    ($($(#[$when:meta])* $module:ident::$f:ident($($x:ident: $X:ty),* $(,)?) $(-> $Y:ty)?;)*) => {
        /// The kernels of a type of numbers.
        #[doc(hidden)]
        pub trait Kernels: Sized {
            $($(#[$when])* fn $f($($x: $X),*) $(-> $Y)?;)*
        }
        once!(@for f32 $($(#[$when])* $module::$f($($x: $X),*) $(-> $Y)?;)*);
        once!(@for f64 $($(#[$when])* $module::$f($($x: $X),*) $(-> $Y)?;)*);
    };
    (@for $T:ident $($(#[$when:meta])* $module:ident::$f:ident($($x:ident: $X:ty),*) $(-> $Y:ty)?;)*) => {
        impl Kernels for $T {
            $($(#[$when])* fn $f($($x: $X),*) $(-> $Y)? {
                $module::$f($($x),*)
            })*
        }
    };
}
once! {
    attention::attention_here(
        q: &Array<Self>, k: &Array<Self>, v: &Array<Self>, scores: Scores<'_, Self>,
    ) -> Result<Array<Self>>;
    attention::attention_back_here(
        q: &Array<Self>, k: &Array<Self>, v: &Array<Self>, g: &Array<Self>, scores: Scores<'_, Self>,
    ) -> Result<[Array<Self>; 3]>;
    conv::convolve_here(
        x: &Array<Self>, w: &Array<Self>, bias: Option<&Array<Self>>, how: &Convolution,
    ) -> Array<Self>;
    conv::convolve_back_here(
        x: &Array<Self>, w: &Array<Self>, g: &Array<Self>, how: &Convolution, wanted: [bool; 2],
    ) -> [Option<Array<Self>>; 2];
    pool::max_pool_here(x: &Array<Self>, how: &Pooling) -> Array<Self>;
    pool::max_pool_back_here(x: &Array<Self>, y: &Array<Self>, g: &Array<Self>, how: &Pooling) -> Array<Self>;
    pool::mean_pool_here(x: &Array<Self>, how: &Pooling) -> Array<Self>;
    pool::mean_pool_back_here(
        x: &Array<Self>, y: &Array<Self>, g: &Array<Self>, how: &Pooling,
    ) -> Array<Self>;
    rows::softmax_here(x: &Array<Self>) -> Array<Self>;
    rows::log_softmax_here(x: &Array<Self>) -> Array<Self>;
    rows::logsumexp_here(x: &Array<Self>) -> Array<Self>;
    rows::softmax_back_here(y: &Array<Self>, g: &Array<Self>, into: Sink<'_, Self>);
    rows::log_softmax_back_here(y: &Array<Self>, g: &Array<Self>, into: Sink<'_, Self>);
    rows::logsumexp_back_here(x: &Array<Self>, g: &Array<Self>, into: Sink<'_, Self>);
    rows::log_likelihood_here(x: &Array<Self>, picks: Picks<'_, Self>) -> Self;
    rows::log_likelihood_back_here(x: &Array<Self>, picks: Picks<'_, Self>, g: Self, into: Sink<'_, Self>);
    rows::normalize_here(how: &Normalize<'_, Self>, x: &Array<Self>) -> Array<Self>;
    rows::normalize_back_here(
        how: &Normalize<'_, Self>, x: &Array<Self>, g: &Array<Self>, into: Sink<'_, Self>, parameters: bool,
    ) -> Option<[Array<Self>; 2]>;
    reduce::sum_here(x: &Array<Self>, axes: &[usize]) -> Result<Array<Self>>;
    reduce::max_here(x: &Array<Self>, axes: &[usize]) -> Result<Array<Self>>;
    reduce::all_finite_here(x: &Array<Self>) -> bool;
    reduce::sum_to_here(x: &Array<Self>, shape: &[usize]) -> Array<Self>;
    reduce::total_here(x: &[Self]) -> Self;
    index::index_select_here(x: &Array<Self>, axis: usize, indices: &Indices) -> Result<Array<Self>>;
    index::index_add_here(target: &mut Array<Self>, axis: usize, indices: &Indices, part: &Array<Self>);
    index::take_along_axis_here(x: &Array<Self>, axis: usize, indices: &Indices) -> Result<Array<Self>>;
    index::scatter_add_here(
        target: &mut Array<Self>, axis: usize, indices: &Indices, part: &Array<Self>,
    ) -> Result<()>;
    index::concat_here(parts: &[&Array<Self>], axis: usize) -> Result<Array<Self>>;
    index::add_to_slice_here(
        target: &mut Array<Self>, axis: usize, start: usize, step: isize, part: &Array<Self>,
    );
    index::add_to_windows_here(
        target: &mut Array<Self>, axis: usize, step: usize, dilation: usize, part: &Array<Self>,
    );
    #[cfg(feature = "linalg")]
    linalg::solve_here(a: &Array<Self>, b: &Array<Self>) -> Result<Array<Self>>;
    #[cfg(feature = "linalg")]
    linalg::solve_triangular_here(
        a: &Array<Self>, b: &Array<Self>, triangle: Triangle,
    ) -> Result<Array<Self>>;
    #[cfg(feature = "linalg")]
    linalg::cholesky_here(x: &Array<Self>) -> Result<Array<Self>>;
    #[cfg(feature = "linalg")]
    linalg::slogdet_here(x: &Array<Self>) -> Result<Array<Self>>;
    order::argmax_here(x: &Array<Self>, axis: usize) -> Result<Indices>;
    order::argmin_here(x: &Array<Self>, axis: usize) -> Result<Indices>;
    order::argsort_here(x: &Array<Self>, axis: usize, k: usize, descending: bool) -> Result<Indices>;
    scan::cumsum_here(x: &Array<Self>, axis: usize, backwards: bool) -> Result<Array<Self>>;
    matmul::affine_here(a: &Array<Self>, b: &Array<Self>, bias: &Array<Self>) -> Result<Array<Self>>;
    matmul::matmul_here(a: &Array<Self>, b: &Array<Self>) -> Result<Array<Self>>;
    matmul::matmul_to_here(
        sum: Option<Array<Self>>, a: &Array<Self>, b: &Array<Self>, shape: &[usize],
    ) -> Result<Array<Self>>;
}
