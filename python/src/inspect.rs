//! What the library says of graphs and derivatives, as plain values: the package around makes its own classes of them.

use crate::ops::args::listed;
use crate::tensor::{PyTensor, argument, of_one_type};
use crate::transform::{arguments, called_for_one, count};
use crate::{each, guard, typed};
use femtograd::Place;
use femtograd::inspect::{
    self, Break, Diagnosis, Gradcheck, Kind, Nonfinite, Pass, Reach, Report, Site, Verdict, Verification,
};
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyList};

/// A dict of named values.
macro_rules! fields {
    ($py:expr; $($name:ident: $value:expr),* $(,)?) => {{
        let fields = PyDict::new($py);
        $(fields.set_item(stringify!($name), $value)?;)*
        fields
    }};
}

type Fields<'py> = PyResult<Bound<'py, PyDict>>;

fn list<'py, A>(
    py: Python<'py>,
    items: &[A],
    fields: impl Fn(Python<'py>, &A) -> Fields<'py>,
) -> PyResult<Bound<'py, PyList>> {
    PyList::new(py, items.iter().map(|item| fields(py, item)).collect::<PyResult<Vec<_>>>()?)
}

fn places(places: &[Place]) -> Vec<String> {
    places.iter().map(Place::to_string).collect()
}

/// Checks the derivatives of a function of a list.
#[pyfunction]
#[pyo3(name = "_gradcheck")]
pub fn gradcheck<'py>(py: Python<'py>, f: Py<PyAny>, xs: &Bound<'py, PyAny>) -> Fields<'py> {
    let found: Gradcheck = typed!(arguments("gradcheck", xs)?, xs => {
        let inputs: Vec<_> = guard::call(py, || xs.iter().map(|x| x.data().clone()).collect())?;
        guard::call_long(py, count(&xs), || inspect::gradcheck(|x| called_for_one(&f, &x.to_vec()), &inputs))?
    });
    Ok(fields! { py;
        text: found.to_string(),
        checks: found.checks,
        wrong: list(py, &found.wrong, |py, wrong| Ok(fields! { py;
            text: wrong.to_string(),
            check: wrong.check,
            input: wrong.input,
            index: wrong.index.clone(),
            analytic: wrong.analytic,
            numeric: wrong.numeric,
            allowed: wrong.allowed,
        }))?,
        unchecked: found.unchecked.clone(),
        blame: found.blame.as_ref().map(|blame| verification(py, blame)).transpose()?,
    })
}

fn verification<'py>(py: Python<'py>, found: &Verification) -> Fields<'py> {
    let node = |py, node: &inspect::NodeReport| {
        let why = match &node.verdict {
            Verdict::Right => "",
            Verdict::Unchecked(why) | Verdict::Wrong(why) => why,
        };
        Ok(fields! { py; text: node.to_string(), op: node.op, why: why })
    };
    Ok(fields! { py;
        text: found.to_string(),
        nodes: found.nodes,
        wrong: list(py, &found.wrong, node)?,
        unchecked: list(py, &found.unchecked, node)?,
    })
}

/// Checks the rule of every op that a result was computed by.
#[pyfunction]
#[pyo3(name = "_verify")]
pub fn verify<'py>(py: Python<'py>, loss: &Bound<'py, PyTensor>) -> Fields<'py> {
    let loss = argument(loss);
    let found = guard::call_long(py, usize::MAX, || each!(&loss, loss -> inspect::verify(loss)))?;
    verification(py, &found)
}

/// What becomes of each parameter in a backward pass; `names` says what to call those without a label.
#[pyfunction]
#[pyo3(name = "_report")]
pub fn report<'py>(
    py: Python<'py>,
    loss: &Bound<'py, PyTensor>,
    parameters: &Bound<'py, PyAny>,
    names: Option<Vec<String>>,
) -> Fields<'py> {
    let all = listed(loss, parameters)?;
    let labelled: Vec<bool> = all[1..].iter().map(|x| each!(x, x -> x.label().is_some())).collect();
    let mut found: Report = typed!(of_one_type("report", all)?, all => {
        guard::call_long(py, usize::MAX, || inspect::report(&all[0], &all[1..]))?
    });
    if let Some(names) = names {
        for ((fate, name), labelled) in found.parameters.iter_mut().zip(names).zip(labelled) {
            if !labelled {
                fate.name = name;
            }
        }
    }
    Ok(fields! { py;
        text: found.to_string(),
        parameters: list(py, &found.parameters, |py, fate| {
            let (state, norm, sites): (_, _, Vec<Place>) = match &fate.reach {
                Reach::Gradient { norm } => ("gradient", Some(*norm), vec![]),
                Reach::Zero(ops) => ("zero", Some(0.0), ops.iter().map(|(_, place)| *place).collect()),
                Reach::Disconnected(at) => ("disconnected", None, match at {
                    Break::Cut(_, _, place) | Break::Perhaps(_, _, place) => vec![*place],
                    Break::Replaced(place) | Break::Constant(place) => vec![*place],
                    Break::Unused => vec![],
                }),
            };
            Ok(fields! { py;
                text: fate.to_string(),
                name: &fate.name,
                shape: fate.shape.to_vec(),
                reach: state,
                norm: norm,
                places: places(&sites),
            })
        })?,
        strong_zeros: found.strong_zeros.iter().map(|zero| (zero.op, zero.place.to_string(), zero.count)).collect::<Vec<_>>(),
    })
}

