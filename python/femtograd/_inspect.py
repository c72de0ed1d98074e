"""What is wrong with a gradient: checks of derivatives, reports on graphs."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Self, TypeVar

from femtograd import _femtograd as engine
from femtograd._context import StrongZero
from femtograd._femtograd import Tensor
from femtograd._transform import one_leaf
from femtograd._tree import leaves, rebuilt


@dataclass(frozen=True)
class _Told:
    """Something with a text, which `str` gives."""

    _text: str = field(repr=False)

    def __str__(self) -> str:
        return self._text

    @classmethod
    def _of(cls, fields: dict[str, Any]) -> Self:
        return cls(fields.pop("text"), **fields)


_T = TypeVar("_T", bound=_Told)


def _all(of: type[_T], found: list[dict[str, Any]]) -> tuple[_T, ...]:
    return tuple(of._of(fields) for fields in found)


@dataclass(frozen=True)
class Mismatch(_Told):
    """A derivative that is not what it should be: which check failed, by which input (tensors are counted through all
    arguments), where, and the two values.

    >>> @femtograd.custom_gradient
    ... def wrong(x): return x * x
    >>> _ = wrong.defvjp(lambda g, y, x: 3 * x * g)
    >>> found = femtograd.gradcheck(wrong, 1.0).wrong[0]
    >>> round(found.analytic / found.numeric, 3)
    1.5
    """

    check: str
    input: int
    index: list[int]
    analytic: float
    numeric: float
    allowed: float


@dataclass(frozen=True)
class NodeReport(_Told):
    """An op whose rule is wrong, or could not be checked, and why.

    >>> class Wrong(femtograd.Op):
    ...     def forward(self, x): return x * x
    ...     def vjp(self, g, y, x): return 3 * x * g
    >>> femtograd.verify(Wrong()(Tensor(1.0))).wrong[0].op
    'wrong'
    """

    op: str
    why: str


@dataclass(frozen=True)
class Verification(_Told):
    """What `verify` found. True if nothing is wrong.

    >>> found = femtograd.verify(Tensor(0.5).tanh() * 2)
    >>> found.nodes, bool(found)
    (2, True)
    """

    nodes: int
    wrong: tuple[NodeReport, ...]
    unchecked: tuple[NodeReport, ...]

    def __bool__(self) -> bool:
        return not self.wrong

    @classmethod
    def _of(cls, fields: dict[str, Any]) -> Self:
        wrong, unchecked = (_all(NodeReport, fields[key]) for key in ("wrong", "unchecked"))
        return cls(fields["text"], fields["nodes"], wrong, unchecked)


@dataclass(frozen=True)
class Gradcheck(_Told):
    """What `gradcheck` found: how many comparisons were made, those that failed, what differences could not tell, and which
    ops are to blame. True if nothing is wrong.

    >>> found = femtograd.gradcheck(lambda x: x.sin(), 0.5)
    >>> found.checks > 0, found.wrong, bool(found)
    (True, (), True)
    """

    checks: int
    wrong: tuple[Mismatch, ...]
    unchecked: list[str]
    blame: Verification | None

    def __bool__(self) -> bool:
        return not self.wrong

    @classmethod
    def _of(cls, fields: dict[str, Any]) -> Self:
        blame = fields["blame"]
        return cls(
            fields["text"],
            fields["checks"],
            _all(Mismatch, fields["wrong"]),
            fields["unchecked"],
            None if blame is None else Verification._of(blame),
        )


def gradcheck(f: Callable[..., Any], *inputs: Any) -> Gradcheck:
    """Checks the derivatives of `f(*inputs)`, a tensor of any shape: reverse mode, fused and recorded, forward mode, and the
    second order of both, against each other and against differences. If something is wrong, it names the op.

    float64 finds errors of 10⁻⁶ of the largest derivative, float32 of a twentieth. Raises ValueError if `f` gives different
    values for the same inputs.

    >>> result = femtograd.gradcheck(lambda x, w: (x * w).tanh(), constant([0.5, -1.0]), 2.0)
    >>> assert result, result
    >>> result.checks > 0
    True
    """
    if not callable(f):
        raise TypeError(f"gradcheck: a function is wanted, not {type(f).__name__}")

    def of_flat(flat: list[Tensor]) -> list[Any]:
        return [one_leaf("gradcheck", f(*rebuilt(inputs, iter(flat))))]

    return Gradcheck._of(engine._gradcheck(of_flat, leaves(inputs)))


def verify(loss: Tensor) -> Verification:
    """Checks the derivatives of every op that `loss` was computed by, with the values it has there, and names those that are
    wrong. Nobody's gradient changes.

    >>> class Square(femtograd.Op):
    ...     def forward(self, x):
    ...         return x.numpy() ** 2
    ...     def vjp(self, g, y, x):
    ...         return g * x  # the 2 is missing
    >>> found = femtograd.verify(Square()(Tensor(3.0)).tanh())
    >>> bool(found), [node.op for node in found.wrong]
    (False, ['square'])
    """
    return Verification._of(engine._verify(_tensor("verify", loss)))


@dataclass(frozen=True)
class Fate(_Told):
    """What became of one parameter: a gradient (with this norm), one that is zero (because of ops at these places), or none
    (the path ends at this place, where it is known).

    >>> w = Tensor(2.0, label="w")
    >>> fate = femtograd.report(w * 3, [w]).parameters[0]
    >>> fate.name, fate.reach, fate.norm
    ('"w"', 'gradient', 3.0)
    """

    name: str
    shape: list[int]
    reach: Literal["gradient", "zero", "disconnected"]
    norm: float | None
    places: list[str]


@dataclass(frozen=True)
class Report(_Told):
    """What `report` found. True if there is a path from the loss to every parameter.

    >>> a, b = Tensor(2.0, label="a"), Tensor(3.0, label="b")
    >>> found = femtograd.report(a * b.detach(), [a, b])
    >>> [fate.reach for fate in found.parameters], bool(found)
    (['gradient', 'disconnected'], False)
    """

    parameters: tuple[Fate, ...]
    strong_zeros: tuple[StrongZero, ...]

    def __bool__(self) -> bool:
        return all(fate.reach != "disconnected" for fate in self.parameters)


_Parameters = Iterable[Tensor] | Mapping[str, Tensor]


def report(loss: Tensor, parameters: _Parameters) -> Report:
    """What becomes of each parameter in a backward pass from `loss`: it gets a gradient (with which norm), one that is zero
    (because of which op), or none (because the path was cut on which line). Parameters are tensors in a list, or in a dict
    that names them. Nobody's gradient changes.

    >>> w, b = Tensor(2.0, label="w"), Tensor(0.5, label="b")
    >>> print(femtograd.report(w * 3 + b.detach(), [w, b]))
    "w" []: gradient, norm 3.0000
    "b" []: disconnected by detach at ...
    """
    names = list(map(str, parameters)) if isinstance(parameters, Mapping) else None
    found = engine._report(_tensor("report", loss), _tensors("report", parameters), names)
    zeros = tuple(StrongZero(*zero) for zero in found["strong_zeros"])
    return Report(found["text"].rstrip(), _all(Fate, found["parameters"]), zeros)


@dataclass(frozen=True)
class Finding(_Told):
    """Something that is probably not meant so: which kind of mistake, what was found, what to do, and the lines.

    >>> loss = (Tensor([[1.0], [2.0]]) - [1.0, 2.0]).square().sum()
    >>> femtograd.diagnose(loss).findings[0].kind
    'outer broadcast'
    """

    kind: Literal[
        "outer broadcast",
        "softmax twice",
        "dead relu",
        "saturated",
        "unused parameter",
        "stale gradient",
        "kept graph",
        "nonfinite",
    ]
    what: str
    cure: str
    places: list[str]


@dataclass(frozen=True)
class Diagnosis(_Told):
    """What `diagnose` found. True if nothing looks wrong.

    >>> bool(femtograd.diagnose(Tensor([1.0, 2.0]).square().sum()))
    True
    """

    findings: tuple[Finding, ...]

    def __bool__(self) -> bool:
        return not self.findings


def diagnose(loss: Tensor, parameters: _Parameters = ()) -> Diagnosis:
    """Looks at the graph of a loss for programs that are legal and probably wrong: `[n, 1]` compared with `[n]`, a softmax
    taken twice, dead units, stale gradients, graphs kept alive, parameters that are not used, NaN. Best after `backward` and
    before the step.

    >>> w, b = Tensor(2.0, label="w"), Tensor(0.5, label="b")
    >>> found = femtograd.diagnose(w * 3, [w, b])
    >>> [finding.kind for finding in found.findings]
    ['unused parameter']
    """
    found = engine._diagnose(_tensor("diagnose", loss), _tensors("diagnose", parameters))
    return Diagnosis(found["text"], _all(Finding, found["findings"]))


@dataclass(frozen=True)
class Site(_Told):
    """An op, or a leaf, where a number that is not finite turned up: its name (None for a leaf), line, number and place.

    >>> found = femtograd.nonfinite(Tensor(0.0).log() * 2)
    >>> found.origin.op, found.origin.value
    ('ln', -inf)
    """

    op: str | None
    place: str
    value: float
    index: list[int]


@dataclass(frozen=True)
class Nonfinite(_Told):
    """What `nonfinite` found: in which direction, where the first such number came from, and where NaN was made of it.

    >>> femtograd.nonfinite(Tensor(0.0).log() * 2).direction
    'forward'
    """

    direction: Literal["forward", "backward"]
    origin: Site
    turned: Site | None


def nonfinite(loss: Tensor) -> Nonfinite | None:
    """The op that made the first NaN or infinity in the values that `loss` was computed from or, if they are finite, in a
    backward pass of its own; None if all is finite. Nobody's gradient changes.

    >>> x = Tensor(0.0, label="x")
    >>> found = femtograd.nonfinite((x / 0) * 2)
    >>> print(found.direction, found.origin.op, found.origin.value)
    forward div nan
    """
    found = engine._nonfinite(_tensor("nonfinite", loss))
    if found is None:
        return None
    turned = found["turned"]
    origin = Site._of(found["origin"])
    return Nonfinite(found["text"], found["direction"], origin, None if turned is None else Site._of(turned))


@dataclass(frozen=True)
class Held(_Told):
    """A tensor that the program holds: its label, op, shape and line, how many others live because it does, and the line that
    made the oldest of those.

    >>> femtograd.keep_register(True)
    >>> kept = Tensor(2.0, label="kept")
    >>> held = femtograd.live().held[0]
    >>> held.label, held.op, held.shape
    ('kept', None, [])
    >>> femtograd.keep_register(False)
    """

    label: str | None
    op: str | None
    shape: list[int]
    place: str
    keeps: int
    oldest: str


@dataclass(frozen=True)
class Live(_Told):
    """How many tensors are alive and how many bytes they take; while a register is kept, also what holds them.

    >>> before = femtograd.live().nodes
    >>> x = Tensor(2.0)
    >>> femtograd.live().nodes - before
    1
    """

    nodes: int
    bytes: int
    held: tuple[Held, ...]


def live() -> Live:
    """How many tensors are alive, and how many bytes they take; after `keep_register`, also what holds them. A number that
    grows from one step of training to the next means that a graph is kept alive.

    >>> before = femtograd.live().nodes
    >>> x = Tensor(2.0)
    >>> femtograd.live().nodes - before
    1
    """
    found = engine._live()
    return Live(found["text"], found["nodes"], found["bytes"], _all(Held, found["held"]))


def _tensor(name: str, x: Any) -> Tensor:
    if not isinstance(x, Tensor):
        raise TypeError(f"{name}: a tensor is wanted, not {type(x).__name__}")
    return x


def _tensors(name: str, parameters: Any) -> list[Tensor]:
    found = parameters.values() if isinstance(parameters, Mapping) else parameters
    return [_tensor(name, x) for x in found]
