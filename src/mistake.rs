//! What a user did wrong, in a sentence.

use crate::context::caller;
use crate::kernels::Error;
use crate::num::Float;
use crate::{Place, Tensor};
use std::fmt;

/// An op that was given arguments that do not fit: which op, which arguments, and the line that wrote it.
///
/// Operators and methods panic with it, at the user's line; [`Tensor::try_apply`] returns it.
///
/// ```should_panic
/// use femtograd::Tensor;
/// let w = Tensor::new([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]).named("w");
/// let x = Tensor::constant([1.0, 2.0]);
/// // add: shapes [2, 3] and [2] do not broadcast: counted from the last, axis -1 is 3 in one and 2 in the other
/// //   arguments: "w" [2, 3], [2]
/// //   at src/main.rs:7:9
/// w + x;
/// ```
#[derive(Clone, Debug)]
pub struct Mistake {
    op: &'static str,
    why: Error,
    arguments: Vec<(Option<String>, Vec<usize>)>,
    place: Place,
    foreign: bool,
}

impl Mistake {
    #[cold]
    pub(crate) fn new<'a, T: Float>(
        op: &'static str,
        why: Error,
        arguments: impl Iterator<Item = &'a Tensor<T>>,
        place: Place,
    ) -> Mistake {
        let describe = |x: &Tensor<T>| (x.label().map(|l| l.to_string()), x.shape().to_vec());
        Mistake { op, why, arguments: arguments.map(describe).collect(), place, foreign: false }
    }
    /// The same, on account of a tensor of another graph.
    pub(crate) fn of_another_graph(self) -> Mistake {
        Mistake { foreign: true, ..self }
    }
    /// Panics with it.
    #[cold]
    #[track_caller]
    pub(crate) fn raise(self) -> ! {
        if caller().is_some() {
            std::panic::resume_unwind(Box::new(self))
        }
        panic!("{self}")
    }
    /// The same at another line, for a binding that looks for the line only once something is wrong.
    pub fn at(mut self, place: Place) -> Mistake {
        self.place = place;
        self
    }
    /// The op that refused.
    pub fn op(&self) -> &'static str {
        self.op
    }
    /// Whether the argument is fit but belongs to another graph: one of an earlier call, say.
    pub fn is_foreign(&self) -> bool {
        self.foreign
    }
    /// The line that applied it.
    pub fn place(&self) -> Place {
        self.place
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.op, self.why)?;
        for (i, (label, shape)) in self.arguments.iter().enumerate() {
            f.write_str(if i == 0 { "\n  arguments: " } else { ", " })?;
            if let Some(label) = label {
                write!(f, "{label:?} ")?;
            }
            write!(f, "{shape:?}")?;
        }
        write!(f, "\n  at {}", self.place)
    }
}
impl std::error::Error for Mistake {}
