//! Chains of elementwise functions: many in one pass over memory.
//!
//! Blocks are small enough for the processor's own caches, so what one function leaves there the next one finds,
//! and what no other part of the program needs never reaches memory. Sums over everything are taken on the way.

use crate::map::{BLOCK, Blocks, Given, Source};
use crate::poll::watched;
use crate::reduce::total;
use crate::simd::dispatch;
use crate::{Array, Buffer, Float, Function, Sink, threads};
use smallvec::SmallVec;

/// The bytes that all registers of a chain have together, unless there are very many of them: some of the second-level
/// cache. The bookkeeping for a step is worth a thousand sums, so longer blocks gain more than the first level would.
const CACHE: usize = 128 << 10;

/// The most elements to a block: by then the bookkeeping is hidden.
const LONGEST: usize = 16 * BLOCK;

/// Elements to a piece of work that another thread may take.
const PIECE: usize = 1 << 15;

/// What a step of a chain reads or writes: one block of an array at a time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Register {
    /// Of an array given to the chain.
    Input(usize),
    /// Of an array that the chain writes.
    Output(usize),
    /// Of nothing: it lives from one step to a later one.
    Temporary(usize),
}

/// What a step does with a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Write {
    /// Puts it over what was there.
    Over(Register),
    /// Adds it to what was there.
    Add(Register),
    /// Lets it go.
    Drop,
}

/// One step of a chain.
#[derive(Clone, Debug)]
pub enum Step {
    /// A function of blocks. It writes to other registers than it reads.
    Map {
        /// Its arguments.
        reads: SmallVec<[Register; 4]>,
        /// Its results.
        writes: SmallVec<[Write; 3]>,
    },
    /// The sum over all elements.
    Sum {
        /// Of this register.
        of: Register,
        /// Which of the chain's sums it is.
        total: usize,
    },
}

/// Steps that are taken on every block of arrays of one length.
#[derive(Clone, Debug, Default)]
pub struct Chain {
    /// The steps in order. Registers are written before they are read; no step writes an input.
    pub steps: Vec<Step>,
    /// How many temporary registers there are.
    pub temporaries: usize,
    /// How many sums there are.
    pub totals: usize,
}

/// `f` on whole blocks of its arguments, as many as the sinks hold.
///
/// # Panics
/// If the lengths differ or are no multiple of a block.
pub fn map_blocks<T: Float, const N: usize, const K: usize, const M: usize>(
    f: impl Function<T, N, K, M>,
    x: [&[T]; N],
    more: [&[T]; K],
    out: &mut [Sink<'_, T>],
) {
    dispatch(Blocks { f, x: x.map(Given::Slice), more: more.map(Given::Slice), out });
}

/// The function of the step with a number: from blocks, into sinks.
pub type StepFn<'a, T> = dyn Fn(usize, &[&[T]], &mut [Sink<'_, T>]) + Sync + 'a;

impl Chain {
    /// Takes the steps on arrays of `len` elements, of which inputs that are single numbers have `len` copies.
    ///
    /// Sums are pairwise, over a tree that the length and the number of registers fix: the same bits on any number of
    /// threads.
    ///
    /// # Panics
    /// If an array has another number of elements, or a register does not exist.
    pub fn run<T: Float>(
        &self,
        len: usize,
        inputs: &[Array<T>],
        outputs: SmallVec<[&mut [T]; 4]>,
        totals: &mut [T],
        step: &StepFn<'_, T>,
    ) {
        let registers = inputs.len() + outputs.len() + self.temporaries;
        let block = CACHE / (registers.max(1) * size_of::<T>()) / BLOCK * BLOCK;
        let block = block.clamp(BLOCK, LONGEST);
        let piece = PIECE.next_multiple_of(block);
        let pieces = len.div_ceil(piece);
        let mut sums = Buffer::scratch(pieces * self.totals);
        let mut parts = sums.chunks_exact_mut(self.totals.max(1));
        let mut rest = outputs;
        let jobs = (0..pieces).map(|i| {
            let len = piece.min(len - i * piece);
            let outputs = rest.iter_mut().map(|rest| split_off(rest, len)).collect();
            Piece { start: i * piece, len, outputs, totals: parts.next().unwrap_or_default() }
        });
        let run = |piece: Piece<'_, T>| self.piece(piece, inputs, block, step);
        if pieces > 1 && (threads() > 1 || watched()) {
            threads::each(jobs.collect(), run)
        } else {
            jobs.for_each(run)
        }
        for (k, total) in totals.iter_mut().enumerate() {
            *total = tree(&|i| sums[i * self.totals + k], 0, pieces);
        }
    }

