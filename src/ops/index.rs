//! Selection by integers. [`Indices`] are not tensors: nothing differentiates by them.

use super::linear::{Linear, LinearOp, linear, sum_of};
use super::where_;
use crate::kernels::{self, Error, Shape};
use crate::num::Float;
use crate::{Array, Indices, Operand, Tensor};

/// `y[…, j, …] = x[…, indices[j], …]` along an axis.
#[derive(Clone)]
struct IndexSelect {
    axis: usize,
    indices: Indices,
}
impl<T: Float> Linear<T> for IndexSelect {
    const NAME: &'static str = "index_select";
    fn forward(&self, x: &Array<T>) -> Result<Array<T>, Error> {
        kernels::index_select(x, self.axis, &self.indices)
    }
    fn transpose(&self, shape: &[usize], g: &Tensor<T>) -> Tensor<T> {
        linear(IndexAdd { of: self.clone(), shape: shape.into() }, g)
    }
    /// Into the places it came from: the cost is that of what was taken, not of the table.
    fn pull(
        op: &LinearOp<Self>,
        x: &[Tensor<T>],
        _: &Tensor<T>,
        g: &Array<T>,
        sums: &mut [Option<Array<T>>],
    ) {
        kernels::index_add(sum_of(&mut sums[0], &x[0]), op.0.axis, &op.0.indices, g);
    }
    fn indices(&self) -> Option<&Indices> {
        Some(&self.indices)
    }
    fn with_indices(&self, indices: Indices) -> Option<Self> {
        Some(Self { indices, ..self.clone() })
    }
}

/// `y = 0`, then `y[…, indices[j], …] += x[…, j, …]`: the reverse of [`IndexSelect`].
#[derive(Clone)]
struct IndexAdd {
    of: IndexSelect,
    shape: Shape,
}
impl<T: Float> Linear<T> for IndexAdd {
    const NAME: &'static str = "index_add";
    fn forward(&self, x: &Array<T>) -> Result<Array<T>, Error> {
        let mut y = Array::full(&self.shape, T::ZERO);
        kernels::index_add(&mut y, self.of.axis, &self.of.indices, x);
        Ok(y)
    }
    fn transpose(&self, _: &[usize], g: &Tensor<T>) -> Tensor<T> {
        linear(self.of.clone(), g)
    }
    fn indices(&self) -> Option<&Indices> {
        Some(&self.of.indices)
    }
    fn with_indices(&self, indices: Indices) -> Option<Self> {
        Some(Self { of: IndexSelect { indices, ..self.of }, ..self.clone() })
    }
}

/// `y[…, j, …] = x[…, indices[…, j, …], …]` along an axis.
#[derive(Clone)]
struct TakeAlongAxis {
    axis: usize,
    indices: Indices,
}
impl<T: Float> Linear<T> for TakeAlongAxis {
    const NAME: &'static str = "take_along_axis";
    fn forward(&self, x: &Array<T>) -> Result<Array<T>, Error> {
        kernels::take_along_axis(x, self.axis, &self.indices)
    }
    fn transpose(&self, shape: &[usize], g: &Tensor<T>) -> Tensor<T> {
        linear(ScatterAdd { of: self.clone(), shape: shape.into() }, g)
    }
    fn pull(
        op: &LinearOp<Self>,
        x: &[Tensor<T>],
        _: &Tensor<T>,
        g: &Array<T>,
        sums: &mut [Option<Array<T>>],
    ) {
        let back = kernels::scatter_add(sum_of(&mut sums[0], &x[0]), op.0.axis, &op.0.indices, g);
        back.expect("taken from there before");
    }
    fn indices(&self) -> Option<&Indices> {
        Some(&self.indices)
    }
    fn with_indices(&self, indices: Indices) -> Option<Self> {
        Some(Self { indices, ..self.clone() })
    }
}

/// `y = 0`, then `y[…, indices[…, j, …], …] += x[…, j, …]`: the reverse of [`TakeAlongAxis`].
#[derive(Clone)]
struct ScatterAdd {
    of: TakeAlongAxis,
    shape: Shape,
}
impl<T: Float> Linear<T> for ScatterAdd {
    const NAME: &'static str = "scatter_add";
    fn forward(&self, x: &Array<T>) -> Result<Array<T>, Error> {
        let mut y = Array::full(&self.shape, T::ZERO);
        kernels::scatter_add(&mut y, self.of.axis, &self.of.indices, x)?;
        Ok(y)
    }
    fn transpose(&self, _: &[usize], g: &Tensor<T>) -> Tensor<T> {
        linear(self.of.clone(), g)
    }
    fn indices(&self) -> Option<&Indices> {
        Some(&self.of.indices)
    }
    fn with_indices(&self, indices: Indices) -> Option<Self> {
        Some(Self { of: TakeAlongAxis { indices, ..self.of }, ..self.clone() })
    }
}

