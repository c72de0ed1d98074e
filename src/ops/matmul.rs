//! Matrix products.

use crate::kernels::{self, Error, Shape, sum_to};
use crate::num::Float;
use crate::ops::fused::{Fused, fused};
use crate::{Array, Op, Tensor};

/// `y[…, i, j] = Σₖ a[…, i, k] · b[…, k, j]`, the leading axes broadcast.
#[derive(Clone)]
struct MatMul;
impl<T: Float> Op<T> for MatMul {
    fn name(&self) -> &'static str {
        "matmul"
    }
    fn is_closed(&self) -> bool {
        true
    }
    fn forward(&self, x: &[Tensor<T>]) -> Result<Array<T>, Error> {
        kernels::matmul(x[0].data(), x[1].data())
    }
    fn vjp(&self, x: &[Tensor<T>], _: &Tensor<T>, g: &Tensor<T>, i: usize) -> Tensor<T> {
        match i {
            0 => Tensor::apply(MatMul, [g, &x[1].t()]),
            _ => Tensor::apply(MatMul, [&x[0].t(), g]),
        }
    }
    fn jvp(&self, x: &[Tensor<T>], _: &Tensor<T>, dx: &[Option<Tensor<T>>]) -> Tensor<T> {
        let a = dx[0].as_ref().map(|da| Tensor::apply(MatMul, [da, &x[1]]));
        let b = dx[1].as_ref().map(|db| Tensor::apply(MatMul, [&x[0], db]));
        a.into_iter().chain(b).reduce(|a, b| a + b).expect("at least one tangent")
    }
    fn pull(&self, x: &[Tensor<T>], _: &Tensor<T>, g: Array<T>, sums: &mut [Option<Array<T>>]) {
        if x[0].wants_grad() {
            add_product(&mut sums[0], &g, &turned(x[1].data()), x[0].shape());
        }
        if x[1].wants_grad() {
            add_product(&mut sums[1], &turned(x[0].data()), &g, x[1].shape());
        }
    }
}

/// The matrices' transposes, without copying.
fn turned<T: Float>(x: &Array<T>) -> Array<T> {
    let n = x.ndim();
    let order: Shape = (0..n - 2).chain([n - 1, n - 2]).collect();
    x.permute(&order).expect("every axis once")
}

/// Adds `a·b` to a cotangent's sum, down to the shape of its argument.
fn add_product<T: Float>(sum: &mut Option<Array<T>>, a: &Array<T>, b: &Array<T>, shape: &[usize]) {
    *sum = Some(kernels::matmul_to(sum.take(), a, b, shape).expect("factors and a sum that fit"));
}

/// `y[…, j] = bⱼ + Σₖ x[…, k] · w[k, j]`
#[derive(Clone)]
struct Affine;

/// The rows of an array of any leading axes, as a matrix.
fn rows<T: Float>(x: &Array<T>) -> Array<T> {
    let (&n, leading) = x.shape().split_last().expect("an axis: checked by `linear`");
    x.reshape(&[kernels::count(leading), n]).expect("as many elements")
}

impl<T: Float> Fused<T> for Affine {
    const NAME: &'static str = "linear";
    fn compose(&self, x: &[Tensor<T>]) -> Tensor<T> {
        x[0].matmul(&x[1]) + &x[2]
    }
    fn forward(&self, x: &[Tensor<T>]) -> Result<Array<T>, Error> {
        let [x, w, b] = [&x[0], &x[1], &x[2]].map(Tensor::data);
        let (leading, n) = (&x.shape()[..x.ndim() - 1], w.shape()[1]);
        kernels::affine(&rows(x), w, b)?.reshape(&leading.iter().copied().chain([n]).collect::<Shape>())
    }
    fn pull(&self, x: &[Tensor<T>], _: &Array<T>, g: &Array<T>, sums: &mut [Option<Array<T>>]) {
        let g = rows(g);
        let (m, k) = (g.shape()[0], x[1].shape()[0]);
        if x[0].wants_grad() {
            // As rows from here to there: a matrix is no copy of the sum, so that it is written where it lies.
            let mut sum = sums[0].take().map(|sum| rows(&sum));
            add_product(&mut sum, &g, &turned(x[1].data()), &[m, k]);
            sums[0] = sum.map(|sum| sum.reshape(x[0].shape()).expect("as many elements"));
        }
        if x[1].wants_grad() {
            add_product(&mut sums[1], &turned(&rows(x[0].data())), &g, x[1].shape());
        }
        if x[2].wants_grad() {
            let gb = sum_to(&g, x[2].shape());
            sums[2] = Some(match sums[2].take() {
                Some(sum) => sum + gb,
                None => gb,
            });
        }
    }
}

