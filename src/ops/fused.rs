//! The family of fused ops: formulas in other ops that have kernels of their own.
//!
//! A layer norm is a composition like any other, and that is where its derivatives of every order come from. But each
//! op of it would be a pass over memory and an array kept for the way back; a kernel that knows the whole formula needs
//! one pass forward and one back. So a fused op states both: what it means, and how its value and first derivative are
//! computed faster. The tests hold one against the other.

use crate::context::{Products, products};
use crate::kernels::Error;
use crate::num::Float;
use crate::op::pull_by_vjp;
use crate::{Array, Indices, Op, Tensor, jvp, vjp};

/// A composition of ops with a faster way to its value and its first derivative.
pub(crate) trait Fused<T: Float>: Clone + Send + Sync + 'static {
    /// The op's name.
    const NAME: &'static str;

    /// The formula in other ops: what this op means. Its derivatives of higher order, and all in forward mode, are this
    /// formula's.
    fn compose(&self, x: &[Tensor<T>]) -> Tensor<T>;

    /// The value, equal to that of [`compose`](Self::compose) up to rounding.
    fn forward(&self, x: &[Tensor<T>]) -> Result<Array<T>, Error>;

    /// [`Op::pull`]: the first derivative, equal to that of [`compose`](Self::compose) up to rounding.
    fn pull(&self, x: &[Tensor<T>], y: &Array<T>, g: &Array<T>, sums: &mut [Option<Array<T>>]);

    /// [`Op::indices`]
    fn indices(&self) -> Option<&Indices> {
        None
    }

    /// [`Op::with_indices`]
    fn with_indices(&self, _indices: Indices) -> Option<Self> {
        None
    }
}

/// A fused op, recorded.
#[track_caller]
pub(crate) fn fused<'a, T: Float>(
    op: impl Fused<T>,
    x: impl IntoIterator<Item = &'a Tensor<T>>,
) -> Tensor<T> {
    Tensor::apply(FusedOp(op), x)
}

/// [`Fused::pull`] by the formula, for what an op has no kernel for.
pub(crate) fn pull_by_formula<T: Float, F: Fused<T>>(
    op: &F,
    x: &[Tensor<T>],
    y: &Array<T>,
    g: &Array<T>,
    sums: &mut [Option<Array<T>>],
) {
    pull_by_vjp(&FusedOp(op.clone()), x, &Tensor::constant(y.clone()), g.clone(), sums);
}

/// A fused op as an [`Op`].
struct FusedOp<F>(F);

impl<F> FusedOp<F> {
    /// The formula with other tensors in the place of some arguments.
    fn with<T: Float>(&self, x: &[Tensor<T>], at: &[usize], others: &[Tensor<T>]) -> Tensor<T>
    where
        F: Fused<T>,
    {
        let mut x = x.to_vec();
        at.iter().zip(others).for_each(|(&i, other)| x[i] = other.clone());
        self.0.compose(&x)
    }
}

impl<T: Float, F: Fused<T>> Op<T> for FusedOp<F> {
    fn name(&self) -> &'static str {
        F::NAME
    }
    fn is_closed(&self) -> bool {
        true
    }
    fn forward(&self, x: &[Tensor<T>]) -> Result<Array<T>, Error> {
        self.0.forward(x)
    }
    fn vjp(&self, x: &[Tensor<T>], y: &Tensor<T>, g: &Tensor<T>, i: usize) -> Tensor<T> {
        self.vjps(x, y, g, &[i]).remove(0)
    }
    fn vjps(&self, x: &[Tensor<T>], _: &Tensor<T>, g: &Tensor<T>, wanted: &[usize]) -> Vec<Tensor<T>> {
        let by = wanted.iter().map(|&i| x[i].clone()).collect();
        vjp(|by: &Vec<Tensor<T>>| self.with(x, wanted, by), &by).1(g)
    }
    fn jvp(&self, x: &[Tensor<T>], _: &Tensor<T>, dx: &[Option<Tensor<T>>]) -> Tensor<T> {
        let moving: Vec<usize> = (0..x.len()).filter(|&i| dx[i].is_some()).collect();
        let by = moving.iter().map(|&i| x[i].clone()).collect();
        let along = dx.iter().flatten().cloned().collect();
        jvp(|by: &Vec<Tensor<T>>| self.with(x, &moving, by), &by, &along).1
    }
    fn pull(&self, x: &[Tensor<T>], y: &Tensor<T>, g: Array<T>, sums: &mut [Option<Array<T>>]) {
        match products() {
            Products::Guarded => self.0.pull(x, y.data(), &g, sums),
            _ => pull_by_vjp(self, x, y, g, sums),
        }
    }
    fn indices(&self) -> Option<&Indices> {
        self.0.indices()
    }
    fn with_indices(&self, indices: Indices) -> Option<Box<dyn Op<T>>> {
        Some(Box::new(FusedOp(self.0.with_indices(indices)?)))
    }
    fn composition(&self, x: &[Tensor<T>]) -> Option<Tensor<T>> {
        Some(self.0.compose(x))
    }
}
