//! The graph as text.

use crate::Tensor;
use crate::num::Float;
use std::collections::HashSet;
use std::fmt::Write;

/// The graph that computed `root`, as text: a line for each tensor with its name, value and gradient, and below it
/// what it was computed from. What occurs twice is spelt out once.
///
/// ```
/// use femtograd::{Tensor, inspect::draw};
/// let (a, b) = (Tensor::new(2.0).named("a"), Tensor::new(3.0).named("b"));
/// let c = (&a * &b + b.powi(2)).named("c");
/// c.backward();
/// assert_eq!(draw(&c), "\
/// c = add  value 15  gradient 1
/// ├─ mul   value 6   gradient 1
/// │  ├─ a  value 2   gradient 3
/// │  └─ b  value 3   gradient 8
/// └─ powi  value 9   gradient 1
///    └─ b  (above)
/// ");
/// ```
pub fn draw<T: Float>(root: &Tensor<T>) -> String {
    let mut rows: Vec<[String; 3]> = Vec::new();
    let mut seen = HashSet::new();
    // Depth first, without recursion: a graph can be deeper than the stack.
    let mut waiting = vec![(root, String::new(), String::new())];
    while let Some((t, lead, below)) = waiting.pop() {
        let title = match (t.label(), t.op()) {
            (Some(label), Some(op)) => format!("{label} = {}", op.name()),
            (Some(label), None) => label.to_string(),
            (None, Some(op)) => op.name().to_string(),
            (None, None) => (if t.wants_grad() { "leaf" } else { "constant" }).to_string(),
        };
        // A constant without a name is shorter than a reference to it.
        let again = !seen.insert(t.id()) && (t.op().is_some() || t.label().is_some());
        rows.push(if again {
            [format!("{lead}{}", t.label().map_or(title, |l| l.to_string())), "(above)".into(), String::new()]
        } else {
            [
                format!("{lead}{title}"),
                format!("value {}", brief(t)),
                t.grad().map_or(String::new(), gradient),
            ]
        });
        if !again {
            let last = t.parents().len().saturating_sub(1);
            for (i, x) in t.parents().iter().enumerate().rev() {
                let (turn, on) = if i == last { ("└─ ", "   ") } else { ("├─ ", "│  ") };
                waiting.push((x, format!("{below}{turn}"), format!("{below}{on}")));
            }
        }
    }
    let width = |k: usize| rows.iter().map(|row| row[k].chars().count()).max().unwrap_or(0);
    let widths = [width(0), width(1)];
    let mut out = String::new();
    for [title, value, gradient] in &rows {
        let line = format!("{title:0$}  {value:1$}  {gradient}", widths[0], widths[1]);
        writeln!(out, "{}", line.trim_end()).expect("writing to a string");
    }
    out
}

fn brief<T: Float>(t: &Tensor<T>) -> String {
    if t.data().len() <= 8 { t.data().to_string() } else { format!("{:?}", t.shape()) }
}

fn gradient<T: Float>(g: crate::Array<T>) -> String {
    if g.len() <= 8 { format!("gradient {g}") } else { format!("gradient {:?}", g.shape()) }
}
