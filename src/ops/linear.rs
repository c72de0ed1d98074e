//! The family of linear ops: those that move numbers and add them up.

use crate::kernels::{Buffer, Error, Sink, count};
use crate::num::Float;
use crate::op::{Shortcut, pull_by_vjp};
use crate::{Array, Indices, Op, Tensor};

/// A linear op of one argument, `y = A·x`. It is its own forward derivative; its reverse derivative is its transpose,
/// `Aᵀ·g`, another linear op.
pub(crate) trait Linear<T: Float>: Clone + Send + Sync + 'static {
    /// The op's name.
    const NAME: &'static str;

    /// `A·x`
    fn forward(&self, x: &Array<T>) -> Result<Array<T>, Error>;

    /// `Aᵀ·g`, for an `x` of the given shape; or in the shape of `y`, where `x` was broadcast.
    fn transpose(&self, shape: &[usize], g: &Tensor<T>) -> Tensor<T>;

    /// [`Op::indices`]
    fn indices(&self) -> Option<&Indices> {
        None
    }

    /// [`Op::with_indices`]
    fn with_indices(&self, _indices: Indices) -> Option<Self> {
        None
    }

    /// [`Op::shortcut`]
    fn shortcut(&self) -> Shortcut<T> {
        Shortcut::None
    }

    /// [`Op::pull`]; overridden by ops that can add `Aᵀ·g` in place for less than it costs to form.
    fn pull(
        op: &LinearOp<Self>,
        x: &[Tensor<T>],
        y: &Tensor<T>,
        g: &Array<T>,
        sums: &mut [Option<Array<T>>],
    ) {
        pull_by_vjp(op, x, y, g.clone(), sums);
    }
}

/// `A·x`, recorded.
#[track_caller]
pub(crate) fn linear<T: Float>(op: impl Linear<T>, x: &Tensor<T>) -> Tensor<T> {
    Tensor::apply(LinearOp(op), [x])
}

/// A linear op as an [`Op`].
pub(crate) struct LinearOp<L>(pub(crate) L);

impl<T: Float, L: Linear<T>> Op<T> for LinearOp<L> {
    fn name(&self) -> &'static str {
        L::NAME
    }
    fn is_closed(&self) -> bool {
        true
    }
    fn forward(&self, x: &[Tensor<T>]) -> Result<Array<T>, Error> {
        self.0.forward(x[0].data())
    }
    fn vjp(&self, x: &[Tensor<T>], _: &Tensor<T>, g: &Tensor<T>, _: usize) -> Tensor<T> {
        self.0.transpose(x[0].shape(), g)
    }
    fn jvp(&self, _: &[Tensor<T>], _: &Tensor<T>, dx: &[Option<Tensor<T>>]) -> Tensor<T> {
        linear(self.0.clone(), dx[0].as_ref().expect("at least one tangent"))
    }
    fn indices(&self) -> Option<&Indices> {
        self.0.indices()
    }
    fn with_indices(&self, indices: Indices) -> Option<Box<dyn Op<T>>> {
        Some(Box::new(LinearOp(self.0.with_indices(indices)?)))
    }
    fn shortcut(&self) -> Shortcut<T> {
        self.0.shortcut()
    }
    fn pull(&self, x: &[Tensor<T>], y: &Tensor<T>, g: Array<T>, sums: &mut [Option<Array<T>>]) {
        L::pull(self, x, y, &g, sums);
    }
}

/// The sum of an argument's cotangent, made of zeros if there is none yet.
pub(crate) fn sum_of<'a, T: Float>(sum: &'a mut Option<Array<T>>, x: &Tensor<T>) -> &'a mut Array<T> {
    sum.get_or_insert_with(|| Array::full(x.shape(), T::ZERO))
}

/// Adds to an argument's cotangent what `f` writes into a sink of its shape: into the sum there is, or afresh.
pub(crate) fn add_into<T: Float>(sum: &mut Option<Array<T>>, x: &Tensor<T>, f: impl FnOnce(Sink<'_, T>)) {
    match sum {
        Some(sum) => f(Sink::Add(sum.as_mut_slice())),
        None => {
            let mut fresh = Buffer::scratch(count(x.shape()));
            f(Sink::Write(&mut fresh));
            *sum = Some(Array::from_buffer(fresh, x.shape()));
        }
    }
}
