//! Products: of matrices, of vectors, and sums of products by an equation of axes.

use super::args::whole;
use super::together;
use crate::tensor::{PyTensor, argument, fresh};
use crate::{each, guard, several};
use femtograd::{Float, Tensor};
use pyo3::prelude::*;
use pyo3::types::PyTuple;

/// NumPy's `dot`: a number times anything, of vectors and matrices the matrix product, and of more axes the sum of
/// products over the last axis of `a` and the last but one of `b`.
fn dotted<T: Float>(a: &Tensor<T>, b: &Tensor<T>) -> Tensor<T> {
    match (a.shape(), b.shape()) {
        ([], _) | (_, []) => a * b,
        // Where shapes do not fit, it is the plain product that says so.
        ([.., k], [batch @ .., l, n]) if !batch.is_empty() && k == l => {
            let (n, count) = (*n, batch.iter().product::<usize>());
            let shape = [&a.shape()[..a.shape().len() - 1], batch, &[n]].concat();
            let columns = b.moveaxis(-2, 0).reshape(&[*k, count * n]);
            a.matmul(&columns).reshape(&shape)
        }
        _ => a.matmul(b),
    }
}

fn outer_product<T: Float>(a: &Tensor<T>, b: &Tensor<T>) -> Tensor<T> {
    let flat = |x: &Tensor<T>| x.reshape(&[x.shape().iter().product()]);
    flat(a).outer(&flat(b))
}

macro_rules! products {
    ($($(#[$doc:meta])* $name:ident => |$a:ident, $b:ident| $y:expr;)*) => {
        #[pymethods]
        impl PyTensor {
            $(
                $(#[$doc])*
                fn $name<'py>(slf: &Bound<'py, Self>, other: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyTensor>> {
                    $name(slf.as_any(), other)
                }
            )*
        }
        $(
            $(#[$doc])*
            #[pyfunction]
            #[pyo3(signature = (x, other, /))]
            pub fn $name<'py>(x: &Bound<'py, PyAny>, other: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyTensor>> {
                let x = together(stringify!($name), &[x, other])?;
                several!(other.py(), x, |x| { let ($a, $b) = (&x[0], &x[1]); $y })
            }
        )*
    };
}

products! {
    /// The matrix product, as `x @ other`: `y[…, i, j] = Σₖ x[…, i, k] · other[…, k, j]`, the leading axes broadcast.
    /// A vector on the left is a row, on the right a column, and its axis vanishes from the result.
    ///
    /// ValueError if one of them is a single number, the inner lengths differ, or the leading axes do not broadcast.
    ///
    /// >>> a, x = Tensor([[1.0, 2.0], [3.0, 4.0]]), Tensor([10.0, 1.0])
    /// >>> print(a.matmul(x), x.matmul(a), x.matmul(x))
    /// [12. 34.] [13. 24.] 101.0
    matmul => |a, b| a.matmul(b);

    /// `y = Σₖ xₖ · otherₖ` of two vectors. Otherwise as NumPy's: a single number times anything, the product of two
    /// matrices, and of more axes the sum over the last axis of `x` and the last but one of `other`.
    ///
    /// ValueError if the lengths that are summed over differ.
    ///
    /// >>> print(Tensor([1.0, 2.0]).dot([3.0, 4.0]))
    /// 11.0
    dot => |a, b| dotted(a, b);

    /// `y[i, j] = xᵢ · otherⱼ` of two vectors; what is no vector is taken as one.
    ///
    /// >>> print(Tensor([1.0, 2.0]).outer([3.0, 4.0]))
    /// [[3. 4.]
    ///  [6. 8.]]
    outer => |a, b| outer_product(a, b);
}

/// The sum of products by an equation of axes, `y = Σ x₀[…] · x₁[…] · …`, as NumPy's `einsum`.
///
/// Each operand's axes are named by letters; a letter that does not stand after the arrow is summed over. A letter
/// twice in one operand takes its diagonal; `...` stands for any number of axes, which broadcast; without an arrow
/// the result has the axes of the ellipsis and then, in alphabetical order, every letter that occurs once. A letter
/// has one length: 1 does not broadcast against others but under an ellipsis. Operands are multiplied from left to
/// right.
///
/// ValueError if the equation cannot be read, or the operands do not fit it.
///
/// >>> from femtograd import einsum
/// >>> a, b = Tensor([[1.0, 2.0], [3.0, 4.0]]), Tensor([10.0, 1.0])
/// >>> print(einsum("ij,j->i", a, b), einsum("ii", a))  # a matrix times a vector, and a trace
/// [12. 34.] 5.0
#[pyfunction]
#[pyo3(signature = (equation, /, *operands))]
pub fn einsum<'py>(equation: &str, operands: &Bound<'py, PyTuple>) -> PyResult<Bound<'py, PyTensor>> {
    let operands: Vec<Bound<'py, PyAny>> = operands.iter().collect();
    let (refs, equation) = (operands.iter().collect::<Vec<_>>(), equation.to_owned());
    let py = match operands.first() {
        Some(x) => x.py(),
        None => {
            let why = format!("einsum: {equation:?} needs operands, none are given");
            return Err(pyo3::exceptions::PyValueError::new_err(why));
        }
    };
    fn sum<T: Float>(equation: &str, x: &[Tensor<T>]) -> Tensor<T> {
        femtograd::einsum(equation, &x.iter().collect::<Vec<_>>())
    }
    several!(py, together("einsum", &refs)?, |x| sum(&equation, x))
}

#[pymethods]
impl PyTensor {
    /// `y = Σᵢ x[i, i + offset]`: the sum of a diagonal of the matrices along two axes, which vanish. As NumPy's,
    /// these are the first two unless said otherwise.
    ///
    /// ValueError if there are fewer than two axes, one does not exist, or both are the same.
    ///
    /// >>> print(Tensor([[1.0, 2.0], [3.0, 4.0]]).trace())
    /// 5.0
    #[pyo3(signature = (offset = None, axis1 = None, axis2 = None))]
    fn trace<'py>(
        slf: &Bound<'py, Self>,
        offset: Option<&Bound<'py, PyAny>>,
        axis1: Option<&Bound<'py, PyAny>>,
        axis2: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyTensor>> {
        let (py, x) = (slf.py(), argument(slf));
        let or =
            |x: Option<&Bound<'py, PyAny>>, name, default| x.map_or(Ok(default), |x| whole("trace", name, x));
        let (k, a, b) = (or(offset, "offset", 0)?, or(axis1, "axis1", 0)?, or(axis2, "axis2", 1)?);
        fresh(py, guard::call_long(py, x.len(), || each!(&x, x => x.diagonal(k, a, b).sum_axes(-1)))?)
    }
}
