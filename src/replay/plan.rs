//! From a graph to a program: which values there are, what can run together, and where everything lies.

use super::program::{Item, Memory, NumberStep, Pass, Program, Slot, Sum, Use};
use super::trace::{From, Graph, small};
use crate::kernels::{Buffer, Chain, Register, Shape, Step, Write, count};
use crate::num::{Float, Form};
use crate::op::Shortcut;
use crate::ops::elementwise as rules;
use crate::rule::Blockwise;
use crate::{Array, Elementwise};
use smallvec::{SmallVec, smallvec};
use std::cell::Cell;
use std::num::NonZeroU32;
use std::ops::{Index, IndexMut, Range};

/// The number of a value: what is computed once and never changes during a run. Several nodes may have the same one under
/// different shapes; one of a single number may stand for an array that holds nothing else. Or that of an instruction.
///
/// Numbers and what is numbered are small, since much of preparing is the system's giving memory that was never touched.
#[derive(Clone, Copy, PartialEq, Eq)]
struct Id(NonZeroU32);

impl Id {
    /// The number of what lies at this place of its list.
    fn of(place: usize) -> Id {
        Id(NonZeroU32::new(small(place) + 1).expect("small"))
    }

    fn place(self) -> usize {
        self.0.get() as usize - 1
    }
}

/// The values that there are.
struct Values(Vec<Value>);

impl Values {
    fn push(&mut self, value: Value) -> Id {
        self.0.push(value);
        Id::of(self.0.len() - 1)
    }
}

impl Index<Id> for Values {
    type Output = Value;
    fn index(&self, id: Id) -> &Value {
        &self.0[id.place()]
    }
}

impl IndexMut<Id> for Values {
    fn index_mut(&mut self, id: Id) -> &mut Value {
        &mut self.0[id.place()]
    }
}

struct Value {
    /// How many numbers it has.
    count: usize,
    slot: Option<Slot>,
    /// The instruction that computes it; none for what is given.
    maker: Option<Id>,
    /// The place in the order of the last instruction that takes it.
    last: u32,
}

/// No instruction is the last one that takes what the program results in.
const NEVER: u32 = u32::MAX;

/// What has reached an argument that wants a gradient: the sum so far and the new one.
type Part = (Option<Id>, Id);

/// One computation. Nodes and arguments are numbered.
#[derive(Clone, Copy)]
enum What {
    /// Of a node from its arguments.
    Value { node: u32, y: Id },
    /// Back through a node. The bits say which arguments that takes, and the next one whether it takes the node's value. From a
    /// place in the list of parts on there is one for each argument, if it wants a gradient.
    Pull { node: u32, needs: u32, g: Id, parts: u32 },
    /// Back to one argument of a node, of which another one is the slope.
    Product { node: u32, slope: u32, g: Id, sum: Option<Id>, new: Id },
    /// Of two cotangents.
    Add { a: Id, b: Id, y: Id },
    /// From the shape of one node down to that of another.
    SumTo { x: Id, from: u32, to: u32, y: Id },
}

/// What a [`Shortcut`] says of a node, in a byte.
#[derive(Clone, Copy)]
enum Kind {
    Call,
    Elementwise,
    Same,
    Broadcast,
    Sum,
}

impl<T> std::convert::From<Shortcut<T>> for Kind {
    fn from(shortcut: Shortcut<T>) -> Kind {
        match shortcut {
            Shortcut::None => Kind::Call,
            Shortcut::Elementwise(_) => Kind::Elementwise,
            Shortcut::Same => Kind::Same,
            Shortcut::Broadcast => Kind::Broadcast,
            Shortcut::Sum => Kind::Sum,
        }
    }
}

/// What can run together.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Class {
    /// An op that is called.
    Call,
    /// Of single numbers.
    Number,
    /// Element by element of so many, or the sum of them.
    Pass(usize),
}

struct Instruction {
    what: What,
    /// Passes of a stage run after everything else in it, so that what they compute is there for the next stage.
    stage: u32,
    /// Its [`Class`] in one word: how many elements the pass has, 1 for single numbers, or [`CALL`](Self::CALL).
    class: usize,
}

impl Instruction {
    const CALL: usize = usize::MAX;

