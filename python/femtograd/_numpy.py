"""NumPy's functions on tensors.

`np.sin(t)`, `np.array([1.0, 2.0]) * t` and `np.sum(t, axis=0)` are this package's operations, with a history. Functions
whose results are truth values, positions or texts give what NumPy gives for the numbers. Every other one raises
TypeError: its result would have no gradient, which must not happen silently.
"""

import inspect
import math
import operator
import string
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np

import femtograd
from femtograd._femtograd import Tensor, constant

# A function of NumPy's, and one that does the same with tensors.
_Function = Callable[..., Any]

_NUMBERS = (int, float)
_ARRAYS = (Tensor, np.ndarray)


class SlogdetResult(NamedTuple):
    """What `numpy.linalg.slogdet` gives."""

    sign: Tensor
    logabsdet: Tensor


def _tensor(x: Any) -> Any:
    """A tensor: itself, or a constant."""
    return x if isinstance(x, Tensor) else constant(x)


def _operand(x: Any) -> Any:
    """What an operator of Python's takes without asking NumPy again; numbers of Python's stay what they are."""
    return x if isinstance(x, Tensor) else float(x) if isinstance(x, _NUMBERS) else constant(x)


def _plain(x: Any) -> Any:
    """The same with arrays in place of tensors."""
    if isinstance(x, Tensor):
        return x.numpy()
    if isinstance(x, list | tuple) and any(isinstance(part, Tensor | list | tuple) for part in x):
        return type(x)(map(_plain, x)) if type(x) in (list, tuple) else x
    return x


def _without_gradients(name: str) -> str:
    return f"{name}: t.numpy() is a tensor's array, to compute without gradients"


# -- functions of numbers, element by element


# `Tensor.__array_ufunc__` itself looks here, after `+ - * /` and comparisons, which it knows.
_UFUNCS: dict[np.ufunc, _Function] = {
    np.negative: operator.neg,
    np.positive: operator.pos,
    np.absolute: abs,
    np.fabs: abs,
    np.rint: Tensor.round,
    np.exp2: lambda x: 2.0**x,
    np.deg2rad: lambda x: x * (math.pi / 180),
    np.radians: lambda x: x * (math.pi / 180),
    np.rad2deg: lambda x: x * (180 / math.pi),
    np.degrees: lambda x: x * (180 / math.pi),
    np.power: lambda a, b: _operand(a) ** _operand(b),
    np.matmul: femtograd.matmul,
    np.maximum: femtograd.maximum,
    np.minimum: femtograd.minimum,
    np.arctan2: femtograd.atan2,
    np.hypot: femtograd.hypot,
    np.exp: Tensor.exp,
    np.expm1: Tensor.expm1,
    np.log: Tensor.log,
    np.log1p: Tensor.log1p,
    np.log2: Tensor.log2,
    np.log10: Tensor.log10,
    np.sqrt: Tensor.sqrt,
    np.square: Tensor.square,
    np.reciprocal: Tensor.reciprocal,
    np.sin: Tensor.sin,
    np.cos: Tensor.cos,
    np.tan: Tensor.tan,
    np.arcsin: Tensor.asin,
    np.arccos: Tensor.acos,
    np.arctan: Tensor.atan,
    np.sinh: Tensor.sinh,
    np.cosh: Tensor.cosh,
    np.tanh: Tensor.tanh,
    np.arcsinh: Tensor.asinh,
    np.arccosh: Tensor.acosh,
    np.arctanh: Tensor.atanh,
    np.sign: Tensor.sign,
    np.floor: Tensor.floor,
    np.ceil: Tensor.ceil,
    np.trunc: Tensor.trunc,
}

# Truth values have no gradient to lose.
_TRUTHS = {
    np.isfinite,
    np.isinf,
    np.isnan,
    np.signbit,
    np.logical_and,
    np.logical_or,
    np.logical_xor,
    np.logical_not,
}

