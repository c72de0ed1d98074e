//! Selection by integers. Indices are plain `usize`s, not tensors: nothing differentiates by them.

use super::linear::{Linear, LinearOp, linear, sum_of};
use crate::kernels::{self, Error, Shape};
use crate::num::Float;
use crate::{Array, Tensor};
use std::sync::Arc;

/// `y[i] = x[indices[i]]`, rows along the first axis.
#[derive(Clone)]
struct GatherRows(Arc<[usize]>);
impl<T: Float> Linear<T> for GatherRows {
    const NAME: &'static str = "gather_rows";
    fn forward(&self, x: &Array<T>) -> Result<Array<T>, Error> {
        kernels::gather_rows(x, &self.0)
    }
    fn transpose(&self, shape: &[usize], g: &Tensor<T>) -> Tensor<T> {
        linear(ScatterAddRows { of: self.clone(), shape: shape.into() }, g)
    }
    /// Into the rows it came from: the cost is that of the rows, not of the table.
    fn pull(
        op: &LinearOp<Self>,
        x: &[Tensor<T>],
        _: &Tensor<T>,
        g: &Array<T>,
        sums: &mut [Option<Array<T>>],
    ) {
        kernels::scatter_add_rows(sum_of(&mut sums[0], &x[0]), &op.0.0, g);
    }
}

/// `y = 0`, then `y[indices[i]] += x[i]`: the reverse of [`GatherRows`].
#[derive(Clone)]
struct ScatterAddRows {
    of: GatherRows,
    shape: Shape,
}
impl<T: Float> Linear<T> for ScatterAddRows {
    const NAME: &'static str = "scatter_add_rows";
    fn forward(&self, x: &Array<T>) -> Result<Array<T>, Error> {
        let mut y = Array::full(&self.shape, T::ZERO);
        kernels::scatter_add_rows(&mut y, &self.of.0, x);
        Ok(y)
    }
    fn transpose(&self, _: &[usize], g: &Tensor<T>) -> Tensor<T> {
        linear(self.of.clone(), g)
    }
}

/// Selection by integers.
impl<T: Float> Tensor<T> {
    /// Rows `indices[0], indices[1], …` along the first axis: an embedding, a batch. A row may be taken several times;
    /// its gradient is the sum.
    ///
    /// ```
    /// # use femtograd::Tensor;
    /// let table = Tensor::new([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]);
    /// let rows = table.gather_rows(&[2, 0, 2]);
    /// assert_eq!(rows.to_string(), "[[5, 6], [1, 2], [5, 6]]");
    /// rows.sum().backward();
    /// assert_eq!(table.grad().unwrap().to_string(), "[[1, 1], [0, 0], [2, 2]]");
    /// ```
    ///
    /// # Panics
    /// If the tensor is a single number or an index lies outside.
    #[track_caller]
    pub fn gather_rows(&self, indices: &[usize]) -> Tensor<T> {
        linear(GatherRows(indices.into()), self)
    }
}