    fn new(what: What, class: Class, stage: u32) -> Instruction {
        let class = match class {
            Class::Call => Self::CALL,
            Class::Number => 1,
            Class::Pass(n) => n,
        };
        Instruction { what, stage, class }
    }

    fn class(&self) -> Class {
        match self.class {
            Self::CALL => Class::Call,
            n => elementwise(n),
        }
    }
}

thread_local! {
    /// Room that was used before for these two, the longest lists by far: where functions are recorded again, for other shapes,
    /// the system need not give memory that was never touched each time.
    static ROOM: Cell<(Vec<Value>, Vec<Instruction>)> = const { Cell::new((Vec::new(), Vec::new())) };
}

/// Room for so many of each is kept at most: two megabytes.
const KEEP: usize = 1 << 15;

/// Where values and instructions are collected.
struct Plan<'a, T: Float> {
    graph: &'a Graph<T>,
    kinds: Vec<Kind>,
    values: Values,
    instructions: Vec<Instruction>,
    /// The value of each node.
    of: Vec<Id>,
    /// The sum of what has reached each node on the way back.
    sums: Vec<Option<Id>>,
    /// What reaches the arguments of each [`What::Pull`], one after the other.
    parts: Vec<Option<Part>>,
    memory: Memory<T>,
}

/// The program for the value of the last node and, if asked for, its derivative by each of so many inputs.
pub(super) fn plan<T: Float>(graph: Graph<T>, by: Option<usize>, inputs: &[Shape]) -> Program<T> {
    let kind = |node: &super::trace::Node<T>| match node.from {
        From::Op { op, .. } => graph.ops[op as usize].op().shortcut().into(),
        _ => Kind::Call,
    };
    let size = 3 * graph.nodes.len(); // forwards, backwards, and a sum
    let mut room = ROOM.take();
    room.0.reserve_exact(size);
    room.1.reserve_exact(size);
    let mut plan = Plan {
        kinds: graph.nodes.iter().map(kind).collect(),
        graph: &graph,
        values: Values(room.0),
        instructions: room.1,
        of: vec![],
        sums: graph.nodes.iter().map(|_| None).collect(),
        parts: vec![],
        memory: Memory { numbers: Vec::with_capacity(size), arrays: vec![] },
    };
    let mut places = vec![None; inputs.len()];
    for (i, node) in graph.nodes.iter().enumerate() {
        let value = plan.forward(i);
        plan.of.push(value);
        if let From::Input(k) = node.from {
            places[k] = Some(i);
        }
    }
    let last = graph.nodes.len() - 1;
    let mut results = vec![(plan.of[last], graph.nodes[last].shape[..].into())];
    if let Some(by) = by {
        plan.backward(last);
        let zero = plan.number(T::ZERO);
        for (place, shape) in places[..by].iter().zip(inputs) {
            let gradient = place.and_then(|i: usize| plan.sums[i]).unwrap_or(zero);
            results.push((gradient, shape.clone()));
        }
    }
    let inputs: Vec<Option<Slot>> =
        places.iter().map(|place| place.map(|i: usize| plan.slot(plan.of[i]))).collect();
    let used: Vec<Slot> = inputs.iter().copied().flatten().collect();
    let (items, results, foreign) = plan.layout(results, &used);
    let memory = plan.memory;
    plan.values.0.clear();
    plan.instructions.clear();
    if plan.values.0.capacity().max(plan.instructions.capacity()) <= KEEP {
        ROOM.set((plan.values.0, plan.instructions));
    }
    Program { items, inputs, results, foreign, memory, ops: graph.ops, indices: graph.indices }
}

