//! Integers with a shape.

use crate::array::{count, print, try_count};
use crate::{Error, Result, Shape};
use std::any::Any;
use std::fmt;
use std::sync::Arc;

/// An n-dimensional array of indices: places along an axis of an [`Array`](crate::Array). Cloning shares them.
///
/// ```
/// use femtograd_kernels::Indices;
/// let columns = Indices::from([[2, 0], [1, 1]]);
/// assert_eq!((columns.to_string(), columns.shape()), ("[[2, 0], [1, 1]]".into(), &[2, 2][..]));
/// ```
///
/// They may carry a note of where they come from, which takes no part in comparisons.
#[derive(Clone)]
pub struct Indices {
    shape: Shape,
    values: Arc<[usize]>,
    origin: Option<Arc<Origin>>,
}

/// What a note on [`Indices`] may be: whatever their maker wants to find there again.
pub type Origin = dyn Any + Send + Sync;

impl PartialEq for Indices {
    fn eq(&self, other: &Indices) -> bool {
        (&self.shape, &self.values) == (&other.shape, &other.values)
    }
}
impl Eq for Indices {}

impl Indices {
    /// The integers in row-major order under `shape`.
    ///
    /// # Panics
    /// If the shape has another number of elements.
    #[track_caller]
    pub fn from_vec(values: impl Into<Arc<[usize]>>, shape: &[usize]) -> Indices {
        let values = values.into();
        let n = values.len();
        assert!(count(shape) == n, "indices: {n} integers do not fill the shape {shape:?}");
        Indices { shape: shape.into(), values, origin: None }
    }

    /// The length of each axis.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The integers in row-major order.
    pub fn as_slice(&self) -> &[usize] {
        &self.values
    }

    /// The same integers in the same (row-major) order under another shape.
    ///
    /// # Errors
    /// If the new shape has another number of elements.
    pub fn reshape(&self, shape: &[usize]) -> Result<Indices> {
        let (have, want) = (self.values.len(), try_count(shape)?);
        if have != want {
            return Err(Error(format!(
                "shape {:?} has {have} elements, the new shape {shape:?} has {want}",
                self.shape
            )));
        }
        Ok(Indices { shape: shape.into(), ..self.clone() })
    }

    /// With a note of where they come from.
    pub fn with_origin(self, origin: Arc<Origin>) -> Indices {
        Indices { origin: Some(origin), ..self }
    }

    /// The note of where they come from, if there is one.
    pub fn origin(&self) -> Option<&Arc<Origin>> {
        self.origin.as_ref()
    }

    /// Whether all are places along `axis` of an array of this shape.
    pub(crate) fn lie_inside(&self, shape: &[usize], axis: usize) -> Result<()> {
        let Some(&n) = shape.get(axis) else {
            return Err(Error(format!("there is no axis {axis} in the shape {shape:?}")));
        };
        let Some(mut place) = self.values.iter().position(|&i| i >= n) else { return Ok(()) };
        let (index, mut at) = (self.values[place], self.shape.clone());
        for (k, n) in at.iter_mut().zip(&self.shape).rev() {
            *k = place % n;
            place /= n;
        }
        Err(Error(format!("index {index} at {at:?} of the indices lies outside axis {axis} of {shape:?}")))
    }
}

impl From<Vec<usize>> for Indices {
    fn from(values: Vec<usize>) -> Indices {
        let n = values.len();
        Indices::from_vec(values, &[n])
    }
}
impl From<&Vec<usize>> for Indices {
    fn from(values: &Vec<usize>) -> Indices {
        Indices::from(&values[..])
    }
}
impl From<&[usize]> for Indices {
    fn from(values: &[usize]) -> Indices {
        Indices::from_vec(values, &[values.len()])
    }
}
impl<const N: usize> From<[usize; N]> for Indices {
    fn from(values: [usize; N]) -> Indices {
        Indices::from(&values[..])
    }
}
impl<const N: usize> From<&[usize; N]> for Indices {
    fn from(values: &[usize; N]) -> Indices {
        Indices::from(&values[..])
    }
}
impl<const M: usize, const N: usize> From<[[usize; N]; M]> for Indices {
    fn from(rows: [[usize; N]; M]) -> Indices {
        Indices::from_vec(rows.as_flattened(), &[M, N])
    }
}
impl From<&Indices> for Indices {
    fn from(indices: &Indices) -> Indices {
        indices.clone()
    }
}

/// Prints as an [`Array`](crate::Array) does.
impl fmt::Display for Indices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        print(&self.shape, f, &|index, f| {
            let place = index.iter().zip(&self.shape).fold(0, |place, (i, n)| place * n + i);
            fmt::Display::fmt(&self.values[place], f)
        })
    }
}
impl fmt::Debug for Indices {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self} {:?}", self.shape)
    }
}
