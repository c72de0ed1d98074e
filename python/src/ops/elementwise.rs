//! Functions of numbers, element by element: methods, and functions of the package that take plain numbers too.

use super::args::{counted, whole};
use super::{of, option, together};
use crate::any::Any;
use crate::tensor::{PyTensor, Typed, argument_or_constant, fresh};
use crate::{each, several, unary};
use femtograd::{Float, Tensor, where_};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;

/// As an object of the class: itself, or a constant.
fn object<'py>(x: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyTensor>> {
    match x.cast::<PyTensor>() {
        Ok(x) => Ok(x.clone()),
        Err(_) => fresh(x.py(), argument_or_constant(x)?),
    }
}

/// Functions of one number, each as a method and as a function of the package.
macro_rules! functions {
    ($($(#[$doc:meta])* $name:ident => |$x:ident| $y:expr;)*) => {
        unary! { $($(#[$doc])* $name => |$x| $y;)* }
        $(
            $(#[$doc])*
            #[pyfunction]
            #[pyo3(signature = (x, /))]
            pub fn $name<'py>(x: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyTensor>> {
                PyTensor::$name(&object(x)?)
            }
        )*
    };
}

functions! {
    /// `y = eˣ`; slope `y`.
    ///
    /// >>> print(Tensor(0.0).exp())
    /// 1.0
    exp => |x| x.exp();

    /// `y = eˣ − 1`, accurate near 0; slope `eˣ`.
    ///
    /// >>> print(Tensor(1e-20).expm1())
    /// 1e-20
    expm1 => |x| x.exp_m1();

    /// `y = ln x`, the natural logarithm; slope `1 / x`, +∞ at 0. NaN below 0.
    ///
    /// >>> print(Tensor(1.0).log())
    /// 0.0
    log => |x| x.ln();

    /// `y = ln(1 + x)`, accurate near 0; slope `1 / (1 + x)`.
    ///
    /// >>> print(Tensor(1e-20).log1p())
    /// 1e-20
    log1p => |x| x.ln_1p();

    /// `y = log₂ x`, exact for powers of 2; slope `1 / (x ln 2)`.
    ///
    /// >>> print(Tensor(8.0).log2())
    /// 3.0
    log2 => |x| x.log2();

    /// `y = log₁₀ x`; slope `1 / (x ln 10)`.
    ///
    /// >>> print(Tensor(100.0).log10())
    /// 2.0
    log10 => |x| x.log10();

    /// `y = √x`; slope `1 / 2y`, +∞ at 0. NaN below 0.
    ///
    /// >>> print(Tensor(9.0).sqrt())
    /// 3.0
    sqrt => |x| x.sqrt();

    /// `y = 1 / √x`; slope `−y / 2x`.
    ///
    /// >>> print(Tensor(4.0).rsqrt())
    /// 0.5
    rsqrt => |x| x.rsqrt();

    /// `y = x²`; slope `2x`.
    ///
    /// >>> print(Tensor(-3.0).square())
    /// 9.0
    square => |x| x.square();

    /// `y = 1 / x`; slope `−1 / x²`.
    ///
    /// >>> print(Tensor(4.0).reciprocal())
    /// 0.25
    reciprocal => |x| x.recip();

    /// `y = sin x`, in radians; slope `cos x`.
    ///
    /// >>> print(Tensor(0.0).sin())
    /// 0.0
    sin => |x| x.sin();

    /// `y = cos x`, in radians; slope `−sin x`.
    ///
    /// >>> print(Tensor(0.0).cos())
    /// 1.0
    cos => |x| x.cos();

    /// `y = tan x`, in radians; slope `1 + y²`.
    ///
    /// >>> print(Tensor(0.0).tan())
    /// 0.0
    tan => |x| x.tan();

    /// `y = arcsin x`, in radians; slope `1 / √(1 − x²)`, ∞ at ±1. NaN beyond.
    ///
    /// >>> print(Tensor(0.0).asin())
    /// 0.0
    asin => |x| x.asin();

    /// `y = arccos x`, in radians; slope `−1 / √(1 − x²)`, −∞ at ±1. NaN beyond.
    ///
    /// >>> print(Tensor(1.0).acos())
    /// 0.0
    acos => |x| x.acos();

    /// `y = arctan x`, in radians; slope `1 / (1 + x²)`.
    ///
    /// >>> print(Tensor(0.0).atan())
    /// 0.0
    atan => |x| x.atan();

    /// `y = sinh x = (eˣ − e⁻ˣ) / 2`; slope `cosh x`.
    ///
    /// >>> print(Tensor(0.0).sinh())
    /// 0.0
    sinh => |x| x.sinh();

    /// `y = cosh x = (eˣ + e⁻ˣ) / 2`; slope `sinh x`.
    ///
    /// >>> print(Tensor(0.0).cosh())
    /// 1.0
    cosh => |x| x.cosh();

    /// `y = tanh x`; slope `1 − y²`.
    ///
    /// >>> x = Tensor(0.5)
    /// >>> y = x.tanh()
    /// >>> y.backward()
    /// >>> print(f"{y:.4f} {x.grad:.4f}")
    /// 0.4621 0.7864
    tanh => |x| x.tanh();

    /// `y = arsinh x = ln(x + √(x² + 1))`; slope `1 / √(x² + 1)`.
    ///
    /// >>> print(Tensor(0.0).asinh())
    /// 0.0
    asinh => |x| x.asinh();

    /// `y = arcosh x = ln(x + √(x² − 1))`; slope `1 / √(x² − 1)`, ∞ at 1. NaN below.
    ///
    /// >>> print(Tensor(1.0).acosh())
    /// 0.0
    acosh => |x| x.acosh();

    /// `y = artanh x = ½ ln((1 + x) / (1 − x))`; slope `1 / (1 − x²)`. ±∞ at ±1; NaN beyond.
    ///
    /// >>> print(Tensor(0.0).atanh())
    /// 0.0
    atanh => |x| x.atanh();

    /// `y = erf x = 2/√π ∫₀ˣ e^(−t²) dt`; slope `2/√π e^(−x²)`.
    ///
    /// >>> print(Tensor(0.0).erf())
    /// 0.0
    erf => |x| x.erf();

    /// `y = erfc x = 1 − erf x`, accurate where that is near 0; slope `−2/√π e^(−x²)`.
    ///
    /// >>> print(Tensor(0.0).erfc())
    /// 1.0
    erfc => |x| x.erfc();

    /// `y = ln |Γ(x)|`; slope `ψ(x)`, see `digamma`.
    ///
    /// >>> print(f"{Tensor(5.0).lgamma().exp():.6f}")  # Γ(5) = 4!
    /// 24.000000
    lgamma => |x| x.lgamma();

    /// `y = ψ(x)`, the derivative of `ln Γ(x)`; slope `ψ′(x)`, see `polygamma`. −∞ at 0; NaN at negative whole numbers.
    ///
    /// >>> print(f"{Tensor(1.0).digamma():.4f}")  # minus Euler's constant
    /// -0.5772
    digamma => |x| x.digamma();

    /// `y = σ(x) = 1 / (1 + e⁻ˣ)`; slope `y (1 − y)`.
    ///
    /// >>> print(Tensor(0.0).sigmoid())
    /// 0.5
    sigmoid => |x| x.sigmoid();

    /// `y = ln(x / (1 − x))`, the inverse of the sigmoid; slope `1 / (x (1 − x))`. ∓∞ at 0 and 1; NaN outside.
    ///
    /// >>> print(Tensor(0.5).logit())
    /// 0.0
    logit => |x| x.logit();

    /// `y = ln σ(x) = −ln(1 + e⁻ˣ)`, without overflow; slope `σ(−x)`.
    ///
    /// >>> print(Tensor(-1000.0).log_sigmoid())
    /// -1000.0
    log_sigmoid => |x| x.log_sigmoid();

    /// `y = max(x, 0)`; slope 1 where x > 0, else 0 (0 at 0 too).
    ///
    /// >>> Tensor([-1.0, 2.0]).relu().tolist()
    /// [0.0, 2.0]
    relu => |x| x.relu();

    /// `y = ln(1 + eˣ)`, without overflow; slope `σ(x)`.
    ///
    /// >>> print(Tensor(1000.0).softplus())
    /// 1000.0
    softplus => |x| x.softplus();

    /// `y = λ · elu(x, α)` with `α ≈ 1.67326` and `λ ≈ 1.05070`, which keep activations at mean 0 and variance 1
    /// from layer to layer (Klambauer et al. 2017); at 0 the slope is `λα`.
    ///
    /// >>> print(Tensor(0.0).selu())
    /// 0.0
    selu => |x| x.selu();

    /// `y = x · σ(x)`, also called swish (Elfwing, Uchibe & Doya 2017).
    ///
    /// >>> print(Tensor(0.0).silu())
    /// 0.0
    silu => |x| x.silu();

    /// `y = x · tanh(ln(1 + eˣ))` (Misra 2019).
    ///
    /// >>> print(Tensor(0.0).mish())
    /// 0.0
    mish => |x| x.mish();

    /// `y = −1`, 0 or 1, as `x` is negative, 0 or positive; NaN for NaN; slope 0.
    ///
    /// >>> Tensor([-2.0, 0.0, 3.0]).sign().tolist()
    /// [-1.0, 0.0, 1.0]
    sign => |x| x.sign();

    /// `y = ⌊x⌋`, the next whole number down; slope 0.
    ///
    /// >>> Tensor([-1.5, 1.5]).floor().tolist()
    /// [-2.0, 1.0]
    floor => |x| x.floor();

    /// `y = ⌈x⌉`, the next whole number up; slope 0.
    ///
    /// >>> Tensor([-1.5, 1.5]).ceil().tolist()
    /// [-1.0, 2.0]
    ceil => |x| x.ceil();

    /// `y` = the next whole number towards 0; slope 0.
    ///
    /// >>> Tensor([-1.5, 1.5]).trunc().tolist()
    /// [-1.0, 1.0]
    trunc => |x| x.trunc();
}

unary! {
    /// `y = |x|`; slope −1, 0 or 1, the sign of `x`.
    ///
    /// >>> Tensor([-2.0, 3.0]).abs().tolist()
    /// [2.0, 3.0]
    abs => |x| x.abs();
}

/// Functions of two numbers, each as a method and, where that is asked for, as a function of the package.
macro_rules! pairs {
    ($($(#[$doc:meta])* $name:ident => |$a:ident, $b:ident| $y:expr;)*) => {
        #[pymethods]
        impl PyTensor {
            $(
                $(#[$doc])*
                fn $name<'py>(slf: &Bound<'py, Self>, other: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyTensor>> {
                    let x = together(stringify!($name), &[slf.as_any(), other])?;
                    several!(slf.py(), x, |x| { let ($a, $b) = (&x[0], &x[1]); $y })
                }
            )*
        }
    };
    (functions; $($(#[$doc:meta])* $name:ident => |$a:ident, $b:ident| $y:expr;)*) => {
        pairs! { $($(#[$doc])* $name => |$a, $b| $y;)* }
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

pairs! {
    functions;

    /// `y = max(x, other)`, element by element; where they are equal the slope is 0 in `x` and 1 in `other`. NaN if
    /// either is.
    ///
    /// >>> Tensor([1.0, 5.0]).maximum(3).tolist()
    /// [3.0, 5.0]
    maximum => |a, b| a.maximum(b);

    /// `y = min(x, other)`, element by element; where they are equal the slope is 0 in `x` and 1 in `other`. NaN if
    /// either is.
    ///
    /// >>> Tensor([1.0, 5.0]).minimum(3).tolist()
    /// [1.0, 3.0]
    minimum => |a, b| a.minimum(b);

    /// The angle of the point whose ordinate is `x` and whose abscissa is `other`, between −π and π: `arctan(x /
    /// other)` in the right quadrant. The slopes are `other / r²` and `−x / r²` with `r² = x² + other²`, 0 at the
    /// origin.
    ///
    /// >>> print(f"{Tensor(1.0).atan2(-1.0):.4f}")  # three quarters of π
    /// 2.3562
    atan2 => |a, b| a.atan2(b);

    /// `y = √(x² + other²)`, without overflow on the way; the slopes are `x / y` and `other / y`, 0 at the origin.
    ///
    /// >>> print(Tensor(3.0).hypot(4.0))
    /// 5.0
    hypot => |a, b| a.hypot(b);

    /// `y = x · ln other`, and 0 at `x = 0` whatever `other` but NaN: for entropies. Both slopes at `x = 0` are 0 for
    /// `other ≤ 0`, where there is no logarithm.
    ///
    /// >>> p = Tensor([0.0, 0.5, 0.5])
    /// >>> print(f"{-p.xlogy(p).sum():.4f}")  # the entropy, ln 2
    /// 0.6931
    xlogy => |a, b| a.xlogy(b);
}

pairs! {
    /// 1 where `x < other`, 0 elsewhere: a constant.
    ///
    /// >>> Tensor([1.0, 2.0, 3.0]).lt(2).tolist()
    /// [1.0, 0.0, 0.0]
    lt => |a, b| a.lt(b);

    /// 1 where `x ≤ other`, 0 elsewhere: a constant.
    ///
    /// >>> Tensor([1.0, 2.0, 3.0]).le(2).tolist()
    /// [1.0, 1.0, 0.0]
    le => |a, b| a.le(b);

    /// 1 where `x > other`, 0 elsewhere: a constant.
    ///
    /// >>> Tensor([1.0, 2.0, 3.0]).gt(2).tolist()
    /// [0.0, 0.0, 1.0]
    gt => |a, b| a.gt(b);

    /// 1 where `x ≥ other`, 0 elsewhere: a constant.
    ///
    /// >>> Tensor([1.0, 2.0, 3.0]).ge(2).tolist()
    /// [0.0, 1.0, 1.0]
    ge => |a, b| a.ge(b);

    /// 1 where `x = other`, 0 elsewhere: a constant.
    ///
    /// >>> Tensor([1.0, 2.0, 3.0]).eq(2).tolist()
    /// [0.0, 1.0, 0.0]
    eq => |a, b| a.equals(b);

    /// 1 where `x ≠ other`, 0 elsewhere: a constant.
    ///
    /// >>> Tensor([1.0, 2.0, 3.0]).ne(2).tolist()
    /// [1.0, 0.0, 1.0]
    ne => |a, b| 1.0 - a.equals(b);
}

#[pymethods]
impl PyTensor {
    /// `y = xᵖ`, as `x ** p`: the exponent a number or a tensor. A whole number is multiplied out, so that negative
    /// `x` are fine; with any other exponent they give NaN. The slopes are `p xᵖ⁻¹` and `y ln x`; `x⁰` is 1 with
    /// slope 0.
    ///
    /// >>> x = Tensor(-3.0)
    /// >>> x.pow(3).backward()
    /// >>> print(x.grad)
    /// 27.0
    fn pow<'py>(slf: &Bound<'py, Self>, exponent: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
        slf.as_any().pow(exponent, slf.py().None())
    }

    /// `y = min(max(x, min), max)`, element by element: `x` between two bounds, numbers or tensors, of which either
    /// may be missing; `max` where they cross. On a bound the slope is 0 in `x` and 1 in the bound.
    ///
    /// >>> x = Tensor([-2.0, 0.5, 3.0])
    /// >>> x.clip(-1, 1).sum().backward()
    /// >>> print(x.clip(-1, 1), x.grad)
    /// [-1.   0.5  1. ] [0. 1. 0.]
    #[pyo3(signature = (min = None, max = None))]
    fn clip<'py>(
        slf: &Bound<'py, Self>,
        min: Option<&Bound<'py, PyAny>>,
        max: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyTensor>> {
        let mut arguments = vec![slf.as_any()];
        arguments.extend(min.into_iter().chain(max));
        fn clipped<T: Float>(x: &[Tensor<T>], above: bool) -> Tensor<T> {
            match x {
                [x] => x.clone(),
                [x, low, high] => x.clamp(low, high),
                [x, bound, ..] if above => x.maximum(bound),
                [x, bound, ..] => x.minimum(bound),
                [] => unreachable!("the tensor itself is there"),
            }
        }
        if arguments.len() == 1 {
            return Ok(slf.clone());
        }
        let above = min.is_some();
        several!(slf.py(), together("clip", &arguments)?, |x| clipped(x, above))
    }

    /// `clip`, as PyTorch calls it.
    ///
    /// >>> Tensor([-2.0, 3.0]).clamp(max=1.0).tolist()
    /// [-2.0, 1.0]
    #[pyo3(signature = (min = None, max = None))]
    fn clamp<'py>(
        slf: &Bound<'py, Self>,
        min: Option<&Bound<'py, PyAny>>,
        max: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyTensor>> {
        PyTensor::clip(slf, min, max)
    }

    /// `y` = the number nearest to `x` with so many decimals, the even one halfway between two; slope 0.
    ///
    /// >>> Tensor([0.5, 1.5, -2.6]).round().tolist()
    /// [0.0, 2.0, -3.0]
    #[pyo3(signature = (decimals = None))]
    fn round<'py>(
        slf: &Bound<'py, Self>,
        decimals: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyTensor>> {
        let decimals = decimals.map_or(Ok(0), |n| whole("round", "decimals", n))?.clamp(-400, 400) as i32;
        fn rounded<T: Float>(x: &Tensor<T>, decimals: i32) -> Tensor<T> {
            let unit = T::of(10f64.powi(decimals.abs()));
            let infinite = unit.to_f64().is_infinite();
            match decimals {
                0 => x.round(),
                1.. if infinite => x.detach(),
                1.. => {
                    // What is so large has no more decimals, and its product might overflow.
                    let scaled = x * unit;
                    let has_more = scaled.abs().lt(T::of(2.0 / T::EPSILON.to_f64()));
                    where_(has_more, scaled.round() / unit, x.detach())
                }
                _ if infinite => x.round() * T::ZERO,
                _ => (x / unit).round() * unit,
            }
        }
        super::unary(slf, move |x| each!(x, x => rounded(x, decimals)))
    }

    #[pyo3(signature = (ndigits = None))]
    fn __round__<'py>(
        slf: &Bound<'py, Self>,
        ndigits: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyTensor>> {
        PyTensor::round(slf, ndigits)
    }

    /// `y = ψ⁽ⁿ⁾(x)`, the `n`-th derivative of `digamma`; slope `ψ⁽ⁿ⁺¹⁾(x)`.
    ///
    /// >>> import math
    /// >>> y = Tensor(1.0).polygamma(1)
    /// >>> math.isclose(y, math.pi**2 / 6)
    /// True
    fn polygamma<'py>(slf: &Bound<'py, Self>, n: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyTensor>> {
        const HIGHEST: usize = 1000;
        let n = counted("polygamma", "n", n)?;
        if n > HIGHEST {
            return Err(PyValueError::new_err(format!("polygamma: the order is at most {HIGHEST}, not {n}")));
        }
        super::unary(slf, move |x| each!(x, x => x.polygamma(n as u32)))
    }

    /// `y = x · Φ(x)`, with `Φ` the normal distribution (Hendrycks & Gimpel 2016). `approximate="tanh"` is
    /// `x · (1 + tanh(√(2/π) (x + 0.044715 x³))) / 2`, which GPT-2 was trained with.
    ///
    /// >>> print(f"{Tensor(1.0).gelu():.4f} {Tensor(1.0).gelu(approximate='tanh'):.4f}")
    /// 0.8413 0.8412
    #[pyo3(signature = (*, approximate = "none"))]
    fn gelu<'py>(slf: &Bound<'py, Self>, approximate: &str) -> PyResult<Bound<'py, PyTensor>> {
        match approximate {
            "none" => super::unary(slf, |x| each!(x, x => x.gelu())),
            "tanh" => super::unary(slf, |x| each!(x, x => x.gelu_tanh())),
            _ => Err(PyValueError::new_err(format!(
                "gelu: approximate is 'none' or 'tanh', not {approximate:?}"
            ))),
        }
    }

    /// `y = x` for positive `x`, `negative_slope · x` elsewhere; at 0 the slope is `negative_slope`.
    ///
    /// >>> Tensor([-1.0, 2.0]).leaky_relu().tolist()
    /// [-0.01, 2.0]
    #[pyo3(signature = (negative_slope = None))]
    fn leaky_relu<'py>(
        slf: &Bound<'py, Self>,
        negative_slope: Option<&Bound<'py, PyAny>>,
    ) -> PyResult<Bound<'py, PyTensor>> {
        let slope = negative_slope.map_or(Ok(0.01), |slope| option("leaky_relu", "negative_slope", slope))?;
        super::unary(slf, move |x| each!(x, x => x.leaky_relu(of(slope))))
    }

    /// `y = x` for positive `x`, `alpha · (eˣ − 1)` elsewhere; at 0 the slope is `alpha` (Clevert, Unterthiner &
    /// Hochreiter 2015).
    ///
    /// >>> print(f"{Tensor(-1.0).elu():.4f}")
    /// -0.6321
    #[pyo3(signature = (alpha = None))]
    fn elu<'py>(slf: &Bound<'py, Self>, alpha: Option<&Bound<'py, PyAny>>) -> PyResult<Bound<'py, PyTensor>> {
        let alpha = alpha.map_or(Ok(1.0), |alpha| option("elu", "alpha", alpha))?;
        super::unary(slf, move |x| each!(x, x => x.elu(of(alpha))))
    }
}

/// `y = a` where the condition is not 0, `b` elsewhere, element by element. What is not chosen contributes nothing to a
/// gradient, whatever its slope.
///
/// >>> import femtograd
/// >>> x = Tensor([-4.0, 4.0])
/// >>> femtograd.where(x > 0, x.sqrt(), x).sum().backward()  # √−4 is NaN, and not chosen
/// >>> print(x.grad)
/// [1.   0.25]
#[pyfunction(name = "where")]
#[pyo3(signature = (condition, a, b, /))]
pub fn choose<'py>(
    condition: &Bound<'py, PyAny>,
    a: &Bound<'py, PyAny>,
    b: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyTensor>> {
    let py = a.py();
    let chosen = argument_or_constant(condition)?;
    if chosen.wants_grad() {
        let x = together("where", &[condition, a, b])?;
        return several!(py, x, |x| where_(&x[0], &x[1], &x[2]));
    }
    // A constant condition has no say in the type.
    use crate::any::Real;
    fn chooser<T: Real>(condition: &Any) -> PyResult<Tensor<T>> {
        Ok(T::find(condition)?.expect("a constant"))
    }
    let x = match together("where", &[a, b])? {
        Typed::F32(mut x) => {
            x.insert(0, chooser(&chosen)?);
            Typed::F32(x)
        }
        Typed::F64(mut x) => {
            x.insert(0, chooser(&chosen)?);
            Typed::F64(x)
        }
    };
    several!(py, x, |x| where_(&x[0], &x[1], &x[2]))
}
