//! Reductions: over all axes, or over some, which vanish or keep length 1.

use super::args::{axes, counted};
use super::{of, option};
use crate::any::Any;
use crate::tensor::{PyTensor, argument, fresh};
use crate::{convert, each, guard};
use pyo3::exceptions::PyTypeError;
use pyo3::prelude::*;

/// The options that NumPy's functions hand on and that mean nothing here: a `dtype` that is another one, an array to
/// write into.
pub fn refuse_options(
    op: &str,
    x: &Any,
    dtype: Option<&Bound<'_, PyAny>>,
    out: Option<&Bound<'_, PyAny>>,
) -> PyResult<()> {
    if out.is_some() {
        return Err(PyTypeError::new_err(format!(
            "{op}: out is not supported: a tensor's value never changes"
        )));
    }
    if let Some(dtype) = dtype
        && convert::float_type(dtype)? != x.dtype()
    {
        let why = format!("{op}: a graph has one type, here {}: dtype cannot change it", x.dtype());
        return Err(PyTypeError::new_err(why));
    }
    Ok(())
}

/// `axis`, then `dtype` if NumPy's has it, `out`, `keepdims`: which axes the sum, or what it is, runs over.
macro_rules! reductions {
    ($($(#[$doc:meta])* $name:ident($($dtype:ident)?) => |$x:ident, $axes:ident| $y:expr, $kept:expr;)*) => {
        #[pymethods]
        impl PyTensor {
            $(
                $(#[$doc])*
                #[pyo3(signature = (axis = None, $($dtype = None,)? out = None, *, keepdims = false))]
                fn $name<'py>(
                    slf: &Bound<'py, Self>,
                    axis: Option<&Bound<'py, PyAny>>,
                    $($dtype: Option<&Bound<'py, PyAny>>,)?
                    out: Option<&Bound<'py, PyAny>>,
                    keepdims: bool,
                ) -> PyResult<Bound<'py, PyTensor>> {
                    let (py, x) = (slf.py(), argument(slf));
                    #[allow(unused_mut, unused_assignments)]
                    let mut dtype_given = None;
                    $(dtype_given = $dtype;)?
                    refuse_options(stringify!($name), &x, dtype_given, out)?;
                    let $axes = axes(stringify!($name), axis, x.shape().len())?;
                    let $axes = &$axes[..];
                    fresh(py, guard::call_long(py, x.len(), || each!(&x, $x => if keepdims { $kept } else { $y }))?)
                }
            )*
        }
    };
}

reductions! {
    /// `y = Σ x` over all elements, or over some axes: a number, or a tuple of them, negative ones counted from the
    /// last. They vanish, or keep length 1 with `keepdims=True`. The slope is 1.
    ///
    /// ValueError if an axis does not exist or is named twice.
    ///
    /// >>> x = Tensor([[1.0, 2.0], [3.0, 4.0]])
    /// >>> print(x.sum(), x.sum(axis=0), x.sum(axis=-1, keepdims=True).shape)
    /// 10.0 [4. 6.] (2, 1)
    sum(dtype) => |x, axes| x.sum_axes(axes), x.sum_keepdims(axes);

    /// `y = Σ x / n` over all `n` elements, or over some axes, as for `sum`. NaN of none.
    ///
    /// >>> print(Tensor([1.0, 2.0]).mean())
    /// 1.5
    mean(dtype) => |x, axes| x.mean_axes(axes), x.mean_keepdims(axes);

    /// The largest element of all, or over some axes, as for `sum`; −∞ of none, NaN if one is. Equal maxima share the
    /// gradient equally.
    ///
    /// >>> x = Tensor([1.0, 3.0, 3.0])
    /// >>> x.max().backward()
    /// >>> print(x.grad)
    /// [0.  0.5 0.5]
    max() => |x, axes| x.max_axes(axes), x.max_keepdims(axes);

    /// The smallest element of all, or over some axes, as for `sum`; +∞ of none, NaN if one is. Equal minima share
    /// the gradient equally.
    ///
    /// >>> print(Tensor([[1.0, 3.0], [2.0, 0.0]]).min(axis=1))
    /// [1. 0.]
    min() => |x, axes| x.min_axes(axes), x.min_keepdims(axes);

    /// `y = Π x` over all elements, or over some axes, as for `sum`; 1 of none. Derivatives are exact at zeros too:
    /// nothing is divided.
    ///
    /// >>> x = Tensor([2.0, 0.0, 3.0])
    /// >>> x.prod().backward()
    /// >>> print(x.grad)
    /// [0. 6. 0.]
    prod(dtype) => |x, axes| x.prod_axes(axes), x.prod_keepdims(axes);
}

macro_rules! spreads {
    ($($(#[$doc:meta])* $name:ident => |$x:ident, $axes:ident, $correction:ident| $y:expr, $kept:expr;)*) => {
        #[pymethods]
        impl PyTensor {
            $(
                $(#[$doc])*
                #[pyo3(signature = (
                    axis = None, dtype = None, out = None, ddof = None, *, keepdims = false, correction = None
                ))]
                #[allow(clippy::too_many_arguments)] // NumPy's
                fn $name<'py>(
                    slf: &Bound<'py, Self>,
                    axis: Option<&Bound<'py, PyAny>>,
                    dtype: Option<&Bound<'py, PyAny>>,
                    out: Option<&Bound<'py, PyAny>>,
                    ddof: Option<&Bound<'py, PyAny>>,
                    keepdims: bool,
                    correction: Option<&Bound<'py, PyAny>>,
                ) -> PyResult<Bound<'py, PyTensor>> {
                    let (py, x, op) = (slf.py(), argument(slf), stringify!($name));
                    refuse_options(op, &x, dtype, out)?;
                    if ddof.is_some() && correction.is_some() {
                        return Err(PyTypeError::new_err(format!("{op}: ddof and correction are the same: give one")));
                    }
                    let $axes = axes(op, axis, x.shape().len())?;
                    let $axes = &$axes[..];
                    let $correction = ddof.or(correction).map_or(Ok(0), |n| counted(op, "ddof", n))?;
                    fresh(py, guard::call_long(py, x.len(), || each!(&x, $x => if keepdims { $kept } else { $y }))?)
                }
            )*
        }
    };
}

