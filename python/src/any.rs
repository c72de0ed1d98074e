//! A tensor of either float type: Python has one class for both.

use crate::guard;
use femtograd::{Array, Place, Tensor};
use pyo3::prelude::*;

/// What a Python object stands for.
#[derive(Clone)]
pub enum Any {
    F32(Tensor<f32>),
    F64(Tensor<f64>),
}

/// The same expression for either type: `each!(any, x => x.tanh())` is an [`Any`] again, `each!(any, x -> x.id())` what it is.
#[macro_export]
macro_rules! each {
    ($any:expr, $x:ident => $body:expr) => {
        match $any {
            $crate::any::Any::F32($x) => $crate::any::Any::F32($body),
            $crate::any::Any::F64($x) => $crate::any::Any::F64($body),
        }
    };
    ($any:expr, $x:ident -> $body:expr) => {
        match $any {
            $crate::any::Any::F32($x) => $body,
            $crate::any::Any::F64($x) => $body,
        }
    };
}

/// The float types, as code that is generic over them sees Python's one class.
pub trait Real: femtograd::Float {
    /// NumPy's name.
    const NAME: &'static str;
    /// The buffer protocol's.
    const FORMAT: &'static std::ffi::CStr;
    fn wrap(x: Tensor<Self>) -> Any;
    /// The tensor, if it is of this type; a constant is converted, which reads it.
    fn find(any: &Any) -> PyResult<Option<Tensor<Self>>>;
    /// The same numbers, rounded to this type.
    fn converted<A: Real>(x: &Array<A>) -> Array<Self> {
        match (x as &dyn std::any::Any).downcast_ref::<Array<Self>>() {
            Some(same) => same.clone(),
            None => converted(x),
        }
    }
}

impl Real for f32 {
    const NAME: &'static str = "float32";
    const FORMAT: &'static std::ffi::CStr = c"f";
    fn wrap(x: Tensor<f32>) -> Any {
        Any::F32(x)
    }
    fn find(any: &Any) -> PyResult<Option<Tensor<f32>>> {
        Ok(match any {
            Any::F32(x) => Some(x.clone()),
            Any::F64(x) if !x.wants_grad() => Some(rounded(x)?),
            Any::F64(_) => None,
        })
    }
}

impl Real for f64 {
    const NAME: &'static str = "float64";
    const FORMAT: &'static std::ffi::CStr = c"d";
    fn wrap(x: Tensor<f64>) -> Any {
        Any::F64(x)
    }
    fn find(any: &Any) -> PyResult<Option<Tensor<f64>>> {
        Ok(match any {
            Any::F64(x) => Some(x.clone()),
            Any::F32(x) if !x.wants_grad() => Some(rounded(x)?),
            Any::F32(_) => None,
        })
    }
}

/// A constant in another type.
fn rounded<A: Real, B: Real>(x: &Tensor<A>) -> PyResult<Tensor<B>> {
    Python::attach(|py| guard::call(py, || Tensor::constant(converted(x.data()))))
}

/// The same numbers, rounded to another type.
fn converted<A: Real, B: Real>(x: &Array<A>) -> Array<B> {
    match x.as_scalar() {
        Some(v) => Array::scalar(B::of(v.to_f64())),
        None => {
            Array::from_vec(x.to_vec().into_iter().map(|v| B::of(v.to_f64())).collect::<Vec<_>>(), x.shape())
        }
    }
}

impl Any {
    pub fn id(&self) -> u64 {
        each!(self, x -> x.id())
    }
    pub fn shape(&self) -> &[usize] {
        each!(self, x -> x.shape())
    }
    pub fn len(&self) -> usize {
        self.shape().iter().product()
    }
    pub fn wants_grad(&self) -> bool {
        each!(self, x -> x.wants_grad())
    }
    pub fn location(&self) -> Place {
        each!(self, x -> x.location())
    }
    pub fn dtype(&self) -> &'static str {
        match self {
            Any::F32(_) => f32::NAME,
            Any::F64(_) => f64::NAME,
        }
    }
    /// The parents, in the op's order.
    pub fn parents(&self) -> Vec<Any> {
        match self {
            Any::F32(x) => x.parents().iter().cloned().map(Any::F32).collect(),
            Any::F64(x) => x.parents().iter().cloned().map(Any::F64).collect(),
        }
    }
}

/// Whether the graph of these has 32-bit numbers: that of its variables, or else of all its constants. An error if
/// variables of both types meet: rounding one silently would make its gradient that of another function.
pub fn is_single(xs: &[&Any]) -> Result<bool, (usize, usize)> {
    let variable =
        |single: bool| xs.iter().position(|x| x.wants_grad() && matches!(x, Any::F32(_)) == single);
    match (variable(true), variable(false)) {
        (Some(a), Some(b)) => Err((a, b)),
        (Some(_), None) => Ok(true),
        (None, Some(_)) => Ok(false),
        (None, None) => Ok(!xs.is_empty() && xs.iter().all(|x| matches!(x, Any::F32(_)))),
    }
}