impl<T: Float> Plan<'_, T> {
    fn value(&mut self, count: usize, maker: Option<Id>) -> Id {
        let id = self.values.push(Value { count, maker, slot: None, last: 0 });
        if count == 1 {
            self.memory.numbers.push(T::ZERO);
            self.values[id].slot = Some(Slot::Number(self.memory.numbers.len() as u32 - 1));
        }
        id
    }

    /// The next instruction.
    fn upcoming(&self) -> Id {
        Id::of(self.instructions.len())
    }

    /// A value that the next instruction computes.
    fn computed(&mut self, count: usize) -> Id {
        self.value(count, Some(self.upcoming()))
    }

    fn number(&mut self, v: T) -> Id {
        let id = self.value(1, None);
        *self.memory.numbers.last_mut().expect("just pushed") = v;
        id
    }

    /// The place of an array.
    fn array(&mut self, array: Array<T>) -> Slot {
        self.memory.arrays.push(array);
        Slot::Array(self.memory.arrays.len() as u32 - 1)
    }

    fn slot(&self, id: Id) -> Slot {
        self.values[id].slot.expect("a value that is kept")
    }

    fn size(&self, node: usize) -> usize {
        count(&self.graph.nodes[node].shape)
    }

    fn shape(&self, node: u32) -> Shape {
        self.graph.nodes[node as usize].shape[..].into()
    }

    fn parents(&self, node: u32) -> &[u32] {
        match self.graph.nodes[node as usize].from {
            From::Op { first, arguments, .. } => &self.graph.edges[first as usize..][..arguments as usize],
            _ => &[],
        }
    }

    /// The value of a node.
    fn forward(&mut self, i: usize) -> Id {
        let n = self.size(i);
        match &self.graph.nodes[i].from {
            From::Input(_) => {
                let id = self.value(n, None);
                if n != 1 {
                    self.values[id].slot = Some(self.array(Array::scalar(T::ZERO)));
                }
                id
            }
            From::Constant(array) => {
                if n == 1 {
                    return self.number(array.item());
                }
                let id = self.value(n, None);
                self.values[id].slot = Some(self.array(array.clone()));
                id
            }
            From::Op { .. } => {
                let x = self.parents(small(i)).first().map_or(0, |&x| x as usize);
                let class = match self.kinds[i] {
                    Kind::Same => return self.of[x],
                    Kind::Broadcast if self.size(x) == 1 || self.size(x) == n => return self.of[x],
                    Kind::Sum if self.size(x) == n => return self.of[x],
                    Kind::Sum => return self.sum_to(self.of[x], x, i),
                    Kind::Elementwise => elementwise(n),
                    Kind::Broadcast | Kind::Call => Class::Call,
                };
                let y = self.computed(n);
                self.push(What::Value { node: small(i), y }, class);
                y
            }
        }
    }

    /// The way back from a node, of which one number is the result.
    fn backward(&mut self, last: usize) {
        let mut active: Vec<bool> = vec![];
        for (i, node) in (0..).zip(&self.graph.nodes) {
            active.push(
                node.wanted
                    && match node.from {
                        From::Input(_) => true,
                        From::Constant(_) => false,
                        From::Op { .. } => self.parents(i).iter().any(|&x| active[x as usize]),
                    },
            );
        }
        if active[last] {
            self.sums[last] = Some(self.number(T::ONE));
        }
        for i in (0..=last).rev() {
            if let Some(g) = self.sums[i]
                && self.parents(small(i)).iter().any(|&x| active[x as usize])
            {
                self.back(i, g, &active);
            }
        }
    }

    /// Back through one node.
    fn back(&mut self, i: usize, g: Id, active: &[bool]) {
        let parents: SmallVec<[usize; 3]> = self.parents(small(i)).iter().map(|&x| x as usize).collect();
        let (n, x) = (self.size(i), parents[0]);
        match self.kinds[i] {
            Kind::Same => return self.contribute(x, g),
            Kind::Sum if self.values[g].count == 1 || self.size(x) == n => return self.contribute(x, g),
            Kind::Broadcast => {
                let sum = if self.size(x) == n { g } else { self.sum_to(g, i, x) };
                return self.contribute(x, sum);
            }
            _ => {}
        }
        // An elementwise op leaves the sum over what was broadcast to others; any other op does it itself.
        let op = matches!(self.kinds[i], Kind::Elementwise).then(|| self.elementwise(small(i)));
        let wide = op.is_some();
        let (mut parts, mut needs) = (SmallVec::<[Option<Part>; 3]>::new(), 0);
        let mut later = vec![];
        for (k, &x) in parents.iter().enumerate() {
            if !active[x] {
                parts.push(None);
                continue;
            }
            let whole = !wide || self.size(x) == n;
            match op.as_ref().map_or(Form::Formula(u32::MAX), |op| op.slope(k)) {
                Form::Lit(1.0) => {
                    parts.push(None);
                    later.push((x, g, whole));
                    continue;
                }
                Form::Argument(slope) if n != 1 && slope < parents.len() => {
                    parts.push(None);
                    let sum = if whole { self.sums[x] } else { None };
                    let new = self.computed(n);
                    let (node, slope) = (small(i), small(slope));
                    self.push(What::Product { node, slope, g, sum, new }, elementwise(n));
                    match whole {
                        true => self.sums[x] = Some(new),
                        false => later.push((x, new, whole)),
                    }
                    continue;
                }
                form => needs |= form.needs(),
            }
            let again = parents[..k].contains(&x);
            let sum = if whole && !again { self.sums[x] } else { None };
            let new = self.value(if wide { n } else { self.size(x) }, None);
            parts.push(Some((sum, new)));
            if whole && !again {
                self.sums[x] = Some(new);
            } else {
                later.push((x, new, whole));
            }
        }
        let class = if wide { elementwise(n) } else { Class::Call };
        if parts.iter().any(Option::is_some) {
            for (_, new) in parts.iter().flatten() {
                self.values[*new].maker = Some(self.upcoming());
            }
            let what = What::Pull { node: small(i), needs, g, parts: small(self.parts.len()) };
            self.parts.extend(parts);
            self.push(what, class);
        }
        for (x, new, whole) in later {
            let part = if whole { new } else { self.sum_to(new, i, x) };
            self.contribute(x, part);
        }
    }

    /// Adds to the cotangent of a node.
    fn contribute(&mut self, x: usize, g: Id) {
        let sum = match self.sums[x] {
            Some(a) => {
                let n = self.values[a].count.max(self.values[g].count);
                let n = if self.values[a].count == 0 || self.values[g].count == 0 { 0 } else { n };
                let y = self.computed(n);
                self.push(What::Add { a, b: g, y }, elementwise(n));
                y
            }
            None => g,
        };
        self.sums[x] = Some(sum);
    }

    /// A value of the shape of one node, summed down to that of another.
    fn sum_to(&mut self, x: Id, from: usize, to: usize) -> Id {
        let (n, m) = (self.size(from), self.size(to));
        let class = if m == 1 { Class::Pass(n) } else { Class::Call };
        let y = self.computed(m);
        self.push(What::SumTo { x, from: small(from), to: small(to), y }, class);
        y
    }

    fn push(&mut self, what: What, class: Class) {
        let mut stage = 0;
        self.arguments(what, |x| {
            if let Some(maker) = self.values[x].maker {
                let maker = &self.instructions[maker.place()];
                let at_hand = match maker.class() {
                    Class::Pass(n) => class == maker.class() && self.values[x].count == n,
                    _ => true,
                };
                stage = stage.max(maker.stage + !at_hand as u32);
            }
        });
        self.instructions.push(Instruction::new(what, class, stage));
    }

    /// What an instruction takes.
    fn arguments(&self, what: What, mut f: impl FnMut(Id)) {
        match what {
            What::Value { node, .. } => self.parents(node).iter().for_each(|&x| f(self.of[x as usize])),
            What::Pull { node, needs, g, parts } => {
                let values = self.parents(node).iter().copied().chain([node]);
                values
                    .enumerate()
                    .filter(|(k, _)| takes(needs, *k))
                    .for_each(|(_, x)| f(self.of[x as usize]));
                f(g);
                self.parts(node, parts).iter().flatten().filter_map(|(sum, _)| *sum).for_each(f);
            }
            What::Product { node, slope, g, sum, .. } => {
                f(self.of[self.parents(node)[slope as usize] as usize]);
                f(g);
                sum.into_iter().for_each(f);
            }
            What::Add { a, b, .. } => [a, b].into_iter().for_each(f),
            What::SumTo { x, .. } => f(x),
        }
    }

    /// The parts of a node's arguments, from a place in the list on.
    fn parts(&self, node: u32, from: u32) -> &[Option<Part>] {
        &self.parts[from as usize..][..self.parents(node).len()]
    }

    /// A node's value as an op takes it.
    fn used(&self, id: Id, node: u32) -> Use {
        Use { slot: self.slot(id), shape: self.shape(node) }
    }

    fn elementwise(&self, node: u32) -> Box<dyn Blockwise<T>> {
        match self.graph.nodes[node as usize].from {
            From::Op { op, .. } => match self.graph.ops[op as usize].op().shortcut() {
                Shortcut::Elementwise(op) => op,
                _ => unreachable!("classified as elementwise"),
            },
            _ => unreachable!("classified as an op"),
        }
    }
}