/// Looks for programs that are legal and probably wrong.
#[pyfunction]
#[pyo3(name = "_diagnose")]
pub fn diagnose<'py>(
    py: Python<'py>,
    loss: &Bound<'py, PyTensor>,
    parameters: &Bound<'py, PyAny>,
) -> Fields<'py> {
    let all = listed(loss, parameters)?;
    let found: Diagnosis = typed!(of_one_type("diagnose", all)?, all => {
        let parameters: Vec<_> = all[1..].iter().collect();
        guard::call_long(py, usize::MAX, || inspect::diagnose_with(&all[0], &parameters))?
    });
    let kind = |kind: Kind| match kind {
        Kind::OuterBroadcast => "outer broadcast",
        Kind::SoftmaxTwice => "softmax twice",
        Kind::DeadRelu => "dead relu",
        Kind::Saturated => "saturated",
        Kind::UnusedParameter => "unused parameter",
        Kind::StaleGradient => "stale gradient",
        Kind::KeptGraph => "kept graph",
        Kind::Nonfinite => "nonfinite",
    };
    Ok(fields! { py;
        text: found.to_string(),
        findings: list(py, &found.findings, |py, finding| Ok(fields! { py;
            text: finding.to_string(),
            kind: kind(finding.kind),
            what: &finding.what,
            cure: finding.cure,
            places: places(&finding.places),
        }))?,
    })
}

/// The op that made the first NaN or infinity.
#[pyfunction]
#[pyo3(name = "_nonfinite")]
pub fn nonfinite<'py>(py: Python<'py>, loss: &Bound<'py, PyTensor>) -> PyResult<Option<Bound<'py, PyDict>>> {
    let loss = argument(loss);
    let found: Option<Nonfinite> =
        guard::call_long(py, usize::MAX, || each!(&loss, loss -> inspect::nonfinite(loss)))?;
    let site = |py, site: &Site| -> Fields<'py> {
        Ok(fields! { py;
            text: site.to_string(),
            op: site.op,
            place: site.place.to_string(),
            value: site.value,
            index: site.index.clone(),
        })
    };
    let Some(found) = found else { return Ok(None) };
    Ok(Some(fields! { py;
        text: found.to_string(),
        direction: match found.pass {
            Pass::Forward => "forward",
            Pass::Backward => "backward",
        },
        origin: site(py, &found.origin)?,
        turned: found.turned.as_ref().map(|turned| site(py, turned)).transpose()?,
    }))
}

/// Makes every backward pass refuse NaN and infinities, or no longer: see `nonfinite`, which says where they come from. Off
/// at first, unless the environment has FEMTOGRAD_TRACE_NONFINITE=1.
///
/// >>> femtograd.trace_nonfinite(True)
/// >>> try:
/// ...     (Tensor(0.0, label="x") / 0).backward()
/// ... except ValueError as error:
/// ...     print(str(error).splitlines()[0])
/// ... finally:
/// ...     femtograd.trace_nonfinite(False)
/// backward: the first NaN was made by div [] at ...
#[pyfunction]
#[pyo3(signature = (on = true))]
pub fn trace_nonfinite(on: bool) {
    inspect::trace_nonfinite(on);
}

/// Keeps a register of living tensors from now on, so that `live` says what holds them; or stops. For looking for leaks: it
/// costs an entry for each tensor.
///
/// >>> femtograd.keep_register(True)
/// >>> loss = (Tensor(2.0) * 3).named("loss")
/// >>> [held.label for held in femtograd.live().held]
/// ['loss']
/// >>> femtograd.keep_register(False)
#[pyfunction]
#[pyo3(signature = (on = true))]
pub fn keep_register(on: bool) {
    inspect::keep_register(on);
}

/// How many tensors are alive, and what holds them.
#[pyfunction]
#[pyo3(name = "_live")]
pub fn live(py: Python<'_>) -> Fields<'_> {
    let live = guard::call(py, inspect::live)?;
    Ok(fields! { py;
        nodes: live.nodes,
        bytes: live.bytes,
        text: live.to_string(),
        held: list(py, &live.held, |py, held| Ok(fields! { py;
            text: held.to_string(),
            label: held.label.as_deref(),
            op: held.op,
            shape: held.shape.to_vec(),
            place: held.place.to_string(),
            keeps: held.keeps,
            oldest: held.oldest.to_string(),
        }))?,
    })
}