/// Selection by integers.
impl<T: Float> Tensor<T> {
    /// Rows `indices[0], indices[1], …` along the first axis: an embedding, a batch. A row may be taken several times;
    /// its gradient is the sum. ([`index_select`](Self::index_select) along axis 0.)
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
    pub fn gather_rows(&self, indices: impl Into<Indices>) -> Tensor<T> {
        linear(IndexSelect { axis: self.axis("gather_rows", 0), indices: indices.into() }, self)
    }

    /// `y[…, j, …] = x[…, indices[j], …]`: the elements at these indices along an axis. Indices of several axes put
    /// theirs in place of this one, as in NumPy's `take`.
    ///
    /// ```
    /// # use femtograd::Tensor;
    /// let x = Tensor::new([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]);
    /// assert_eq!(x.index_select(1, [2, 0]).to_string(), "[[3, 1], [6, 4]]");
    /// ```
    ///
    /// # Panics
    /// If the axis does not exist or an index lies outside.
    #[track_caller]
    pub fn index_select(&self, axis: isize, indices: impl Into<Indices>) -> Tensor<T> {
        linear(IndexSelect { axis: self.axis("index_select", axis), indices: indices.into() }, self)
    }

    /// `y[…, j, …] = x[…, indices[…, j, …], …]`: on each line along an axis the elements that the same line of the
    /// indices names. NumPy's function of this name; see also [`gather`](Self::gather).
    ///
    /// ```
    /// # use femtograd::Tensor;
    /// let x = Tensor::new([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]);
    /// assert_eq!(x.take_along_axis([[2, 2], [0, 1]], 1).to_string(), "[[3, 3], [4, 5]]");
    /// let largest = x.argmax(1).reshape(&[2, 1]).unwrap();
    /// assert_eq!(x.take_along_axis(largest, 1).to_string(), "[[3], [6]]");
    /// ```
    ///
    /// # Panics
    /// If the axis does not exist, the shapes differ along another one, or an index lies outside.
    #[track_caller]
    pub fn take_along_axis(&self, indices: impl Into<Indices>, axis: isize) -> Tensor<T> {
        linear(TakeAlongAxis { axis: self.axis("take_along_axis", axis), indices: indices.into() }, self)
    }

    /// [`take_along_axis`](Self::take_along_axis) under PyTorch's name and with its order of arguments.
    ///
    /// ```
    /// # use femtograd::Tensor;
    /// let x = Tensor::new([[1.0, 2.0], [3.0, 4.0]]);
    /// assert_eq!(x.gather(1, [[1, 1], [0, 1]]).to_string(), "[[2, 2], [3, 4]]");
    /// ```
    ///
    /// # Panics
    /// As it does.
    #[track_caller]
    pub fn gather(&self, axis: isize, indices: impl Into<Indices>) -> Tensor<T> {
        self.take_along_axis(indices, axis)
    }

    /// `y = x`, then `y[…, indices[…, j, …], …] += source[…, j, …]` along an axis. An index may occur several times.
    ///
    /// ```
    /// # use femtograd::Tensor;
    /// let (x, source) = (Tensor::new([10.0, 20.0, 30.0]), Tensor::new([1.0, 2.0, 3.0]));
    /// assert_eq!(x.scatter_add(0, [2, 0, 2], &source).to_string(), "[12, 20, 34]");
    /// ```
    ///
    /// # Panics
    /// If the axis does not exist, source and indices differ in shape, or from `x` along another axis, or an index lies
    /// outside.
    #[track_caller]
    pub fn scatter_add(&self, axis: isize, indices: impl Into<Indices>, source: &Tensor<T>) -> Tensor<T> {
        let of = TakeAlongAxis { axis: self.axis("scatter_add", axis), indices: indices.into() };
        self + linear(ScatterAdd { of, shape: self.shape().into() }, source)
    }

    /// `value` where the mask is not 0, `x` elsewhere; elementwise under broadcasting. What is covered gets no gradient.
    ///
    /// ```
    /// # use femtograd::Tensor;
    /// let x = Tensor::new([1.0, -2.0, 3.0]);
    /// assert_eq!(x.masked_fill(x.lt(0.0), f64::NEG_INFINITY).to_string(), "[1, -inf, 3]");
    /// ```
    ///
    /// # Panics
    /// If the shapes do not broadcast.
    #[track_caller]
    pub fn masked_fill(&self, mask: impl Operand<T>, value: impl Operand<T>) -> Tensor<T> {
        where_(mask, value, self)
    }
}