/// Whether bit `k` is set. What there are not bits enough for is taken.
fn takes(needs: u32, k: usize) -> bool {
    needs.checked_shr(k as u32).is_none_or(|bits| bits & 1 == 1)
}

fn elementwise(n: usize) -> Class {
    if n == 1 { Class::Number } else { Class::Pass(n) }
}

fn add<T: Float>() -> Box<dyn Blockwise<T>> {
    Box::new(Elementwise::<rules::Add, 2>(rules::Add))
}

/// No place in a list of numbers.
const NOWHERE: u32 = u32::MAX;

/// Arrays that passes write and that are free, by their length.
type Vacant = Vec<(usize, Slot)>;

/// Parts of sums in registers of their own: the part, the sum so far, the new sum.
type Later = SmallVec<[(Register, Id, Id); 3]>;

/// The items, each with the arrays that are let go after it; the results; the arrays let go at the end.
type Layout<T> = (Vec<(Item<T>, Vec<u32>)>, Vec<Use>, Vec<u32>);

impl<T: Float> Plan<'_, T> {
    /// Puts the instructions in order, joins what can run together, and gives each value a place.
    fn layout(&mut self, results: Vec<(Id, Shape)>, inputs: &[Slot]) -> Layout<T> {
        let mut order: Vec<u32> = (0..small(self.instructions.len())).collect();
        order.sort_by_key(|&i| {
            let instruction = &self.instructions[i as usize];
            (instruction.stage, if let Class::Pass(n) = instruction.class() { Some(n) } else { None })
        });
        let mut last = vec![0; self.values.0.len()];
        for (place, &i) in (0..).zip(&order) {
            self.arguments(self.instructions[i as usize].what, |x| last[x.place()] = place);
        }
        for (value, last) in self.values.0.iter_mut().zip(last) {
            value.last = last;
        }
        for (id, _) in &results {
            self.values[*id].last = NEVER;
        }
        let mut foreign: Vec<u32> = inputs.iter().filter_map(array_of).collect();
        let (mut items, mut vacant) = (vec![], Vacant::new());
        let mut start = 0;
        while start < order.len() {
            let first = &self.instructions[order[start] as usize];
            let class = first.class();
            let joins = |&&i: &&u32| {
                let other = &self.instructions[i as usize];
                other.class() == class && (class == Class::Number || other.stage == first.stage)
            };
            let end = match class {
                Class::Call => start + 1,
                _ => start + order[start..].iter().take_while(joins).count(),
            };
            let here = start..end;
            let item = match class {
                Class::Call => self.call(order[start] as usize),
                Class::Number => self.numbers(&order[here.clone()]),
                Class::Pass(n) => Item::Pass(self.pass(n, &order, here.clone(), &mut vacant)),
            };
            let mut done = vec![];
            if class != Class::Number {
                self.let_go(&order, here, &mut vacant, &mut done);
            }
            items.push((item, done));
            start = end;
        }
        let mut uses = vec![];
        for (id, shape) in results {
            let slot = self.slot(id);
            if self.values[id].maker.is_some() {
                foreign.extend(array_of(&slot));
            }
            uses.push(Use { slot, shape });
        }
        (items, uses, foreign)
    }

    /// The arrays that nothing takes after the instructions at these places: a pass may write over those of passes, and the
    /// others are let go.
    fn let_go(&self, order: &[u32], here: Range<usize>, vacant: &mut Vacant, done: &mut Vec<u32>) {
        for place in here {
            let mut ending: SmallVec<[Id; 8]> = SmallVec::new();
            self.arguments(self.instructions[order[place] as usize].what, |x| {
                if self.values[x].last == small(place) && !ending.contains(&x) {
                    ending.push(x);
                }
            });
            for x in ending {
                let Value { maker: Some(maker), slot: Some(slot), count, .. } = self.values[x] else {
                    continue;
                };
                match (self.instructions[maker.place()].class(), array_of(&slot)) {
                    (Class::Pass(_), Some(_)) => vacant.push((count, slot)),
                    (_, Some(k)) => done.push(k),
                    _ => {}
                }
            }
        }
    }

    /// A place for what an op that is called computes.
    fn place(&mut self, id: Id) -> Slot {
        if self.values[id].slot.is_none() {
            self.values[id].slot = Some(self.array(Array::scalar(T::ZERO)));
        }
        self.slot(id)
    }

    fn call(&mut self, i: usize) -> Item<T> {
        let node_of = |plan: &Self, node: u32| match plan.graph.nodes[node as usize].from {
            From::Op { op, .. } => (op as usize, plan.graph.nodes[node as usize].place),
            _ => unreachable!("classified as an op"),
        };
        match self.instructions[i].what {
            What::Value { node, y } => {
                let (op, place) = node_of(self, node);
                let x = self.parents(node).iter().map(|&x| self.used(self.of[x as usize], x)).collect();
                Item::Value { op, place, x, y: self.place(y) }
            }
            What::Pull { node, g, parts, .. } => {
                let (op, place) = node_of(self, node);
                let parents: SmallVec<[u32; 3]> = self.parents(node).into();
                let parts: SmallVec<[Option<Part>; 3]> = self.parts(node, parts).into();
                let x = parents.iter().map(|&x| self.used(self.of[x as usize], x)).collect();
                let (y, g) = (self.used(self.of[node as usize], node), self.used(g, node));
                let mut sums: Vec<Option<Sum>> = vec![];
                for (part, x) in parts.into_iter().zip(parents) {
                    sums.push(part.map(|(sum, new)| (sum.map(|sum| self.used(sum, x)), self.place(new))));
                }
                Item::Pull { op, place, x, y, g, sums }
            }
            What::SumTo { x, from, to, y } => {
                let (x, shape) = (self.used(x, from), self.shape(to));
                Item::SumTo { x, shape, y: self.place(y) }
            }
            What::Add { .. } | What::Product { .. } => unreachable!("elementwise"),
        }
    }

    /// These instructions on single numbers.
    fn numbers(&self, instructions: &[u32]) -> Item<T> {
        let n = instructions.len();
        let (mut steps, mut places) = (Vec::with_capacity(n), Vec::with_capacity(6 * n));
        for &i in instructions {
            let from = small(places.len());
            let (op, back) = self.number_step(self.instructions[i as usize].what, &mut places);
            steps.push(NumberStep { op, back, from });
        }
        Item::Numbers { steps, places }
    }

    /// The op of an instruction, and whether it goes back. Its places are added to the list.
    fn number_step(&self, what: What, places: &mut Vec<u32>) -> (Box<dyn Blockwise<T>>, bool) {
        let place = |id: Id| match self.slot(id) {
            Slot::Number(k) => k,
            Slot::Array(_) => unreachable!("a single number"),
        };
        match what {
            What::Value { node, y } => {
                self.arguments(what, |x| places.push(place(x)));
                places.push(place(y));
                (self.elementwise(node), false)
            }
            What::Pull { node, needs, g, parts } => {
                // What is not taken need not be there yet: the cotangent stands in its place.
                let values = self.parents(node).iter().copied().chain([node]);
                for (k, x) in values.enumerate() {
                    places.push(place(if takes(needs, k) { self.of[x as usize] } else { g }));
                }
                places.push(place(g));
                for part in self.parts(node, parts) {
                    let (sum, new) = part.map_or((None, None), |(sum, new)| (sum, Some(new)));
                    places.push(sum.map_or(NOWHERE, place));
                    places.push(new.map_or(NOWHERE, place));
                }
                (self.elementwise(node), true)
            }
            What::Add { a, b, y } => {
                places.extend([a, b, y].map(place));
                (add(), false)
            }
            What::SumTo { .. } | What::Product { .. } => unreachable!("a pass or a call"),
        }
    }

    /// The instructions at these places of the order in one pass over `n` elements.
    fn pass(&mut self, n: usize, order: &[u32], here: Range<usize>, vacant: &mut Vacant) -> Pass<T> {
        let mut registers = Registers {
            end: small(here.end),
            of: vec![],
            temporaries: 0,
            free: vec![],
            steps: vec![],
            pass: Pass {
                len: n,
                chain: Chain::default(), // of the steps, in the end
                functions: vec![],
                inputs: vec![],
                outputs: vec![],
                totals: vec![],
            },
        };
        for place in here {
            let (what, place) = (self.instructions[order[place] as usize].what, small(place));
            match what {
                What::Value { node, y } => {
                    let reads = self.reads(&mut registers, node, n);
                    let to = self.register(&mut registers, y, vacant);
                    registers.map(reads, smallvec![Write::Over(to)], self.elementwise(node), false);
                }
                What::Pull { node, needs, g, parts } => {
                    let cotangent = self.read(&mut registers, g, None);
                    let (arguments, mut reads) = (self.parents(node).len(), SmallVec::new());
                    for k in 0..=arguments {
                        reads.push(match takes(needs, k) {
                            true if k == arguments => self.read(&mut registers, self.of[node as usize], None),
                            true => self.argument(&mut registers, node, k, n),
                            false => cotangent, // as good as anything that is there
                        });
                    }
                    reads.push(cotangent);
                    let (mut writes, mut later) = (SmallVec::new(), Later::new());
                    for k in 0..arguments {
                        writes.push(match self.parts(node, parts)[k] {
                            Some((sum, new)) => {
                                self.write(&mut registers, sum, new, place, &reads, vacant, &mut later)
                            }
                            None => Write::Drop,
                        });
                    }
                    registers.map(reads, writes, self.elementwise(node), true);
                    self.add_up(&mut registers, later, vacant);
                }
                What::Product { node, slope, g, sum, new } => {
                    let slope = self.argument(&mut registers, node, slope as usize, n);
                    let reads: SmallVec<[Register; 4]> = smallvec![self.read(&mut registers, g, None), slope];
                    let mut later = Later::new();
                    let write = self.write(&mut registers, sum, new, place, &reads, vacant, &mut later);
                    let product = Box::new(Elementwise::<rules::Chain, 2>(rules::Chain));
                    registers.map(reads, smallvec![write], product, false);
                    self.add_up(&mut registers, later, vacant);
                }
                What::Add { a, b, y } => {
                    let reads = [a, b].map(|x| self.read(&mut registers, x, None)).into_iter().collect();
                    let to = self.register(&mut registers, y, vacant);
                    registers.map(reads, smallvec![Write::Over(to)], add(), false);
                }
                What::SumTo { x, y, .. } => {
                    let of = self.read(&mut registers, x, None);
                    let Slot::Number(k) = self.slot(y) else { unreachable!("the sum over everything") };
                    registers.sum(of, k);
                }
            }
            self.arguments(what, |x| {
                if self.values[x].last == place {
                    registers.end(x);
                }
            });
        }
        Pass { chain: Chain::new(registers.steps), ..registers.pass }
    }

    /// The registers of a node's arguments.
    fn reads(&self, registers: &mut Registers<T>, node: u32, n: usize) -> SmallVec<[Register; 4]> {
        (0..self.parents(node).len()).map(|k| self.argument(registers, node, k, n)).collect()
    }

    /// The register of one argument, repeated where it is broadcast.
    fn argument(&self, registers: &mut Registers<T>, node: u32, k: usize, n: usize) -> Register {
        let x = self.parents(node)[k];
        let id = self.of[x as usize];
        let partial = self.values[id].count != 1 && self.size(x as usize) != n;
        self.read(registers, id, partial.then(|| (self.shape(x), self.shape(node))))
    }

    /// The register of a value; if it is broadcast, from one shape to the other.
    fn read(&self, registers: &mut Registers<T>, id: Id, shapes: Option<(Shape, Shape)>) -> Register {
        if shapes.is_none()
            && let Some((_, register)) = registers.of.iter().rev().find(|(other, _)| *other == id)
        {
            return *register;
        }
        let (shape, wide) = shapes.map_or((Shape::new(), None), |(shape, wide)| (shape, Some(wide)));
        let input = (Use { slot: self.slot(id), shape }, wide);
        let inputs = &mut registers.pass.inputs;
        let same = |other: &(Use, Option<Shape>)| {
            other.0.slot == input.0.slot && other.0.shape == input.0.shape && other.1 == input.1
        };
        let i = inputs.iter().position(same).unwrap_or_else(|| {
            inputs.push(input.clone());
            inputs.len() - 1
        });
        Register::Input(i)
    }

    /// What to do with a part of a cotangent's sum: it is added to the register of the sum so far, if nobody else takes that
    /// and the new sum is not taken outside of this pass; otherwise the two are added up later.
    #[allow(clippy::too_many_arguments)]
    fn write(
        &mut self,
        registers: &mut Registers<T>,
        sum: Option<Id>,
        new: Id,
        place: u32,
        reads: &[Register],
        vacant: &mut Vacant,
        later: &mut Later,
    ) -> Write {
        let Some(sum) = sum else { return Write::Over(self.register(registers, new, vacant)) };
        let free = self.values[sum].last == place && self.values[new].last < registers.end;
        let at = registers.of.iter().position(|(id, _)| *id == sum);
        match at.map(|i| (i, registers.of[i].1)) {
            Some((i, to @ Register::Temporary(_))) if free && !reads.contains(&to) => {
                registers.of[i].0 = new;
                Write::Add(to)
            }
            _ => {
                let part = registers.temporary();
                later.push((part, sum, new));
                Write::Over(part)
            }
        }
    }

    /// Adds parts to the sums that they belong to.
    fn add_up(&mut self, registers: &mut Registers<T>, later: Later, vacant: &mut Vacant) {
        for (part, sum, new) in later {
            let reads = smallvec![part, self.read(registers, sum, None)];
            let to = self.register(registers, new, vacant);
            registers.map(reads, smallvec![Write::Over(to)], add(), false);
            registers.release(part);
        }
    }

    /// A register to compute a value in: in memory if it is taken outside of this pass.
    fn register(&mut self, registers: &mut Registers<T>, id: Id, vacant: &mut Vacant) -> Register {
        let Value { count, last, .. } = self.values[id];
        let register = if last < registers.end {
            registers.temporary()
        } else {
            let kept = vacant.iter().position(|(n, _)| *n == count && last != NEVER);
            let slot = match kept {
                Some(i) => vacant.swap_remove(i).1,
                None if last == NEVER => self.array(Array::scalar(T::ZERO)),
                None => self.array(Array::from_buffer(Buffer::scratch(count), &[count])),
            };
            self.values[id].slot = Some(slot);
            let made = (last == NEVER).then(|| smallvec![count]);
            registers.pass.outputs.push((array_of(&slot).expect("an array"), made));
            Register::Output(registers.pass.outputs.len() - 1)
        };
        registers.of.push((id, register));
        register
    }
}

