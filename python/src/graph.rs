//! The graph behind a tensor as a picture.

use crate::any::{Any, Real};
use crate::tensor::{PyTensor, argument};
use crate::{each, guard};
use femtograd::{Array, Tensor, inspect};
use layout::core::base::Orientation;
use layout::core::color::Color;
use layout::core::format::{ClipHandle, RenderBackend};
use layout::core::geometry::Point;
use layout::core::style::StyleAttr;
use layout::std_shapes::shapes::{Arrow, Element, ShapeKind};
use layout::topo::layout::VisualGraph;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

/// Pictures of more nodes than this say nothing, and take long.
const MOST: usize = 400;
/// Letters of a label or an op's name that are shown.
const WIDEST: usize = 24;
/// The width of a letter and the height of a line, of a monospaced font of 12.
const LETTER: f64 = 7.5;
const LINE: f64 = 16.0;

/// A node, as it is drawn.
struct Node {
    title: String,
    lines: Vec<String>,
    /// Shown while the pointer rests on it.
    hint: String,
    kind: &'static str,
    parents: BTreeSet<u64>,
}

/// Everything that `root` was computed from, by id; None if that is too much.
fn nodes<T: Real>(root: &Tensor<T>) -> Option<BTreeMap<u64, Node>> {
    let (mut found, mut waiting) = (BTreeMap::new(), vec![root]);
    while let Some(x) = waiting.pop() {
        if found.contains_key(&x.id()) {
            continue;
        }
        if found.len() == MOST {
            return None;
        }
        found.insert(x.id(), node(x));
        waiting.extend(x.parents());
    }
    Some(found)
}

fn node<T: Real>(x: &Tensor<T>) -> Node {
    let kind = match (x.op(), x.wants_grad()) {
        (Some(_), _) => "op",
        (None, true) => "leaf",
        (None, false) => "constant",
    };
    let title = match (x.label(), x.op()) {
        (Some(label), Some(op)) => format!("{} = {}", short(&label), short(op.name())),
        (Some(label), None) => short(&label),
        (None, Some(op)) => short(op.name()),
        (None, None) => kind.into(),
    };
    let mut lines = vec![format!("value {}", brief(x.data()))];
    if let Some(g) = x.grad() {
        lines.push(format!("grad {}", brief(&g)));
    }
    let hint = format!("{:?} {} at {}", x.shape(), <T as Real>::NAME, x.location());
    Node { title, lines, hint, kind, parents: x.parents().iter().map(Tensor::id).collect() }
}

fn short(text: &str) -> String {
    let line = text.replace(char::is_control, " ");
    match line.char_indices().nth(WIDEST) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

/// A single number, or the shape of several.
fn brief<T: Real>(a: &Array<T>) -> String {
    let Some(v) = a.as_scalar().map(T::to_f64) else { return format!("{:?}", a.shape()) };
    let size = v.abs();
    if v == 0.0 || (1e-3..1e6).contains(&size) {
        let digits = 4_usize.saturating_sub(size.max(1.0).log10() as usize);
        let text = format!("{v:.digits$}");
        match text.contains('.') {
            true => text.trim_end_matches('0').trim_end_matches('.').to_string(),
            false => text,
        }
    } else if v.is_finite() {
        format!("{v:.3e}")
    } else {
        v.to_string()
    }
}

/// Writes what the layout has placed as SVG.
struct Svg<'a> {
    nodes: Vec<&'a Node>,
    boxes: String,
    arrows: String,
    size: Point,
}

impl Svg<'_> {
    fn grow(&mut self, to: Point) {
        self.size = Point::new(self.size.x.max(to.x), self.size.y.max(to.y));
    }
    fn text(self) -> String {
        let (width, height) = (self.size.x + 8.0, self.size.y + 8.0);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width:.0}\" height=\"{height:.0}\" \
             viewBox=\"0 0 {width:.0} {height:.0}\" font-family=\"ui-monospace, Menlo, Consolas, 'DejaVu Sans Mono', monospace\" \
             font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"#ffffff\"/>\n{}{}</svg>\n",
            self.arrows, self.boxes
        )
    }
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

