//! Chains of elementwise functions: many in one pass over memory.
//!
//! Blocks are small enough for the processor's own caches, so what one function leaves there the next one finds,
//! and what no other part of the program needs never reaches memory. Sums over everything are taken on the way.

use crate::map::{BLOCK, Blocks, Given, Source};
use crate::poll::watched;
use crate::reduce::total;
use crate::simd::dispatch;
use crate::vector::prefetch;
use crate::{Array, Buffer, Float, Function, Sink, count, threads};
use smallvec::SmallVec;
use std::marker::PhantomData;
use std::ops::Range;
use std::slice::{from_raw_parts, from_raw_parts_mut};

/// The bytes that all registers of a chain have together, unless there are very many of them: some of the second-level
/// cache. Blocks that fit the first level, or twice as long ones, took a tenth longer: there is bookkeeping for each step, and
/// the next block is asked for one block ahead.
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
    /// A function of blocks. It writes to other registers than it reads, to each once.
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
///
/// ```
/// use femtograd_kernels::{Array, Chain, Function, Register, Step, Write, map_blocks};
/// use smallvec::smallvec;
///
/// #[derive(Clone, Copy)]
/// struct Product;
/// impl Function<f64, 2, 0, 1> for Product {
///     #[inline(always)]
///     fn at(&self, [a, b]: [f64; 2], _: [f64; 0]) -> [f64; 1] {
///         [a * b]
///     }
/// }
///
/// // y = a·b and Σ y, in one pass.
/// let [a, b, y] = [Register::Input(0), Register::Input(1), Register::Output(0)];
/// let chain = Chain::new(vec![
///     Step::Map { reads: smallvec![a, b], writes: smallvec![Write::Over(y)] },
///     Step::Sum { of: y, total: 0 },
/// ]);
/// let (mut y, mut total) = ([0.0; 3], [0.0]);
/// chain.run(3, &[Array::from([1.0, 2.0, 3.0]), Array::scalar(2.0)], smallvec![&mut y[..]], &mut total, &|_, x, y| {
///     map_blocks(Product, *x.first_chunk().expect("two arguments"), [], y)
/// });
/// assert_eq!((y, total), ([2.0, 4.0, 6.0], [12.0]));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Chain {
    steps: Vec<Step>,
    /// How many of each the steps name.
    inputs: usize,
    outputs: usize,
    temporaries: usize,
    totals: usize,
    /// The most that a step reads and writes.
    reads: usize,
    writes: usize,
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
    /// A chain of steps, in order. Registers are written before they are read.
    ///
    /// # Panics
    /// If a step writes an input, anything twice, or what it reads.
    pub fn new(steps: Vec<Step>) -> Chain {
        let mut chain = Chain::default();
        for step in &steps {
            match step {
                Step::Sum { of, total } => {
                    chain.count(of);
                    chain.totals = chain.totals.max(total + 1);
                }
                Step::Map { reads, writes } => {
                    reads.iter().for_each(|from| chain.count(from));
                    let places: SmallVec<[Register; 3]> = writes.iter().filter_map(Write::to).collect();
                    for (i, to) in places.iter().enumerate() {
                        chain.count(to);
                        assert!(!matches!(to, Register::Input(_)), "a chain writes no input");
                        let apart = !reads.contains(to) && !places[..i].contains(to);
                        assert!(apart, "a register of its own for each result");
                    }
                    chain.reads = chain.reads.max(reads.len());
                    chain.writes = chain.writes.max(writes.len());
                }
            }
        }
        Chain { steps, ..chain }
    }

    /// Counts a register that a step names.
    fn count(&mut self, register: &Register) {
        let (count, i) = match register {
            Register::Input(i) => (&mut self.inputs, i),
            Register::Output(i) => (&mut self.outputs, i),
            Register::Temporary(i) => (&mut self.temporaries, i),
        };
        *count = (*count).max(i.saturating_add(1));
    }

    /// Takes the steps on arrays of `len` elements, of which inputs that are single numbers have `len` copies.
    ///
    /// Sums are pairwise, over a tree that the length and the number of registers fix: the same bits on any number of
    /// threads.
    ///
    /// # Panics
    /// If there are not the arrays and sums that the steps name, or an array has another number of elements.
    pub fn run<T: Float>(
        &self,
        len: usize,
        inputs: &[Array<T>],
        outputs: SmallVec<[&mut [T]; 4]>,
        totals: &mut [T],
        step: &StepFn<'_, T>,
    ) {
        let all = inputs.len() >= self.inputs && outputs.len() >= self.outputs && totals.len() == self.totals;
        assert!(all, "the arrays and sums that the steps name");
        let fits = |x: &Array<T>| x.len() == len || x.shape().is_empty();
        assert!(
            inputs.iter().all(fits) && outputs.iter().all(|y| y.len() == len),
            "arrays of {len} elements"
        );
        let registers = (inputs.len() + outputs.len()).saturating_add(self.temporaries);
        let block = CACHE / registers.max(1) / size_of::<T>() / BLOCK * BLOCK;
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
        let run = |piece: Piece<'_, T>| self.piece(piece, inputs, [registers, block], step);
        if pieces > 1 && (threads() > 1 || watched()) {
            threads::each(jobs.collect(), run)
        } else {
            jobs.for_each(run)
        }
        for (k, total) in totals.iter_mut().enumerate() {
            *total = tree(&|i| sums[i * self.totals + k], 0, pieces);
        }
    }

    fn piece<T: Float>(
        &self,
        piece: Piece<'_, T>,
        inputs: &[Array<T>],
        [registers, block]: [usize; 2],
        step: &StepFn<'_, T>,
    ) {
        let Piece { start, len, mut outputs, totals } = piece;
        let blocks = len.div_ceil(block);
        let mut sums = Buffer::scratch(self.totals * blocks);
        let mut memory = Buffer::scratch(count(&[registers, block]));
        let mut registers = Registers::new(inputs, start, len, &mut outputs, &mut memory, block);
        // What a step is given, over what the one before was given: to make lists anew would take longer than a short step does.
        let mut x: SmallVec<[&[T]; 6]> = SmallVec::from_elem(Default::default(), self.reads);
        let mut sinks: SmallVec<[Sink<'_, T>; 3]> = (0..self.writes).map(|_| Sink::Drop).collect();
        for (number, at) in (0..len).step_by(block).enumerate() {
            let n = block.min(len - at);
            let next = block.min(len - at - n);
            registers.move_to(at, n);
            for (k, what) in self.steps.iter().enumerate() {
                // Between steps, so that these need not wait for memory.
                registers.ask(next * k / self.steps.len()..next * (k + 1) / self.steps.len());
                match what {
                    Step::Sum { of, total: k } => {
                        // SAFETY: nobody writes meanwhile.
                        let of = unsafe { registers.read(*of) };
                        sums[k * blocks + number] = total(&of[..n])
                    }
                    Step::Map { reads, writes } => {
                        let (x, sinks) = (&mut x[..reads.len()], &mut sinks[..writes.len()]);
                        for (x, &from) in x.iter_mut().zip(reads) {
                            // SAFETY: the step writes nothing that it reads: see `new`. Later ones do not look at this.
                            *x = unsafe { registers.read(from) };
                        }
                        for (sink, write) in sinks.iter_mut().zip(writes) {
                            // SAFETY: the step writes nothing twice, and no input: see `new`. As above.
                            *sink = unsafe {
                                match *write {
                                    Write::Over(to) => Sink::Write(registers.write(to)),
                                    Write::Add(to) => Sink::Add(registers.write(to)),
                                    Write::Drop => Sink::Drop,
                                }
                            };
                        }
                        step(k, x, sinks);
                    }
                }
            }
            registers.leave();
        }
        for (k, total) in totals.iter_mut().enumerate() {
            *total = tree(&|i| sums[k * blocks + i], 0, blocks);
        }
    }
}