/// The registers of a pass that is being put together.
struct Registers<T> {
    /// The first place in the order after this pass.
    end: u32,
    /// The values computed here.
    of: Vec<(Id, Register)>,
    /// How many temporary registers there are, and those that are not in use.
    temporaries: usize,
    free: Vec<Register>,
    steps: Vec<Step>,
    pass: Pass<T>,
}

impl<T: Float> Registers<T> {
    fn temporary(&mut self) -> Register {
        self.free.pop().unwrap_or_else(|| {
            self.temporaries += 1;
            Register::Temporary(self.temporaries - 1)
        })
    }

    fn release(&mut self, register: Register) {
        if let Register::Temporary(_) = register {
            self.free.push(register);
        }
    }

    /// A value is not taken any more.
    fn end(&mut self, id: Id) {
        if let Some(i) = self.of.iter().position(|(other, _)| *other == id) {
            let (_, register) = self.of.swap_remove(i);
            self.release(register);
        }
    }

    fn map(
        &mut self,
        reads: SmallVec<[Register; 4]>,
        writes: SmallVec<[Write; 3]>,
        op: Box<dyn Blockwise<T>>,
        back: bool,
    ) {
        self.steps.push(Step::Map { reads, writes });
        self.pass.functions.push(Some((op, back)));
    }

    fn sum(&mut self, of: Register, to: u32) {
        self.steps.push(Step::Sum { of, total: self.pass.totals.len() });
        self.pass.functions.push(None);
        self.pass.totals.push(to);
    }
}

fn array_of(slot: &Slot) -> Option<u32> {
    match slot {
        Slot::Array(k) => Some(*k),
        Slot::Number(_) => None,
    }
}
