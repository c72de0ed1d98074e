//! What a tensor tells about itself, and what stands in its place.

use crate::context::{cutting, on_behalf_of, tracing};
use crate::cut::{Cut, CutKind};
use crate::tensor::Parents;
use crate::transform::same;
use crate::{Array, Error, Float, Mistake, Op, Place, Tensor, census, replay};
use std::fmt;
use std::sync::Arc;

/// What a tensor knows.
impl<T: Float> Tensor<T> {
    /// The value.
    ///
    /// # Panics
    /// Inside a function that is being [recorded](crate::record()), if it was computed from an input.
    #[inline]
    #[track_caller]
    pub fn data(&self) -> &Array<T> {
        if self.0.traced {
            replay::check_read(self);
        }
        &self.0.data
    }

    /// The gradient: the derivative by this tensor of what [`backward`](Self::backward) was called on, in this
    /// tensor's shape. None before that. Leaves add up the gradients of all calls since they were made.
    pub fn grad(&self) -> Option<Array<T>> {
        self.0.notes.grad()
    }

    /// Puts another gradient in its place: one that was clipped, say.
    ///
    /// ```
    /// # use femtograd::Tensor;
    /// let w = Tensor::new([3.0, 4.0]);
    /// (&w * &w).sum().backward();
    /// w.set_grad([1.0, 1.0]);
    /// assert_eq!(w.grad().unwrap().to_string(), "[1, 1]");
    /// ```
    ///
    /// # Panics
    /// If its shape is not the tensor's.
    #[track_caller]
    pub fn set_grad(&self, gradient: impl Into<Array<T>>) {
        let gradient = gradient.into();
        if gradient.shape() != self.shape() {
            let why =
                format!("a gradient has its tensor's shape, {:?}, not {:?}", self.shape(), gradient.shape());
            Tensor::refuse("set_grad", &why, &[self])
        }
        self.0.notes.set_grad(gradient);
    }

    /// Forgets the gradient.
    pub fn zero_grad(&self) {
        self.0.notes.clear_grad();
    }

    /// Whether somebody else holds it too: a graph, or another clone. Not for long, perhaps, where there are other threads.
    #[doc(hidden)]
    pub fn is_shared(&self) -> bool {
        self.0.count() > 1
    }

    /// The op that computed it; none for a leaf or a constant.
    pub fn op(&self) -> Option<&dyn Op<T>> {
        self.0.how.as_ref().map(|(op, _)| &**op)
    }

    /// What it was computed from; empty for a leaf or a constant.
    pub fn parents(&self) -> &[Tensor<T>] {
        self.0.how.as_ref().map_or(&[], |(_, parents)| parents)
    }

    /// The name it was given.
    pub fn label(&self) -> Option<Arc<str>> {
        self.0.notes.label()
    }

    /// Gives it a name, for error messages and drawings.
    ///
    /// ```
    /// # use femtograd::Tensor;
    /// let w = Tensor::new([0.5, 0.25]).named("w");
    /// assert_eq!(w.label().as_deref(), Some("w"));
    /// ```
    pub fn named(self, label: impl Into<Arc<str>>) -> Tensor<T> {
        let label = label.into();
        census::name(self.id(), &label);
        self.0.notes.set_label(label);
        self
    }

    /// The line of the program that made it.
    #[inline]
    pub fn location(&self) -> Place {
        self.0.place
    }

    /// The length of each axis; empty for a single number.
    #[inline]
    pub fn shape(&self) -> &[usize] {
        self.0.data.shape()
    }

    /// The value, if it is one number.
    ///
    /// # Panics
    /// If it is not.
    #[track_caller]
    pub fn item(&self) -> T {
        self.data().item()
    }

    /// Whether a gradient flows to it or through it.
    #[inline]
    pub fn wants_grad(&self) -> bool {
        self.0.wanted
    }

    /// What identifies a parameter through its updates: the id of the first leaf in its place.
    pub(crate) fn first_id(&self) -> u64 {
        self.0.notes.first_id().unwrap_or(self.0.id)
    }

