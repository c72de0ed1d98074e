//! A program: what is done, in order, and where each value lies.

use super::trace::{Held, Source, at_work};
use crate::context::on_behalf_of;
use crate::kernels::{self, Buffer, Chain, Shape};
use crate::num::Float;
use crate::rule::Blockwise;
use crate::{Array, Indices, Mistake, Place, Tensor};
use smallvec::SmallVec;

/// Where a value lies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Slot {
    /// One number, in the list of numbers.
    Number(u32),
    /// In the list of arrays. A value of one number never does.
    Array(u32),
}

/// A value as an op takes it: the same numbers under a shape; a single number is repeated.
#[derive(Clone)]
pub(super) struct Use {
    pub(super) slot: Slot,
    pub(super) shape: Shape,
}

/// What is done next.
pub(super) enum Item<T: Float> {
    /// Ops on single numbers, and all their places in the list.
    Numbers { steps: Vec<NumberStep<T>>, places: Vec<u32> },
    /// Elementwise ops on arrays of one length, and sums of them, in one pass.
    Pass(Pass<T>),
    /// An op's value.
    Value { op: usize, place: Place, x: Vec<Use>, y: Slot },
    /// An op's way back: for each argument, if it wants a gradient, the sum so far and the place of the new one.
    Pull { op: usize, place: Place, x: Vec<Use>, y: Use, g: Use, sums: Vec<Option<Sum>> },
    /// The sum down to a shape that the argument could have been broadcast from.
    SumTo { x: Use, shape: Shape, y: Slot },
}

/// A sum of cotangents so far, and where it goes with one more.
pub(super) type Sum = (Option<Use>, Slot);

/// An op on single numbers, and from where on its places are listed.
pub(super) struct NumberStep<T> {
    pub(super) op: Box<dyn Blockwise<T>>,
    pub(super) back: bool,
    pub(super) from: u32,
}

/// An elementwise op, and whether it is its way back.
pub(super) type Function<T> = (Box<dyn Blockwise<T>>, bool);

/// Elementwise ops in one pass over memory.
pub(super) struct Pass<T> {
    pub(super) len: usize,
    pub(super) chain: Chain,
    /// The function of each step that has one.
    pub(super) functions: Vec<Option<Function<T>>>,
    /// What is read; a partial broadcast has a shape it is broadcast to.
    pub(super) inputs: Vec<(Use, Option<Shape>)>,
    /// What is written, and, where the result leaves the program, the shape of the array to make for it.
    pub(super) outputs: Vec<(u32, Option<Shape>)>,
    /// The places of the sums, in the list of numbers.
    pub(super) totals: Vec<u32>,
}

/// A flat list of ops, and the memory for their values.
pub(super) struct Program<T: Float> {
    pub(super) ops: Vec<Held<T>>,
    /// The ops that take integers: which op, where they come from, under which shape.
    pub(super) indices: Vec<(usize, Source, Shape)>,
    /// None of what is not used.
    pub(super) inputs: Vec<Option<Slot>>,
    /// What is done, and which arrays are let go afterwards.
    pub(super) items: Vec<(Item<T>, Vec<u32>)>,
    pub(super) results: Vec<Use>,
    /// The arrays that are let go at the end: they are the caller's.
    pub(super) foreign: Vec<u32>,
    pub(super) memory: Memory<T>,
}

/// All values.
pub(super) struct Memory<T> {
    pub(super) numbers: Vec<T>,
    pub(super) arrays: Vec<Array<T>>,
}

impl<T: Float> Memory<T> {
    fn array(&self, used: &Use) -> Array<T> {
        let shape = &used.shape;
        match used.slot {
            Slot::Number(k) => Array::scalar(self.numbers[k as usize]).broadcast_to(shape),
            Slot::Array(k) => self.arrays[k as usize].reshape(shape),
        }
        .expect("a shape that fits")
    }

    fn put(&mut self, slot: Slot, value: Array<T>) {
        match slot {
            Slot::Number(k) => self.numbers[k as usize] = value.storage()[value.layout().offset],
            Slot::Array(k) => self.arrays[k as usize] = value,
        }
    }

    /// Nothing in the place of an array, which is returned.
    fn take(&mut self, k: u32) -> Array<T> {
        std::mem::replace(&mut self.arrays[k as usize], Array::scalar(T::ZERO))
    }
}

