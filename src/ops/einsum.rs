//! Sums of products, written as equations of axes.

use crate::context::on_behalf_of;
use crate::kernels::{Shape, count};
use crate::num::Float;
use crate::{Place, Tensor};

/// An axis by its name: a letter, or from [`DOTS`] on its place in an ellipsis, counted from the last.
type Name = usize;

/// The last axis of an ellipsis; the one before is the next number, since they are aligned at the last.
const DOTS: Name = 256;

/// `Σ x₀[…]·x₁[…]·…`, by an equation of axes, as NumPy's `einsum`.
///
/// Each operand's axes are named by letters; a letter that does not stand after the arrow is summed over. A letter twice
/// in one operand takes its diagonal; `...` stands for any number of axes, which broadcast; without an arrow the result
/// has the axes of the ellipsis and then, in alphabetical order (capitals first), every letter that occurs once. Unlike
/// there, a letter has one length: 1 does not broadcast against others but under an ellipsis.
///
/// Operands are multiplied from left to right, two at a time, by matrix products where axes are summed over.
///
/// ```
/// use femtograd::{Tensor, einsum};
/// let (a, b) = (Tensor::new([[1.0, 2.0], [3.0, 4.0]]), Tensor::new([10.0, 1.0]));
/// assert_eq!(einsum("ij,j->i", &[&a, &b]).to_string(), "[12, 34]"); // a matrix times a vector
/// assert_eq!(einsum("ii", &[&a]).item(), 5.0); // the trace
/// assert_eq!(einsum("i,j", &[&b, &b]).to_string(), "[[100, 10], [10, 1]]"); // the outer product
/// ```
///
/// # Panics
/// If the equation cannot be read, or the operands do not fit it.
#[track_caller]
pub fn einsum<T: Float>(equation: &str, operands: &[&Tensor<T>]) -> Tensor<T> {
    on_behalf_of(Place::here(), "einsum", || match parse(equation, operands) {
        Ok((inputs, output)) => contract(inputs, operands, &output),
        Err(why) => Tensor::refuse("einsum", &format!("{equation:?}: {why}"), operands),
    })
}

/// The names of each operand's axes, and of the result's.
fn parse<T: Float>(equation: &str, operands: &[&Tensor<T>]) -> Result<(Vec<Vec<Name>>, Vec<Name>), String> {
    let equation: String = equation.chars().filter(|c| !c.is_whitespace()).collect();
    let (left, right) =
        equation.split_once("->").map_or((&*equation, None), |(left, right)| (left, Some(right)));
    let terms: Vec<&str> = left.split(',').collect();
    if terms.len() != operands.len() {
        return Err(format!("it is about {} operands, {} are given", terms.len(), operands.len()));
    }
    let (mut inputs, mut sizes, mut widest) = (Vec::new(), Vec::<(Name, usize)>::new(), 0);
    for (i, (term, x)) in terms.iter().zip(operands).enumerate() {
        let axes = x.shape().len();
        let covered = axes as isize - letters(term) as isize;
        if covered < 0 || covered > 0 && !term.contains("...") {
            return Err(format!("{term:?} does not name the {axes} axes of operand {i}"));
        }
        widest = widest.max(covered as usize);
        let names = names(term, covered as usize)?;
        for (&name, &n) in names.iter().zip(x.shape()) {
            match sizes.iter_mut().find(|(other, _)| *other == name) {
                None => sizes.push((name, n)),
                Some((_, m)) if *m == n || name >= DOTS && n == 1 => {}
                Some((_, m)) if name >= DOTS && *m == 1 => *m = n,
                Some((_, m)) => {
                    let axis = if name < DOTS { format!("'{}'", name as u8 as char) } else { "...".into() };
                    return Err(format!("{axis} has length {m}, but {n} in operand {i}"));
                }
            }
        }
        inputs.push(names);
    }
    let all = || inputs.iter().flatten();
    let output = match right {
        Some(right) => names(right, if right.contains("...") { widest } else { 0 })?,
        None => {
            let once = |name: &Name| all().filter(|other| *other == name).count() == 1;
            let letters = (0..DOTS).filter(once);
            (DOTS..DOTS + widest).rev().chain(letters).collect()
        }
    };
    for (k, &name) in output.iter().enumerate().filter(|(_, name)| **name < DOTS) {
        let letter = name as u8 as char;
        if output[..k].contains(&name) {
            return Err(format!("'{letter}' stands twice after the arrow"));
        }
        if !all().any(|&other| other == name) {
            return Err(format!("'{letter}' stands after the arrow, but in no operand"));
        }
    }
    if all().any(|name| *name >= DOTS && !output.contains(name)) {
        return Err("... stands before the arrow, but not after it".into());
    }
    Ok((inputs, output))
}

/// How many letters a term has.
fn letters(term: &str) -> usize {
    term.bytes().filter(|&c| c != b'.').count()
}