# `reduce` runs over the first axis unless told otherwise, and so does `accumulate`.
_REDUCTIONS = {np.add: "sum", np.multiply: "prod", np.maximum: "max", np.minimum: "min"}
_SCANS = {np.add: "cumsum", np.multiply: "cumprod"}


def array_ufunc(ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What `Tensor.__array_ufunc__` does not know."""
    name = f"numpy.{ufunc.__name__}"
    if kwargs.get("out") is not None:
        raise TypeError(
            f"{name}: an array cannot take a tensor's result (by +=, or out=), since it has no history: "
            "write a = a + t for a tensor; or a += t.numpy(), without gradients"
        )
    given = {key for key, value in kwargs.items() if value is not None and not (key == "where" and value is True)}
    if method == "__call__":
        if given:
            raise TypeError(f"{name}: {min(given)}= is not supported for tensors. " + _without_gradients(name))
        if ufunc in _TRUTHS:
            return ufunc(*map(_plain, inputs))
    elif method == "reduce" and ufunc in _REDUCTIONS and given <= {"axis", "keepdims"}:
        axis, keepdims = kwargs.get("axis", 0), kwargs.get("keepdims", False)
        return _call(_REDUCTIONS[ufunc], inputs[0], axis=axis, keepdims=keepdims)
    elif method == "accumulate" and ufunc in _SCANS and given <= {"axis"}:
        return _call(_SCANS[ufunc], inputs[0], kwargs.get("axis", 0))
    what = name if method == "__call__" else f"{name}.{method}"
    raise TypeError(f"{what} is not among the functions that tensors have. " + _without_gradients(what))


# -- functions of arrays


def _call(method: str, x: Any, *args: Any, **kwargs: Any) -> Any:
    return getattr(_tensor(x), method)(*args, **kwargs)


def _named(function: str, *args: Any, **kwargs: Any) -> Any:
    return getattr(femtograd, function)(*args, **kwargs)


_FUNCTIONS: dict[_Function, _Function] = {}


def _means(*functions: _Function) -> Callable[[_Function], _Function]:
    """The function of tensors that these of NumPy's mean."""

    def note(meaning: _Function) -> _Function:
        for function in functions:
            _FUNCTIONS[function] = meaning
        return meaning

    return note


def _method(function: _Function, name: str) -> None:
    """A function whose first argument has a method that takes all the others."""
    first = next(iter(inspect.signature(function).parameters))

    def meaning(*args: Any, **kwargs: Any) -> Any:
        x, *others = args if args else (kwargs.pop(first),)
        return _call(name, x, *others, **kwargs)

    _FUNCTIONS[function] = meaning


_METHODS: dict[_Function, str] = {
    np.sum: "sum",
    np.mean: "mean",
    np.max: "max",
    np.min: "min",
    np.prod: "prod",
    np.var: "var",
    np.std: "std",
    np.trace: "trace",
    np.round: "round",
    np.reshape: "reshape",
    np.transpose: "transpose",
    np.squeeze: "squeeze",
    np.expand_dims: "expand_dims",
    np.swapaxes: "swapaxes",
    np.moveaxis: "moveaxis",
    np.broadcast_to: "broadcast_to",
    np.diagonal: "diagonal",
    np.diag: "diag",
    np.tril: "tril",
    np.triu: "triu",
    np.ravel: "ravel",
    np.flip: "flip",
    np.roll: "roll",
    np.repeat: "repeat",
    np.pad: "pad",
    np.split: "split",
    np.take: "take",
    np.sort: "sort",
    np.cumsum: "cumsum",
    np.cumprod: "cumprod",
    np.tile: "tile",
    np.take_along_axis: "take_along_axis",
    np.linalg.inv: "inv",
    np.linalg.solve: "solve",
    np.linalg.det: "det",
}
for _function, _name in _METHODS.items():
    _method(_function, _name)


@_means(np.dot)
def _dot(a: Any, b: Any) -> Tensor:
    return femtograd.dot(a, b)


@_means(np.outer)
def _outer(a: Any, b: Any) -> Tensor:
    return femtograd.outer(a, b)


@_means(np.vdot)
def _vdot(a: Any, b: Any) -> Tensor:
    return femtograd.dot(_flat(a), _flat(b))


@_means(np.inner)
def _inner(a: Any, b: Any) -> Any:
    a, b = _tensor(a), _tensor(b)
    return _tensordot(a, b, (-1, -1)) if a.ndim and b.ndim else a * b


@_means(np.einsum)
def _einsum(equation: Any, *operands: Any, optimize: Any = False) -> Tensor:
    if not isinstance(equation, str):
        raise TypeError("numpy.einsum: an equation as text is wanted, einsum('ij,j->i', a, b), not lists of axes")
    return femtograd.einsum(equation, *operands)


@_means(np.tensordot)
def _tensordot(a: Any, b: Any, axes: Any = 2) -> Tensor:
    a, b = _tensor(a), _tensor(b)
    try:
        n = operator.index(axes)
    except TypeError:
        left, right = ([one] if isinstance(one, int) else list(one) for one in axes)
    else:
        left, right = list(range(a.ndim - n, a.ndim)), list(range(n))
    left, right = ([axis + x.ndim if axis < 0 else axis for axis in some] for some, x in ((left, a), (right, b)))
    if len(left) != len(right) or not set(left) <= set(range(a.ndim)) or not set(right) <= set(range(b.ndim)):
        raise ValueError(f"numpy.tensordot: axes {axes} do not fit shapes {a.shape} and {b.shape}")
    letters = iter(string.ascii_letters)
    first = [next(letters) for _ in range(a.ndim)]
    second = [first[left[right.index(axis)]] if axis in right else next(letters) for axis in range(b.ndim)]
    rest = [name for name in first if name not in second] + [name for name in second if name not in first]
    return femtograd.einsum(f"{''.join(first)},{''.join(second)}->{''.join(rest)}", a, b)


@_means(np.clip)
def _clip(a: Any, a_min: Any = None, a_max: Any = None, *, min: Any = None, max: Any = None) -> Tensor:
    result: Tensor = _call("clip", a, a_min if min is None else min, a_max if max is None else max)
    return result


@_means(np.where)
def _where(condition: Any, *branches: Any) -> Any:
    if not branches:
        return np.where(_plain(condition))
    return femtograd.where(condition, *branches)


@_means(np.ptp)
def _ptp(a: Any, axis: Any = None, *, keepdims: bool = False) -> Tensor:
    a = _tensor(a)
    spread: Tensor = a.max(axis, keepdims=keepdims) - a.min(axis, keepdims=keepdims)
    return spread


def _flat(x: Any) -> Any:
    return _call("reshape", x, -1)


@_means(np.concatenate)
def _concatenate(arrays: Iterable[Any], axis: Any = 0) -> Any:
    if axis is None:
        arrays, axis = map(_flat, arrays), 0
    return _named("concatenate", list(arrays), axis)


@_means(np.stack)
def _stack(arrays: Iterable[Any], axis: int = 0) -> Any:
    return _named("stack", list(arrays), axis)


@_means(np.vstack)
def _vstack(tup: Sequence[Any]) -> Any:
    return _named("concatenate", [x if x.ndim > 1 else _call("reshape", x, (1, -1)) for x in map(_tensor, tup)], 0)


@_means(np.hstack)
def _hstack(tup: Sequence[Any]) -> Any:
    parts = [x if x.ndim > 0 else _flat(x) for x in map(_tensor, tup)]
    return _named("concatenate", parts, 0 if parts[0].ndim == 1 else 1)


@_means(np.atleast_1d)
def _atleast_1d(*arrays: Any) -> Any:
    parts = tuple(x if x.ndim > 0 else _flat(x) for x in map(_tensor, arrays))
    return parts[0] if len(parts) == 1 else parts


@_means(np.linalg.norm)
def _norm(x: Any, ord: Any = None, axis: Any = None, keepdims: bool = False) -> Tensor:
    x = _tensor(x)
    axes = tuple(range(x.ndim)) if axis is None else axis if isinstance(axis, tuple) else (axis,)
    if ord is None or ord == "fro" and len(axes) == 2:
        ord = 2
    elif len(axes) == 2 and ord in (1, -1, np.inf, -np.inf):
        # Norms of matrices: the largest or smallest sum of a column or row.
        first, second = (k + x.ndim if k < 0 else k for k in axes)
        over, across = (first, second) if abs(ord) == 1 else (second, first)
        sums = abs(x).sum(over, keepdims=True)
        norm: Tensor = (sums.max if ord > 0 else sums.min)(across, keepdims=True)
        return norm if keepdims else norm.sum((first, second))
    elif len(axes) != 1:
        raise TypeError(f"numpy.linalg.norm: for matrices ord is None, 'fro', 1, -1, inf or -inf, not {ord!r}")
    result: Tensor = x.norm(ord, axes, keepdims=keepdims)
    return result


@_means(np.linalg.cholesky)
def _cholesky(a: Any, *, upper: bool = False) -> Any:
    y = _tensor(a).cholesky()
    return _call("swapaxes", y, -1, -2) if upper else y


@_means(np.linalg.slogdet)
def _slogdet(a: Any) -> SlogdetResult:
    return SlogdetResult(*_tensor(a).slogdet())


@_means(np.zeros_like)
def _zeros_like(a: Any) -> Tensor:
    return constant(np.zeros_like(_plain(a)))


@_means(np.ones_like)
def _ones_like(a: Any) -> Tensor:
    return constant(np.ones_like(_plain(a)))


@_means(np.full_like)
def _full_like(a: Any, fill_value: Any) -> Tensor:
    if isinstance(fill_value, Tensor) and fill_value.requires_grad:
        raise TypeError("numpy.full_like: the value is a variable, whose gradient would be lost: broadcast_to keeps it")
    return constant(np.full_like(_plain(a), _plain(fill_value)))


# What has no gradient to lose: truth values, places, shapes, texts and files.
_PLAIN: set[_Function] = {
    np.all,
    np.allclose,
    np.any,
    np.argmax,
    np.argmin,
    np.argpartition,
    np.argsort,
    np.argwhere,
    np.array2string,
    np.array_equal,
    np.array_equiv,
    np.array_repr,
    np.array_str,
    np.can_cast,
    np.count_nonzero,
    np.flatnonzero,
    np.iscomplexobj,
    np.isclose,
    np.isneginf,
    np.isposinf,
    np.isrealobj,
    np.ndim,
    np.nonzero,
    np.result_type,
    np.save,
    np.savetxt,
    np.searchsorted,
    np.shape,
    np.size,
}


def array_function(function: _Function, types: Iterable[type], args: Any, kwargs: dict[str, Any]) -> Any:
    """What `Tensor.__array_function__` hands on."""
    for kind in types:
        if not issubclass(kind, _ARRAYS):
            return NotImplemented
    if function in _PLAIN:
        return function(*map(_plain, args), **{key: _plain(value) for key, value in kwargs.items()})
    meaning = _FUNCTIONS.get(function)
    if meaning is None:
        name = _name_of(function)
        raise TypeError(f"{name} is not among the functions that tensors have. " + _without_gradients(name))
    given = {key: value for key, value in kwargs.items() if value is not None}
    if "out" in given:
        name = _name_of(function)
        raise TypeError(f"{name}: an array cannot take a tensor's result (out=), since it has no history")
    try:
        return meaning(*args, **given)
    except TypeError:
        try:
            inspect.signature(meaning).bind(*args, **given)
        except TypeError as error:
            raise TypeError(f"{_name_of(function)}: for tensors, {error}") from None
        raise


def _name_of(function: _Function) -> str:
    return f"{getattr(function, '__module__', 'numpy')}.{getattr(function, '__name__', function)}"