impl<T: Float> Program<T> {
    /// The results for other inputs of the same shapes.
    pub(super) fn run<'a>(
        &mut self,
        inputs: impl Iterator<Item = &'a Array<T>>,
        indices: &[&Indices],
    ) -> SmallVec<[Array<T>; 4]> {
        let Program { ops, memory, .. } = self;
        for (slot, x) in self.inputs.iter().zip(inputs) {
            if let Some(slot) = slot {
                memory.put(*slot, x.clone());
            }
        }
        for (op, source, shape) in &self.indices {
            let other = source.now(indices).reshape(shape).expect("indices of the same shape");
            let new = ops[*op].op().with_indices(other).expect("an op that took others when it was recorded");
            ops[*op] = Held::Own(new);
        }
        for (item, done) in &self.items {
            match item {
                Item::Numbers { steps, places } => {
                    for NumberStep { op, back, from } in steps {
                        match back {
                            false => op.value_at(&mut memory.numbers, &places[*from as usize..]),
                            true => op.pull_at(&mut memory.numbers, &places[*from as usize..]),
                        }
                    }
                }
                Item::Pass(pass) => pass.run(memory),
                Item::Value { op, place, x, y } => {
                    let op = ops[*op].op();
                    let x = arguments(memory, x, &[], *place);
                    let value = at_work(std::iter::empty(), || op.forward(&x));
                    let value =
                        value.unwrap_or_else(|why| Mistake::new(op.name(), why, x.iter(), *place).raise());
                    memory.put(*y, value);
                }
                Item::Pull { op, place, x, y, g, sums } => {
                    let op = ops[*op].op();
                    let x = arguments(memory, x, sums, *place);
                    let y = Tensor::node(memory.array(y), None, false, *place);
                    let so_far = sums.iter().map(|sum| Some(memory.array(sum.as_ref()?.0.as_ref()?)));
                    let mut new: SmallVec<[Option<Array<T>>; 3]> = so_far.collect();
                    let g = memory.array(g);
                    at_work(std::iter::empty(), || {
                        on_behalf_of(*place, op.name(), || op.pull(&x, &y, g, &mut new))
                    });
                    for (sum, new) in sums.iter().zip(new) {
                        if let Some((_, slot)) = sum {
                            memory.put(
                                *slot,
                                new.expect("an op adds to the cotangent of every argument that wants one"),
                            );
                        }
                    }
                }
                Item::SumTo { x, shape, y } => {
                    let sum = kernels::sum_to(&memory.array(x), shape);
                    memory.put(*y, sum);
                }
            }
            for &k in done {
                memory.take(k);
            }
        }
        let results = self.results.iter().map(|used| match used.slot {
            Slot::Number(k) => Array::full(&used.shape, memory.numbers[k as usize]),
            Slot::Array(_) => memory.array(used),
        });
        let results = results.collect();
        for &k in &self.foreign {
            memory.take(k);
        }
        results
    }
}

/// The arguments of an op, of which it is asked for the cotangents that have a sum.
fn arguments<T: Float>(
    memory: &Memory<T>,
    x: &[Use],
    sums: &[Option<Sum>],
    place: Place,
) -> SmallVec<[Tensor<T>; 3]> {
    let mut tensors: SmallVec<[Tensor<T>; 3]> = SmallVec::new();
    for (i, used) in x.iter().enumerate() {
        let wanted = sums.get(i).is_some_and(Option::is_some);
        tensors.push(Tensor::node(memory.array(used), None, wanted, place));
    }
    tensors
}

impl<T: Float> Pass<T> {
    fn run(&self, memory: &mut Memory<T>) {
        let input = |(used, wide): &(Use, Option<Shape>)| match (used.slot, wide) {
            (Slot::Number(k), _) => Array::scalar(memory.numbers[k as usize]),
            (Slot::Array(k), None) => memory.arrays[k as usize].clone(),
            (Slot::Array(_), Some(wide)) => memory.array(used).broadcast_to(wide).expect("a shape that fits"),
        };
        let inputs: SmallVec<[Array<T>; 8]> = self.inputs.iter().map(input).collect();
        let mut outputs: SmallVec<[Array<T>; 4]> = SmallVec::new();
        for (k, made) in &self.outputs {
            let before = memory.take(*k);
            outputs.push(match made {
                Some(shape) => Array::from_buffer(Buffer::scratch(self.len), shape),
                None => before,
            });
        }
        let slices = outputs.iter_mut().map(Array::as_mut_slice).collect();
        let mut totals: SmallVec<[T; 4]> = self.totals.iter().map(|_| T::ZERO).collect();
        self.chain.run(self.len, &inputs, slices, &mut totals, &|k, x, y| match self.functions[k]
            .as_ref()
            .expect("a function for each step that maps")
        {
            (op, false) => op.value(x, y),
            (op, true) => op.pull(x, y),
        });
        for ((k, _), output) in self.outputs.iter().zip(outputs) {
            memory.arrays[*k as usize] = output;
        }
        for (&k, total) in self.totals.iter().zip(totals) {
            memory.numbers[k as usize] = total;
        }
    }
}