/// The names in a term whose ellipsis covers this many axes.
fn names(term: &str, covered: usize) -> Result<Vec<Name>, String> {
    let mut names = Vec::new();
    for (part, text) in term.splitn(2, "...").enumerate() {
        if part == 1 {
            names.extend((DOTS..DOTS + covered).rev());
        }
        if let Some(c) = text.chars().find(|c| !c.is_ascii_alphabetic()) {
            return Err(format!("{c:?} in {term:?} is neither a letter nor part of one ellipsis"));
        }
        names.extend(text.bytes().map(Name::from));
    }
    Ok(names)
}

/// A tensor, and the name of each of its axes, each once.
struct Named<T: Float> {
    x: Tensor<T>,
    names: Vec<Name>,
}

fn contract<T: Float>(inputs: Vec<Vec<Name>>, operands: &[&Tensor<T>], output: &[Name]) -> Tensor<T> {
    let mut product: Option<Named<T>> = None;
    for (i, names) in inputs.iter().enumerate() {
        let later =
            |name: &Name| output.contains(name) || inputs[i + 1..].iter().flatten().any(|n| n == name);
        let b = Named::new(operands[i], names);
        product = Some(match product {
            None => b.sum(|name| !later(name)),
            Some(a) => {
                let b = b.sum(|name| !later(name) && !a.names.contains(name));
                a.times(b, later)
            }
        });
    }
    let y = product.expect("an operand: the equation has a term");
    y.x.permute(&output.iter().map(|name| y.place(name)).collect::<Vec<_>>())
}

impl<T: Float> Named<T> {
    /// The diagonal of axes that have one name.
    fn new(x: &Tensor<T>, names: &[Name]) -> Named<T> {
        let (mut x, mut names) = (x.clone(), names.to_vec());
        while let Some(b) = (0..names.len()).find(|&b| names[..b].contains(&names[b])) {
            let name = names.remove(b);
            let a = names.iter().position(|other| *other == name).expect("found above");
            names.remove(a);
            x = x.diagonal(0, a as isize, b as isize);
            names.push(name);
        }
        Named { x, names }
    }

    /// Where the axis of this name is.
    fn place(&self, name: &Name) -> isize {
        self.names.iter().position(|other| other == name).expect("one of the names") as isize
    }

    /// Summed over the axes whose name fits.
    fn sum(self, over: impl Fn(&Name) -> bool) -> Named<T> {
        let (gone, names): (Vec<Name>, _) = self.names.iter().partition(|name| over(name));
        if gone.is_empty() {
            return self;
        }
        let axes: Vec<isize> = gone.iter().map(|name| self.place(name)).collect();
        Named { x: self.x.sum_axes(&axes[..]), names }
    }

    /// The lengths of these axes, 1 for one that is missing.
    fn lengths(&self, names: &[Name]) -> Shape {
        let length =
            |name| if self.names.contains(name) { self.x.shape()[self.place(name) as usize] } else { 1 };
        names.iter().map(length).collect()
    }

    /// The axes in the order of `names`, which has them all and may have more.
    fn spread(&self, names: &[Name]) -> Tensor<T> {
        let own = names.iter().filter(|name| self.names.contains(name));
        let x = self.x.permute(&own.map(|name| self.place(name)).collect::<Vec<_>>());
        x.reshape(&self.lengths(names))
    }

    /// A batch of matrices, several axes to each of the two.
    fn matrices(&self, batch: &[Name], rows: &[Name], columns: &[Name]) -> Tensor<T> {
        let size = [count(&self.lengths(rows)), count(&self.lengths(columns))];
        self.spread(&[batch, rows, columns].concat()).reshape(&[&self.lengths(batch)[..], &size].concat())
    }

    /// The product, summed over the axes that both have and nobody needs later.
    fn times(self, b: Named<T>, later: impl Fn(&Name) -> bool) -> Named<T> {
        let a = self;
        let (shared, rows): (Vec<Name>, Vec<Name>) = a.names.iter().partition(|name| b.names.contains(name));
        let (batch, inner): (Vec<Name>, Vec<Name>) = shared.iter().partition(|name| later(name));
        let columns: Vec<Name> = b.names.iter().copied().filter(|name| !a.names.contains(name)).collect();
        let names = [&batch[..], &rows, &columns].concat();
        // A batch of matrix products, unless there is nothing to sum, or nothing but sums: those would be matrices of a
        // single number.
        if inner.is_empty() || rows.is_empty() && columns.is_empty() && !batch.is_empty() {
            let all = [&names[..], &inner].concat();
            return Named { x: a.spread(&all) * b.spread(&all), names: all }.sum(|name| inner.contains(name));
        }
        let y = a.matrices(&batch, &rows, &inner).matmul(&b.matrices(&batch, &inner, &columns));
        let shape = [&y.shape()[..batch.len()], &a.lengths(&rows), &b.lengths(&columns)].concat();
        Named { x: y.reshape(&shape), names }
    }
}
