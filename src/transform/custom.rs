//! Rules of one's own for whole functions.

use crate::context::{recorded, unrecorded};
use crate::kernels::Error;
use crate::num::Float;
use crate::{Array, Op, Tensor};

/// `f(x…)` with another reverse rule: `vjp(x, y, g, i)` is what the cotangent `g` of the result `y` adds to that of `x[i]`.
///
/// What it adds has the shape of `x[i]`, or that it was broadcast to. Tensors that `f` has captured are constants to it:
/// give those to differentiate by as `x`.
///
/// For gradients that are to differ from the function's own: clipped, scaled, reversed, or straight through a step. In
/// forward mode the rule is the [transpose](Op::jvp) of `vjp` at the cotangent 0.
///
/// ```
/// use femtograd::{Tensor, custom_gradient};
/// // Rounds, and lets the gradient through as if it did not (Bengio et al. 2013).
/// let round = |x: &Tensor<f64>| {
///     let forward = |x: &[Tensor<f64>]| (&x[0] + 0.5).floor();
///     custom_gradient(forward, |_, _, g, _| g.clone(), [x])
/// };
/// let x = Tensor::new(2.7);
/// let y = round(&x).powi(2);
/// y.backward();
/// assert_eq!((y.item(), x.grad().unwrap().item()), (9.0, 6.0));
/// ```
///
/// # Panics
/// A derivative panics if `vjp` gives another shape.
#[track_caller]
pub fn custom_gradient<'a, T: Float>(
    f: impl Fn(&[Tensor<T>]) -> Tensor<T> + Send + Sync + 'static,
    vjp: impl Fn(&[Tensor<T>], &Tensor<T>, &Tensor<T>, usize) -> Tensor<T> + Send + Sync + 'static,
    x: impl IntoIterator<Item = &'a Tensor<T>>,
) -> Tensor<T> {
    Tensor::apply(Custom { name: "custom_gradient", f, vjp }, x)
}

struct Custom<F, V> {
    name: &'static str,
    f: F,
    vjp: V,
}

impl<T, F, V> Op<T> for Custom<F, V>
where
    T: Float,
    F: Fn(&[Tensor<T>]) -> Tensor<T> + Send + Sync + 'static,
    V: Fn(&[Tensor<T>], &Tensor<T>, &Tensor<T>, usize) -> Tensor<T> + Send + Sync + 'static,
{
    fn name(&self) -> &'static str {
        self.name
    }
    fn forward(&self, x: &[Tensor<T>]) -> Result<Array<T>, Error> {
        Ok(unrecorded(|| (self.f)(x)).data().clone())
    }
    fn vjp(&self, x: &[Tensor<T>], y: &Tensor<T>, g: &Tensor<T>, i: usize) -> Tensor<T> {
        (self.vjp)(x, y, g, i)
    }
    fn is_exact(&self) -> bool {
        false
    }
}

impl<T: Float> Tensor<T> {
    /// The same values, with a function on the way back: the cotangent `g` that arrives here goes on as `f(g)`. To look
    /// at a gradient return it as it came; to change it return another of the same shape.
    ///
    /// ```
    /// # use femtograd::Tensor;
    /// let x = Tensor::new([1.0, 2.0]);
    /// let h = (&x * 10.0).hook(|g| g.minimum(3.0)); // clips what comes from above
    /// (h * Tensor::constant([1.0, 5.0])).sum().backward();
    /// assert_eq!(x.grad().unwrap().to_string(), "[10, 30]");
    /// ```
    ///
    /// # Panics
    /// A derivative panics if `f` returns another shape.
    #[track_caller]
    pub fn hook(&self, f: impl Fn(&Tensor<T>) -> Tensor<T> + Send + Sync + 'static) -> Tensor<T> {
        let same = |x: &[Tensor<T>]| x[0].clone();
        let vjp = move |_: &[Tensor<T>], _: &Tensor<T>, g: &Tensor<T>, _: usize| {
            let new = recorded(|| f(g)); // so that `f` may differentiate something itself
            if new.shape() != g.shape() {
                let (is, want) = (new.shape(), g.shape());
                Tensor::refuse("hook", &format!("it returned shape {is:?} for a gradient of {want:?}"), &[g])
            }
            new
        };
        Tensor::apply(Custom { name: "hook", f: same, vjp }, [self])
    }
}