impl RenderBackend for Svg<'_> {
    fn draw_rect(
        &mut self,
        xy: Point,
        size: Point,
        _: &StyleAttr,
        number: Option<String>,
        _: Option<ClipHandle>,
    ) {
        let Some(node) = number.and_then(|i| self.nodes.get(i.parse::<usize>().ok()?)) else { return };
        let (fill, line, dash) = match node.kind {
            "leaf" => ("#e3f1e3", "#2e7d32", ""),
            "constant" => ("#f5f5f5", "#9e9e9e", " stroke-dasharray=\"4 3\""),
            _ => ("#e6eefa", "#1f5fa8", ""),
        };
        let (x, y) = (xy.x, xy.y);
        let mut out = format!(
            "<g class=\"{}\"><title>{}</title><rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{:.1}\" height=\"{:.1}\" rx=\"4\" \
             fill=\"{fill}\" stroke=\"{line}\"{dash}/>",
            node.kind,
            escaped(&node.hint),
            size.x,
            size.y
        );
        let (middle, step) = (x + size.x / 2.0, LINE);
        let top = y + (size.y - step * (1 + node.lines.len()) as f64) / 2.0 + 12.0;
        write!(
            out,
            "<text x=\"{middle:.1}\" y=\"{top:.1}\" text-anchor=\"middle\" font-weight=\"bold\" fill=\"#1a1a1a\">{}</text>",
            escaped(&node.title)
        )
        .expect("writing to a string");
        for (i, line) in node.lines.iter().enumerate() {
            let at = top + step * (i + 1) as f64;
            write!(
                out,
                "<text x=\"{middle:.1}\" y=\"{at:.1}\" text-anchor=\"middle\" fill=\"#1a1a1a\" xml:space=\"preserve\">{}</text>",
                escaped(line)
            )
            .expect("writing to a string");
        }
        self.boxes += &out;
        self.boxes += "</g>\n";
        self.grow(Point::new(x + size.x, y + size.y));
    }
    fn draw_line(&mut self, _: Point, _: Point, _: &StyleAttr, _: Option<String>) {}
    fn draw_circle(&mut self, _: Point, _: Point, _: &StyleAttr, _: Option<String>) {}
    fn draw_text(&mut self, _: Point, _: &str, _: &StyleAttr) {}
    /// `path` has where it starts and the control point there, then for each further point its control point and itself.
    fn draw_arrow(
        &mut self,
        path: &[(Point, Point)],
        _: bool,
        _: (bool, bool),
        _: &StyleAttr,
        _: Option<String>,
        _: &str,
    ) {
        let [(start, exit), (entry, next), rest @ ..] = path else { return };
        let mut d = format!(
            "M {:.1} {:.1} C {:.1} {:.1}, {:.1} {:.1}, {:.1} {:.1}",
            start.x, start.y, exit.x, exit.y, entry.x, entry.y, next.x, next.y
        );
        let (mut before, mut end) = (*entry, *next);
        for (control, to) in rest {
            write!(d, " S {:.1} {:.1}, {:.1} {:.1}", control.x, control.y, to.x, to.y)
                .expect("writing to a string");
            (before, end) = (*control, *to);
        }
        // A head of its own: markers need names, which the other pictures of a notebook have as well.
        let (dx, dy) = (end.x - before.x, end.y - before.y);
        let length = dx.hypot(dy).max(1e-9);
        let (dx, dy) = (dx / length, dy / length);
        let corner = |side: f64| (end.x - 9.0 * dx - side * dy, end.y - 9.0 * dy + side * dx);
        let ((ax, ay), (bx, by)) = (corner(3.5), corner(-3.5));
        writeln!(
            self.arrows,
            "<path d=\"{d}\" fill=\"none\" stroke=\"#616161\"/><path d=\"M {:.1} {:.1} L {ax:.1} {ay:.1} L {bx:.1} {by:.1} Z\" \
             fill=\"#616161\"/>",
            end.x, end.y
        )
        .expect("writing to a string");
        for (a, b) in path {
            self.grow(*a);
            self.grow(*b);
        }
    }
    fn create_clip(&mut self, _: Point, _: Point, _: usize) -> ClipHandle {
        0
    }
}