    fn piece<T: Float>(&self, piece: Piece<'_, T>, inputs: &[Array<T>], block: usize, step: &StepFn<'_, T>) {
        let Piece { start, len, outputs, totals } = piece;
        let blocks = len.div_ceil(block);
        let mut sums = Buffer::scratch(self.totals * blocks);
        let mut memory = Buffer::scratch((inputs.len() + outputs.len() + self.temporaries) * block);
        let mut rest: SmallVec<[&mut [T]; 4]> = SmallVec::new();
        for output in outputs {
            rest.push(output); // borrowed for no longer than `memory`
        }
        let mut registers = Registers::new(inputs, start, len, rest.len(), memory.chunks_exact_mut(block));
        for (number, at) in (0..len).step_by(block).enumerate() {
            let n = block.min(len - at);
            let last = registers.move_to(at, n, &mut rest);
            for (k, what) in self.steps.iter().enumerate() {
                match what {
                    Step::Sum { of, total: k } => {
                        sums[k * blocks + number] = total(&registers.read(*of)[..n])
                    }
                    Step::Map { reads, writes } => {
                        // One push at a time: to collect them would take longer than a short step does.
                        let mut taken: SmallVec<[&mut [T]; 3]> = SmallVec::new();
                        for write in writes {
                            taken.push(registers.take(write));
                        }
                        let mut x: SmallVec<[&[T]; 6]> = SmallVec::new();
                        for &from in reads {
                            x.push(registers.read(from));
                        }
                        let mut sinks: SmallVec<[Sink<'_, T>; 3]> = SmallVec::new();
                        for (write, to) in writes.iter().zip(&mut taken) {
                            sinks.push(match write {
                                Write::Over(_) => Sink::Write(&mut to[..registers.width]),
                                Write::Add(_) => Sink::Add(&mut to[..registers.width]),
                                Write::Drop => Sink::Drop,
                            });
                        }
                        step(k, &x, &mut sinks);
                        drop((x, sinks));
                        writes.iter().zip(taken).for_each(|(write, to)| registers.put(write, to));
                    }
                }
            }
            for (to, register) in last.into_iter().zip(&registers.outputs) {
                to.copy_from_slice(&register[..n]);
            }
        }
        for (k, total) in totals.iter_mut().enumerate() {
            *total = tree(&|i| sums[k * blocks + i], 0, blocks);
        }
    }
}

/// What one thread does: some elements of each output, and its part of each sum.
struct Piece<'a, T> {
    start: usize,
    len: usize,
    outputs: SmallVec<[&'a mut [T]; 4]>,
    totals: &'a mut [T],
}

/// Where the block of each array is.
struct Registers<'a, T> {
    sources: SmallVec<[Source<'a, T>; 8]>,
    /// For inputs that do not lie in order.
    staged: SmallVec<[&'a mut [T]; 8]>,
    /// The memory of the outputs themselves, but for the last elements, which have memory of their own.
    outputs: SmallVec<[&'a mut [T]; 4]>,
    spare: SmallVec<[&'a mut [T]; 4]>,
    temporaries: SmallVec<[&'a mut [T]; 16]>,
    at: usize,
    /// The elements of the block, and as many as kernels take: whole blocks of theirs, filled up with whatever is there.
    n: usize,
    width: usize,
}

impl<'a, T: Float> Registers<'a, T> {
    fn new(
        inputs: &'a [Array<T>],
        start: usize,
        len: usize,
        outputs: usize,
        mut memory: impl Iterator<Item = &'a mut [T]>,
    ) -> Self {
        let sources: SmallVec<[_; 8]> = inputs.iter().map(|x| Source::new(x, start, len)).collect();
        let mut staged: SmallVec<[_; 8]> = memory.by_ref().take(inputs.len()).collect();
        for (source, staged) in sources.iter().zip(&mut staged) {
            if let Source::Same(v) = source {
                staged.fill(*v);
            }
        }
        let spare: SmallVec<[_; 4]> = memory.by_ref().take(outputs).collect();
        let outputs = spare.iter().map(|_| Default::default()).collect();
        Registers { sources, staged, outputs, spare, temporaries: memory.collect(), at: 0, n: 0, width: 0 }
    }

    /// Goes on to the `n` elements from `at` on, and to those of the outputs. If they are no whole blocks (the last ones
    /// may not be), the outputs' registers are spare memory, and the places to copy them to are returned.
    fn move_to(&mut self, at: usize, n: usize, rest: &mut [&'a mut [T]]) -> SmallVec<[&'a mut [T]; 4]> {
        (self.at, self.n, self.width) = (at, n, n.next_multiple_of(BLOCK));
        let whole = self.n == self.width;
        for (source, staged) in self.sources.iter_mut().zip(&mut self.staged) {
            match source {
                Source::Slice(slice) if !whole => staged[..n].copy_from_slice(&slice[at..at + n]),
                Source::Gather(walker) => walker.fill(&mut staged[..n]),
                _ => {}
            }
        }
        let mut last = SmallVec::new();
        for ((output, spare), rest) in self.outputs.iter_mut().zip(&mut self.spare).zip(rest) {
            *output = split_off(rest, n);
            if !whole {
                last.push(std::mem::replace(output, std::mem::take(spare)));
            }
        }
        last
    }

    fn read(&self, from: Register) -> &[T] {
        match from {
            Register::Input(i) => match &self.sources[i] {
                Source::Slice(slice) if self.n == self.width => &slice[self.at..][..self.n],
                _ => &self.staged[i][..self.width],
            },
            Register::Output(i) => &self.outputs[i][..self.width],
            Register::Temporary(i) => &self.temporaries[i][..self.width],
        }
    }

    /// The place of a result, taken out while other registers are read.
    fn take(&mut self, write: &Write) -> &'a mut [T] {
        self.place(write).map(std::mem::take).unwrap_or_default()
    }

    fn put(&mut self, write: &Write, back: &'a mut [T]) {
        if let Some(place) = self.place(write) {
            *place = back;
        }
    }

    fn place(&mut self, write: &Write) -> Option<&mut &'a mut [T]> {
        match *write {
            Write::Over(to) | Write::Add(to) => match to {
                Register::Input(_) => panic!("a chain writes no input"),
                Register::Output(i) => Some(&mut self.outputs[i]),
                Register::Temporary(i) => Some(&mut self.temporaries[i]),
            },
            Write::Drop => None,
        }
    }
}

/// The first `n` elements of a slice, which keeps the others.
fn split_off<'a, T>(rest: &mut &'a mut [T], n: usize) -> &'a mut [T] {
    let (head, tail) = std::mem::take(rest).split_at_mut(n);
    *rest = tail;
    head
}

/// `Σ of(i)` over `start..end`, pairwise.
fn tree<T: Float>(of: &dyn Fn(usize) -> T, start: usize, end: usize) -> T {
    match end - start {
        0 => T::ZERO,
        1 => of(start),
        n => tree(of, start, start + n / 2) + tree(of, start + n / 2, end),
    }
}