impl Write {
    fn to(&self) -> Option<Register> {
        match *self {
            Write::Over(to) | Write::Add(to) => Some(to),
            Write::Drop => None,
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

/// Where the blocks of a register lie: one after the other from an address on, or each in the same place.
#[derive(Clone, Copy)]
struct Lies<T> {
    from: *mut T,
    step: usize,
}

/// Where the block of each register is.
struct Registers<'a, T> {
    /// A block for each register: for temporaries, for inputs that do not lie in order, and for the last elements of all arrays.
    memory: *mut T,
    block: usize,
    /// The inputs, the outputs, the temporaries.
    lies: SmallVec<[Lies<T>; 24]>,
    sources: SmallVec<[Source<'a, T>; 8]>,
    outputs: SmallVec<[*mut T; 4]>,
    at: usize,
    /// The elements of the block, and as many as kernels take: whole blocks of theirs, filled up with whatever is there.
    n: usize,
    width: usize,
    /// The memory and the outputs, which nobody else has meanwhile.
    of: PhantomData<&'a mut [T]>,
}

impl<'a, T: Float> Registers<'a, T> {
    fn new(
        inputs: &'a [Array<T>],
        start: usize,
        len: usize,
        outputs: &'a mut [&mut [T]],
        memory: &'a mut [T],
        block: usize,
    ) -> Self {
        let all = memory.len() / block;
        let sources: SmallVec<[_; 8]> = inputs.iter().map(|x| Source::new(x, start, len)).collect();
        let (memory, outputs) =
            (memory.as_mut_ptr(), outputs.iter_mut().map(|out| out.as_mut_ptr()).collect());
        let (lies, of) = (SmallVec::new(), PhantomData);
        let mut registers = Registers { memory, block, lies, sources, outputs, at: 0, n: 0, width: 0, of };
        registers.lies = (0..all).map(|k| registers.own(k)).collect();
        for k in 0..inputs.len() {
            match registers.sources[k] {
                Source::Slice(slice) => registers.lies[k] = Lies { from: slice.as_ptr().cast_mut(), step: 1 },
                // SAFETY: a block in the memory, which nobody else has.
                Source::Same(v) => unsafe { from_raw_parts_mut(registers.own(k).from, block) }.fill(v),
                _ => {}
            }
        }
        for (lies, &from) in registers.lies[inputs.len()..].iter_mut().zip(&registers.outputs) {
            *lies = Lies { from, step: 1 };
        }
        registers
    }

    /// The place of a register in memory of its own.
    fn own(&self, k: usize) -> Lies<T> {
        Lies { from: self.memory.wrapping_add(k * self.block), step: 0 }
    }

    /// Asks for some elements of each array's next block.
    fn ask(&self, next: Range<usize>) {
        if next.is_empty() {
            return;
        }
        let arrays = &self.lies[..self.sources.len() + self.outputs.len()];
        for lies in arrays.iter().filter(|lies| lies.step == 1) {
            let from = lies.from.wrapping_add(self.at + self.n + next.start);
            // SAFETY: they lie in the array, and nobody writes to them now.
            prefetch(unsafe { from_raw_parts(from, next.len()) });
        }
    }

    /// Goes on to the `n` elements from `at` on. If they are no whole blocks (the last ones may not be), what lies in arrays
    /// lies in memory of its own.
    fn move_to(&mut self, at: usize, n: usize) {
        (self.at, self.n, self.width) = (at, n, n.next_multiple_of(BLOCK));
        let whole = self.n == self.width;
        for k in 0..self.sources.len() {
            let own = self.own(k);
            // SAFETY: at most a block in the memory, which nobody else has now.
            let spare = unsafe { from_raw_parts_mut(own.from, n) };
            match &mut self.sources[k] {
                Source::Slice(slice) if !whole => {
                    spare.copy_from_slice(&slice[at..at + n]);
                    self.lies[k] = own;
                }
                Source::Gather(walker) => walker.fill(spare),
                _ => {}
            }
        }
        if !whole {
            let inputs = self.sources.len();
            (inputs..inputs + self.outputs.len()).for_each(|k| self.lies[k] = self.own(k));
        }
    }

    /// Takes results that do not lie there yet to the outputs.
    fn leave(&mut self) {
        if self.n < self.width {
            let (at, n, inputs) = (self.at, self.n, self.sources.len());
            for (i, &to) in self.outputs.iter().enumerate() {
                let from = self.own(inputs + i).from;
                // SAFETY: an output has so many elements, which nobody else has, and so has a block.
                unsafe {
                    from_raw_parts_mut(to.wrapping_add(at), n).copy_from_slice(from_raw_parts(from, n))
                };
            }
        }
    }

    fn address(&self, register: Register) -> *mut T {
        let inputs = self.sources.len();
        let Lies { from, step } = self.lies[match register {
            Register::Input(i) => i,
            Register::Output(i) => inputs + i,
            Register::Temporary(i) => inputs + self.outputs.len() + i,
        }];
        from.wrapping_add(step * self.at)
    }

    /// # Safety
    /// While nobody writes there.
    unsafe fn read<'b>(&self, from: Register) -> &'b [T] {
        // SAFETY: a whole block lies there, as `move_to` has seen to; and as the caller says.
        unsafe { from_raw_parts(self.address(from), self.width) }
    }

    /// # Safety
    /// For no input, while nobody else reads or writes there.
    unsafe fn write<'b>(&self, to: Register) -> &'b mut [T] {
        // SAFETY: as of `read`.
        unsafe { from_raw_parts_mut(self.address(to), self.width) }
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