spreads! {
    /// The variance `y = Σ (x − mean x)² / (n − ddof)` over all `n` elements, or over some axes, as for `sum`.
    /// `ddof=1`, also called `correction`, makes it the unbiased estimate from a sample, 0 the variance of just these
    /// numbers. NaN where `n` is not larger than that and all elements are equal.
    ///
    /// >>> x = Tensor([1.0, 2.0, 3.0, 4.0])
    /// >>> print(x.var(), f"{x.var(ddof=1):.4f}")
    /// 1.25 1.6667
    var => |x, axes, ddof| x.var_axes(axes, ddof), x.var_keepdims(axes, ddof);

    /// The standard deviation, the root of the variance, see `var`. Its gradient where all elements are equal is 0.
    ///
    /// >>> print(Tensor([1.0, 3.0]).std())
    /// 1.0
    std => |x, axes, ddof| x.std_axes(axes, ddof), x.std_keepdims(axes, ddof);
}

#[pymethods]
impl PyTensor {
    /// The norm `y = (Σ |x|ᵖ)^(1/p)`, `p` the order `ord`, over all elements, or over some axes, as for `sum`: always
    /// of the elements as one vector. 2 gives the length, 1 the sum of sizes, `inf` the largest and `-inf` the
    /// smallest size, 0 the number of elements that are not 0. Nothing overflows on the way. The gradient of a norm
    /// of 0 is 0, to every order; so is that by an element 0 for an order of at most 1.
    ///
    /// >>> x = Tensor([3.0, -4.0])
    /// >>> y = x.norm()
    /// >>> y.backward()
    /// >>> print(y, x.grad)
    /// 5.0 [ 0.6 -0.8]
    #[pyo3(signature = (ord = None, axis = None, *, keepdims = false))]
    fn norm<'py>(
        slf: &Bound<'py, Self>,
        ord: Option<&Bound<'py, PyAny>>,
        axis: Option<&Bound<'py, PyAny>>,
        keepdims: bool,
    ) -> PyResult<Bound<'py, PyTensor>> {
        let (py, x) = (slf.py(), argument(slf));
        let p = ord.map_or(Ok(2.0), |p| option("norm", "ord", p))?;
        let axes = axes("norm", axis, x.shape().len())?;
        let axes = &axes[..];
        let norm =
            || each!(&x, x => if keepdims { x.norm_keepdims(of(p), axes) } else { x.norm_axes(of(p), axes) });
        fresh(py, guard::call_long(py, x.len(), norm)?)
    }

    /// `y = ln Σ eˣ` over all elements, or over some axes, as for `sum`; without overflow. Its gradient is
    /// `softmax(x)`. −∞ of none and of −∞ alone.
    ///
    /// >>> print(f"{Tensor([1000.0, 1000.0]).logsumexp():.4f}")
    /// 1000.6931
    #[pyo3(signature = (axis = None, *, keepdims = false))]
    fn logsumexp<'py>(
        slf: &Bound<'py, Self>,
        axis: Option<&Bound<'py, PyAny>>,
        keepdims: bool,
    ) -> PyResult<Bound<'py, PyTensor>> {
        let (py, x) = (slf.py(), argument(slf));
        let axes = axes("logsumexp", axis, x.shape().len())?;
        let axes = &axes[..];
        let y = || each!(&x, x => if keepdims { x.logsumexp_keepdims(axes) } else { x.logsumexp(axes) });
        fresh(py, guard::call_long(py, x.len(), y)?)
    }
}