/// Products.
impl<T: Float> Tensor<T> {
    /// The matrix product, under NumPy's rules: `[…, m, k] × […, k, n] → […, m, n]`, leading axes broadcast; a vector
    /// on the left is a row, on the right a column, and its axis vanishes from the result.
    ///
    /// ```
    /// # use femtograd::Tensor;
    /// let (a, x) = (Tensor::new([[1.0, 2.0], [3.0, 4.0]]), Tensor::new([10.0, 1.0]));
    /// assert_eq!(a.matmul(&x).to_string(), "[12, 34]");
    /// assert_eq!(x.matmul(&a).to_string(), "[13, 24]");
    /// assert_eq!(x.matmul(&x).item(), 101.0);
    /// ```
    ///
    /// # Panics
    /// If one of them is a single number, the inner lengths differ, or the leading axes do not broadcast.
    #[track_caller]
    pub fn matmul(&self, other: &Tensor<T>) -> Tensor<T> {
        let (a, b) = (self.shape(), other.shape());
        match (a, b) {
            // A sum of products: the root of x·x has a gradient at 0 then, as that of the sum of squares has.
            (&[k], &[l]) if k == l => (self * other).sum(),
            (&[k], &[.., l, _]) if k == l => {
                let y = self.reshape(&[1, k]).matmul(other);
                let axis = y.shape().len() - 2;
                y.without(&[axis])
            }
            (&[.., _, k], &[l]) if k == l => {
                let y = self.matmul(&other.reshape(&[l, 1]));
                let axis = y.shape().len() - 1;
                y.without(&[axis])
            }
            // One matrix for the whole batch: the batch is more rows.
            (&[ref batch @ .., m, k], &[l, n]) if k == l && !batch.is_empty() => {
                let shape: Shape = batch.iter().copied().chain([m, n]).collect();
                let rows = kernels::count(batch) * m;
                Tensor::apply(MatMul, [&self.reshape(&[rows, k]), other]).reshape(&shape)
            }
            _ => Tensor::apply(MatMul, [self, other]),
        }
    }

    /// `y[…, j] = bⱼ + Σₖ x[…, k] · w[k, j]`, a linear layer: [`matmul`](Self::matmul) and the bias in one op, faster than
    /// the two. Weights are `[k, n]`, the bias is `[n]`, and this tensor has any axes before the last, of length `k`.
    ///
    /// ```
    /// # use femtograd::Tensor;
    /// let (x, w) = (Tensor::new([[1.0, 2.0]]), Tensor::new([[1.0, 0.0], [0.0, 3.0]]));
    /// assert_eq!(x.linear(&w, &Tensor::new([0.5, -0.5])).to_string(), "[[1.5, 5.5]]");
    /// ```
    ///
    /// # Panics
    /// If the shapes are others.
    #[track_caller]
    pub fn linear(&self, weight: &Tensor<T>, bias: &Tensor<T>) -> Tensor<T> {
        match (self.shape(), weight.shape(), bias.shape()) {
            ([.., k], [l, n], [m]) if k == l && m == n => fused(Affine, [self, weight, bias]),
            _ => {
                let why = "shapes […, k], [k, n] and [n] are needed: rows, weights and bias";
                Tensor::refuse("linear", why, &[self, weight, bias])
            }
        }
    }

    /// `Σᵢ xᵢ·yᵢ` of two vectors: one number.
    ///
    /// # Panics
    /// If they are not two vectors of one length: everything else is for [`matmul`](Self::matmul).
    #[track_caller]
    pub fn dot(&self, other: &Tensor<T>) -> Tensor<T> {
        match (self.shape(), other.shape()) {
            ([m], [n]) if m == n => self.matmul(other),
            _ => Tensor::refuse("dot", "two vectors of one length are needed", &[self, other]),
        }
    }

    /// `y[i, j] = xᵢ·yⱼ` of two vectors.
    ///
    /// # Panics
    /// If one of them is not a vector.
    #[track_caller]
    pub fn outer(&self, other: &Tensor<T>) -> Tensor<T> {
        match (self.shape(), other.shape()) {
            ([_], [_]) => self.unsqueeze(1) * other,
            _ => Tensor::refuse("outer", "two vectors are needed", &[self, other]),
        }
    }
}
