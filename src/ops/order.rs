//! Order: the places of elements, found without a derivative, and the elements there, through which gradients flow.

use crate::kernels::{self, Error, Shape};
use crate::num::Float;
use crate::{Indices, Place, Tensor, cut};

/// Order along an axis. Equal elements stay in the order in which they are, so the first of them is found first. NaN
/// counts as larger than every number in sorting, and is found before every number where one element is looked for, the
/// largest or the smallest: it does not stay hidden.
impl<T: Float> Tensor<T> {
    /// The places of the largest elements along an axis, which vanishes.
    ///
    /// ```
    /// # use femtograd::Tensor;
    /// let x = Tensor::new([[1.0, 3.0, 3.0], [6.0, 5.0, 4.0]]);
    /// assert_eq!(x.argmax(1).as_slice(), [1, 0]);
    /// ```
    ///
    /// # Panics
    /// If the axis does not exist or has no elements to choose from.
    #[track_caller]
    pub fn argmax(&self, axis: isize) -> Indices {
        let data = self.data();
        let (axis, places) = self.places("argmax", axis, |k| kernels::argmax(data, k));
        self.on_each_line(axis, &places)
    }

    /// The places of the smallest elements along an axis, which vanishes.
    ///
    /// # Panics
    /// If the axis does not exist or has no elements to choose from.
    #[track_caller]
    pub fn argmin(&self, axis: isize) -> Indices {
        let data = self.data();
        let (axis, places) = self.places("argmin", axis, |k| kernels::argmin(data, k));
        self.on_each_line(axis, &places)
    }

    /// The largest elements along an axis, which vanishes, and their places. The gradient goes to these places alone;
    /// with [`max`](Self::max) equal maxima share it.
    ///
    /// ```
    /// # use femtograd::Tensor;
    /// let x = Tensor::new([1.0, 3.0, 3.0]);
    /// let (largest, place) = x.max_with_positions(0);
    /// largest.backward();
    /// assert_eq!((largest.item(), place.as_slice()), (3.0, &[1][..]));
    /// assert_eq!(x.grad().unwrap().to_vec(), [0.0, 1.0, 0.0]);
    /// ```
    ///
    /// # Panics
    /// If the axis does not exist or has no elements to choose from.
    #[track_caller]
    pub fn max_with_positions(&self, axis: isize) -> (Tensor<T>, Indices) {
        let data = self.data();
        let (axis, places) = self.places("max_with_positions", axis, |k| kernels::argmax(data, k));
        (self.take_along_axis(&places, axis as isize).without(&[axis]), self.on_each_line(axis, &places))
    }

    /// The smallest elements along an axis, which vanishes, and their places. The gradient goes to these places alone;
    /// with [`min`](Self::min) equal minima share it.
    ///
    /// # Panics
    /// If the axis does not exist or has no elements to choose from.
    #[track_caller]
    pub fn min_with_positions(&self, axis: isize) -> (Tensor<T>, Indices) {
        let data = self.data();
        let (axis, places) = self.places("min_with_positions", axis, |k| kernels::argmin(data, k));
        (self.take_along_axis(&places, axis as isize).without(&[axis]), self.on_each_line(axis, &places))
    }

    /// The elements along an axis in ascending or descending order, and their places.
    ///
    /// ```
    /// # use femtograd::Tensor;
    /// let (sorted, places) = Tensor::new([2.0, 3.0, 1.0]).sort(0, false);
    /// assert_eq!((sorted.to_string(), places.to_string()), ("[1, 2, 3]".into(), "[2, 0, 1]".into()));
    /// ```
    ///
    /// # Panics
    /// If the axis does not exist.
    #[track_caller]
    pub fn sort(&self, axis: isize, descending: bool) -> (Tensor<T>, Indices) {
        let data = self.data();
        let find = |k| kernels::argsort(data, k, self.shape()[k], descending);
        let (axis, places) = self.places("sort", axis, find);
        (self.take_along_axis(&places, axis as isize), places)
    }

    /// The places of the elements along an axis in ascending or descending order.
    ///
    /// # Panics
    /// If the axis does not exist.
    #[track_caller]
    pub fn argsort(&self, axis: isize, descending: bool) -> Indices {
        let data = self.data();
        self.places("argsort", axis, |k| kernels::argsort(data, k, self.shape()[k], descending)).1
    }

    /// The `k` largest elements along an axis in descending order, and their places.
    ///
    /// ```
    /// # use femtograd::Tensor;
    /// let (largest, places) = Tensor::new([2.0, 5.0, 1.0, 5.0]).topk(3, 0);
    /// assert_eq!((largest.to_string(), places.to_string()), ("[5, 5, 2]".into(), "[1, 3, 0]".into()));
    /// ```
    ///
    /// # Panics
    /// If the axis does not exist or has fewer elements.
    #[track_caller]
    pub fn topk(&self, k: usize, axis: isize) -> (Tensor<T>, Indices) {
        let data = self.data();
        let (axis, places) = self.places("topk", axis, |axis| kernels::argsort(data, axis, k, true));
        (self.take_along_axis(&places, axis as isize), places)
    }

    /// The axis, counted from the first, and what a kernel finds along it.
    #[track_caller]
    fn places(
        &self,
        op: &'static str,
        axis: isize,
        find: impl FnOnce(usize) -> Result<Indices, Error>,
    ) -> (usize, Indices) {
        let axis = self.axis(op, axis);
        match find(axis) {
            Ok(places) => (axis, cut::cut_off(places, op, self, Place::here())),
            Err(why) => Tensor::refuse(op, &why.0, &[self]),
        }
    }

    /// One place on each line along an axis, without that axis.
    fn on_each_line(&self, axis: usize, places: &Indices) -> Indices {
        let mut shape = Shape::from(self.shape());
        shape.remove(axis);
        places.reshape(&shape).expect("one place on each line")
    }
}