    /// Its number: larger than those of all tensors it was computed from, and its own in the whole program.
    pub fn id(&self) -> u64 {
        self.0.id
    }
}

/// What takes a tensor's place.
impl<T: Float> Tensor<T> {
    /// The same value as a constant, cut off from how it was computed: no gradient flows back from here.
    #[track_caller]
    pub fn detach(&self) -> Tensor<T> {
        if replay::is_input(self) {
            let place = Place::here();
            return cutting(CutKind::Detach, || on_behalf_of(place, "detach", || same(self)));
        }
        let cut = if self.wants_grad() {
            Some(Cut::at(CutKind::Detach, "detach", std::slice::from_ref(self), Place::here()))
        } else {
            self.0.notes.cut()
        };
        Tensor::constant(&self.0.data).behind(cut)
    }

    /// Puts a new leaf with another value in this one's place: how a parameter is updated.
    ///
    /// A tensor's value never changes, so graphs recorded earlier keep the old leaf and stay right; the new one keeps
    /// the name, wants a gradient if the old one did, and has none yet.
    ///
    /// ```
    /// # use femtograd::Tensor;
    /// let mut w: Tensor<f64> = Tensor::new(1.0);
    /// for _ in 0..100 {
    ///     (&w - 3.0).powi(2).backward();
    ///     w.set_data(w.item() - 0.1 * w.grad().unwrap().item());
    /// }
    /// assert!((w.item() - 3.0).abs() < 1e-9);
    /// ```
    ///
    /// # Panics
    /// If the shape is another.
    #[track_caller]
    pub fn set_data(&mut self, data: impl Into<Array<T>>) {
        let data = data.into();
        let (old, new) = (self.shape(), data.shape());
        if old != new {
            Tensor::refuse(
                "set_data",
                &format!("a leaf of shape {old:?} cannot take a value of shape {new:?}"),
                &[self],
            )
        }
        self.become_leaf(data);
    }

    /// [`set_data`](Self::set_data) to what `f` makes of the value; in place, where nobody else holds this tensor or its
    /// numbers.
    #[track_caller]
    pub(crate) fn update_data(&mut self, f: impl FnOnce(&mut [T])) {
        let mut data = match self.0.get_mut() {
            Some(node) => {
                node.data.as_mut_slice(); // a copy that there is no memory for leaves the tensor as it was
                std::mem::replace(&mut node.data, Array::scalar(T::ZERO))
            }
            None => self.data().clone(),
        };
        f(data.as_mut_slice());
        self.become_leaf(data);
    }

    /// A new leaf of this value in this one's place.
    #[track_caller]
    fn become_leaf(&mut self, data: Array<T>) {
        let leaf = Tensor::node(data, None, self.0.wanted, Place::here());
        leaf.0.notes.set_first_id(self.first_id());
        *self = match self.label() {
            Some(label) => leaf.named(label),
            None => leaf,
        };
    }
}

impl<T: Float> Tensor<T> {
    /// Computes `op` on tensors (or numbers), and records how if a gradient is wanted of any of them.
    ///
    /// # Panics
    /// With a [`Mistake`], at the caller's line, if they do not fit the op.
    #[track_caller]
    pub fn apply<X: Operand<T>>(op: impl Op<T>, parents: impl IntoIterator<Item = X>) -> Tensor<T> {
        let place = Place::here();
        let parents = parents.into_iter().map(|x| x.into_tensor_at(place)).collect();
        Tensor::record(Box::new(op), parents)
    }

    /// [`apply`](Self::apply), with a mistake as a value.
    ///
    /// # Errors
    /// If the arguments do not fit the op.
    #[track_caller]
    pub fn try_apply<X: Operand<T>>(
        op: impl Op<T>,
        parents: impl IntoIterator<Item = X>,
    ) -> Result<Tensor<T>, Mistake> {
        let place = Place::here();
        Tensor::try_record(Box::new(op), parents.into_iter().map(|x| x.into_tensor_at(place)).collect())
    }

