//! Selection by integers. Indices are plain `usize`s, not tensors: nothing differentiates by them.

use crate::kernels::{self, Error, Shape};
use crate::num::Float;
use crate::{Array, Op, Tensor};
use std::sync::Arc;

/// `y[i] = x[indices[i]]`, rows along the first axis.
#[derive(Clone)]
struct GatherRows(Arc<[usize]>);
impl<T: Float> Op<T> for GatherRows {
    fn name(&self) -> &'static str {
        "gather_rows"
    }
    fn forward(&self, x: &[Tensor<T>]) -> Result<Array<T>, Error> {
        kernels::gather_rows(x[0].data(), &self.0)
    }
    fn vjp(&self, x: &[Tensor<T>], _: &Tensor<T>, g: &Tensor<T>, _: usize) -> Tensor<T> {
        Tensor::apply(ScatterAddRows { of: self.clone(), shape: x[0].shape().into() }, [g])
    }
    fn jvp(&self, _: &[Tensor<T>], _: &Tensor<T>, dx: &[Option<Tensor<T>>]) -> Tensor<T> {
        Tensor::apply(self.clone(), dx.iter().flatten())
    }
    /// Into the rows it came from: the cost is that of the rows, not of the table.
    fn pull(&self, x: &[Tensor<T>], _: &Tensor<T>, g: &Array<T>, sums: &mut [Option<Array<T>>]) {
        let sum = sums[0].get_or_insert_with(|| Array::full(x[0].shape(), T::ZERO));
        kernels::scatter_add_rows(sum, &self.0, g);
    }
}

/// `y = 0`, then `y[indices[i]] += x[i]`: the reverse of [`GatherRows`].
#[derive(Clone)]
struct ScatterAddRows {
    of: GatherRows,
    shape: Shape,
}
impl<T: Float> Op<T> for ScatterAddRows {
    fn name(&self) -> &'static str {
        "scatter_add_rows"
    }
    fn forward(&self, x: &[Tensor<T>]) -> Result<Array<T>, Error> {
        let mut y = Array::full(&self.shape, T::ZERO);
        kernels::scatter_add_rows(&mut y, &self.of.0, x[0].data());
        Ok(y)
    }
    fn vjp(&self, _: &[Tensor<T>], _: &Tensor<T>, g: &Tensor<T>, _: usize) -> Tensor<T> {
        Tensor::apply(self.of.clone(), [g])
    }
    fn jvp(&self, _: &[Tensor<T>], _: &Tensor<T>, dx: &[Option<Tensor<T>>]) -> Tensor<T> {
        Tensor::apply(self.clone(), dx.iter().flatten())
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
        Tensor::apply(GatherRows(indices.into()), [self])
    }
}