fn picture(nodes: &BTreeMap<u64, Node>, orientation: Orientation) -> String {
    let mut graph = VisualGraph::new(orientation);
    let style = StyleAttr::new(Color::fast("black"), 1, None, 0, 12);
    let mut handles = BTreeMap::new();
    for (i, (id, node)) in nodes.iter().enumerate() {
        let widest =
            node.lines.iter().chain([&node.title]).map(|line| line.chars().count()).max().unwrap_or(0);
        let size = Point::new(LETTER * widest as f64 + 16.0, LINE * (1 + node.lines.len()) as f64 + 12.0);
        let shape = ShapeKind::new_box("");
        let element = Element::create_with_properties(shape, style.clone(), orientation, size, i.to_string());
        handles.insert(*id, graph.add_node(element));
    }
    for (id, node) in nodes {
        for parent in &node.parents {
            graph.add_edge(Arrow { look: style.clone(), ..Arrow::default() }, handles[parent], handles[id]);
        }
    }
    let mut svg = Svg {
        nodes: nodes.values().collect(),
        boxes: String::new(),
        arrows: String::new(),
        size: Point::zero(),
    };
    graph.do_it(false, false, false, &mut svg);
    svg.text()
}

/// The graph that computed a tensor, to look at: what `Tensor.graph` returns. `print` shows it as text, Jupyter as a picture.
///
/// >>> a, b = Tensor(2.0, label="a"), Tensor(3.0, label="b")
/// >>> graph = (a * b).named("c").graph()
/// >>> isinstance(graph, femtograd.Graph)
/// True
#[pyclass(module = "femtograd", frozen)]
pub struct Graph {
    root: Any,
    orientation: Orientation,
}

#[pymethods]
impl Graph {
    /// The picture as the text of an SVG file. Raises ValueError if the graph has more than 400 tensors.
    ///
    /// >>> (Tensor(2.0) * 3).graph().svg[:4]
    /// '<svg'
    #[getter]
    fn svg(&self, py: Python<'_>) -> PyResult<String> {
        let svg = guard::call(py, || {
            each!(&self.root, root -> nodes(root)).map(|nodes| picture(&nodes, self.orientation))
        })?;
        svg.ok_or_else(|| {
            PyValueError::new_err(format!(
                "graph: a picture of more than {MOST} tensors says nothing: print the graph, or draw a part of it"
            ))
        })
    }

    /// For Jupyter; what is too large for a picture is shown as `repr`.
    fn _repr_svg_(&self, py: Python<'_>) -> PyResult<Option<String>> {
        guard::call(py, || {
            each!(&self.root, root -> nodes(root)).map(|nodes| picture(&nodes, self.orientation))
        })
    }

    /// Writes the picture to a file.
    ///
    /// >>> import os, tempfile
    /// >>> path = os.path.join(tempfile.mkdtemp(), "graph.svg")
    /// >>> (Tensor(2.0) * 3).graph().save(path)
    /// >>> open(path).read(4)
    /// '<svg'
    fn save(&self, py: Python<'_>, path: std::path::PathBuf) -> PyResult<()> {
        Ok(std::fs::write(path, self.svg(py)?)?)
    }

    fn __str__(&self, py: Python<'_>) -> PyResult<String> {
        let text = guard::call(py, || each!(&self.root, root -> inspect::draw(root)))?;
        Ok(text.trim_end().to_string())
    }

    fn __repr__(&self, py: Python<'_>) -> PyResult<String> {
        let nodes = guard::call(py, || each!(&self.root, root -> nodes(root)))?;
        let tensors = nodes.map_or(format!("more than {MOST}"), |nodes| nodes.len().to_string());
        Ok(format!("<graph of {tensors} tensors: print it, or look at its svg>"))
    }
}

#[pymethods]
impl PyTensor {
    /// The graph that computed it, with values and gradients: as text when printed, a picture in Jupyter and in `svg`.
    /// `direction` is where it leads: "right" or "down".
    ///
    /// >>> a, b = Tensor(2.0, label="a"), Tensor(3.0, label="b")
    /// >>> c = (a * b).named("c")
    /// >>> c.backward()
    /// >>> print(c.graph())
    /// c = mul  value 6  gradient 1
    /// ├─ a     value 2  gradient 3
    /// └─ b     value 3  gradient 2
    #[pyo3(signature = (*, direction = "right"))]
    fn graph(slf: &Bound<'_, Self>, direction: &str) -> PyResult<Graph> {
        let orientation = match direction {
            "right" => Orientation::LeftToRight,
            "down" => Orientation::TopToBottom,
            other => {
                let why = format!("graph: direction is \"right\" or \"down\", not {other:?}");
                return Err(PyValueError::new_err(why));
            }
        };
        Ok(Graph { root: argument(slf), orientation })
    }
}