    /// [`try_record`](Self::try_record), where a mistake panics.
    #[inline]
    #[track_caller]
    pub(crate) fn record(op: Box<dyn Op<T>>, parents: Parents<T>) -> Tensor<T> {
        match Tensor::try_record(op, parents) {
            Ok(y) => y,
            Err(mistake) => mistake.raise(),
        }
    }

    /// Panics with a [`Mistake`], for what a method finds wrong before it applies an op.
    #[cold]
    #[track_caller]
    pub(crate) fn refuse(op: &'static str, why: &str, arguments: &[&Tensor<T>]) -> ! {
        Mistake::new(op, Error(why.into()), arguments.iter().copied(), Place::here()).raise()
    }

    /// The cotangent 1 that the gradient of one number starts from.
    #[inline]
    #[track_caller]
    pub(crate) fn one(&self, op: &'static str) -> Array<T> {
        if self.0.data.as_scalar().is_some() {
            return Array::scalar(T::ONE);
        }
        if self.0.data.len() != 1 {
            let why = format!(
                "the gradient of one number, and this is none (made at {}). Reduce it first, with sum() or mean(), or \
                 say how its elements are weighted: backward_with, gradients_with, vjp; or ask for all: jacobian",
                self.location()
            );
            Tensor::refuse(op, &why, &[self])
        }
        Array::full(self.shape(), T::ONE)
    }

    /// The cotangent that `backward_with` starts from, checked.
    #[track_caller]
    pub(crate) fn seed(&self, cotangent: Array<T>) -> Array<T> {
        if tracing() {
            let why =
                "inside a recorded function there is nothing to leave gradients in: use grad, or gradients";
            Tensor::refuse("backward", why, &[self])
        }
        if cotangent.shape() != self.shape() {
            let why =
                format!("the cotangent has shape {:?}, the tensor {:?}", cotangent.shape(), self.shape());
            Tensor::refuse("backward_with", &why, &[self])
        }
        if !self.0.wanted {
            let why = format!(
                "no gradient is wanted of anything this tensor (made at {}) was computed from. A leaf by Tensor::new \
                 wants one; constants, detach() and no_grad do not record",
                self.location()
            );
            Tensor::refuse("backward", &why, &[self])
        }
        cotangent
    }
}

/// What an op takes as an argument: a tensor, a borrowed one, or a number (which becomes a constant).
pub trait Operand<T: Float> {
    /// The argument as a tensor; a number is placed at `place`.
    fn into_tensor_at(self, place: Place) -> Tensor<T>;

    /// The argument as a tensor; a number is placed at the caller's line.
    #[inline]
    #[track_caller]
    fn into_tensor(self) -> Tensor<T>
    where
        Self: Sized,
    {
        self.into_tensor_at(Place::here())
    }
}
impl<T: Float> Operand<T> for Tensor<T> {
    #[inline]
    fn into_tensor_at(self, _: Place) -> Tensor<T> {
        self
    }
}
impl<T: Float> Operand<T> for &Tensor<T> {
    #[inline]
    fn into_tensor_at(self, _: Place) -> Tensor<T> {
        self.clone()
    }
}
impl<T: Float> Operand<T> for T {
    #[inline]
    fn into_tensor_at(self, place: Place) -> Tensor<T> {
        Tensor::node(Array::scalar(self), None, false, place)
    }
}

/// The value, as [`Array`] prints it.
impl<T: Float> fmt::Display for Tensor<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.data(), f)
    }
}

/// Name, value, op and gradient.
impl<T: Float> fmt::Debug for Tensor<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(label) = self.label() {
            write!(f, "{label}: ")?;
        }
        write!(f, "{:?}", self.data())?;
        if let Some(op) = self.op() {
            write!(f, " by {}", op.name())?;
        }
        match self.grad() {
            Some(grad) => write!(f, ", gradient {grad}"),
            None => Ok(()),
        }
    }
}
