"""Functions that run once and are replayed afterwards."""

import functools
import random
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

import numpy as np

from femtograd._femtograd import Tensor, _Indices, _Replay
from femtograd._transform import one_leaf
from femtograd.nn import Module

# How many structures of arguments a recorded function remembers; each of them has its last few shapes.
_KEPT = 8

# What gives something else each time it is asked: a program would keep what it gave first.
_GENERATORS = (np.random.Generator, np.random.RandomState, random.Random, Iterator)


class _Hole:
    """Stands in a form where a tensor or integers were."""


_REAL, _INTEGERS = _Hole(), _Hole()


class _Kind(Enum):
    """What an argument, or a part of one, is by its type."""

    TENSOR, NUMBER, ARRAY, INTEGERS, MAPPING, SEQUENCE, DATACLASS, MODULE, GENERATOR, UNHASHABLE, PLAIN = range(11)


def _kind_of(of: type) -> _Kind:
    if issubclass(of, Tensor):
        return _Kind.TENSOR
    if issubclass(of, (float, np.floating)):
        return _Kind.NUMBER
    if issubclass(of, np.ndarray):
        return _Kind.ARRAY
    if issubclass(of, _Indices):
        return _Kind.INTEGERS
    if issubclass(of, Mapping):
        return _Kind.MAPPING
    if issubclass(of, (list, tuple)):
        return _Kind.SEQUENCE
    if issubclass(of, Module):
        return _Kind.MODULE
    if is_dataclass(of):
        return _Kind.DATACLASS
    if not issubclass(of, (int, str, type, np.generic)) and (hasattr(of, "__array__") or hasattr(of, "__dlpack__")):
        return _Kind.ARRAY
    if issubclass(of, _GENERATORS):
        return _Kind.GENERATOR
    return _Kind.UNHASHABLE if of.__hash__ is None else _Kind.PLAIN


_kind: Callable[[type], _Kind] = functools.lru_cache(maxsize=1024)(_kind_of)


def _of_array(x: Any) -> _Hole:
    """Whether an array is one of integers: truth values are numbers to compute with."""
    if not isinstance(x, np.ndarray):
        x = np.asarray(x) if hasattr(x, "__array__") else np.from_dlpack(x)
    return _INTEGERS if x.dtype.kind in "iu" else _REAL


class _Arguments:
    """Arguments, taken apart: tensors and what makes some, arrays of integers, and a key of all else."""

    def __init__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.reals: list[Any] = []
        self.integers: list[Any] = []
        self._key: list[Any] = []
        self._walk(args, False)
        self._walk(kwargs, False)
        self.key = tuple(self._key)

    def _walk(self, x: Any, in_module: bool) -> None:
        """In a module only tensors are taken: its settings stay what they are."""
        kind, key = _kind(type(x)), self._key
        if kind is _Kind.TENSOR:
            self.reals.append(x)
            key.append(_REAL)
        elif kind is _Kind.SEQUENCE:
            key += (type(x), len(x))
            for part in x:
                self._walk(part, in_module)
        elif kind is _Kind.PLAIN or in_module and kind is _Kind.NUMBER:
            key += (type(x), x)
        elif kind is _Kind.MAPPING:
            key += (type(x), tuple(x))
            for part in x.values():
                self._walk(part, in_module)
        elif kind is _Kind.MODULE or kind is _Kind.DATACLASS:
            parts = vars(x) if kind is _Kind.MODULE else _fields(x)
            key += (type(x), tuple(parts))
            for part in parts.values():
                self._walk(part, in_module or kind is _Kind.MODULE)
        elif in_module:
            key += (_Hole, id(x))  # the form holds it, so the number is its own
        elif kind is _Kind.NUMBER or kind is _Kind.ARRAY and _of_array(x) is _REAL:
            self.reals.append(x)
            key.append(_REAL)
        elif kind is _Kind.ARRAY or kind is _Kind.INTEGERS:
            self.integers.append(x)
            key.append(_INTEGERS)
        elif kind is _Kind.GENERATOR:
            raise TypeError(
                f"record: an argument of type {type(x).__name__} gives something else each time it is asked, and a program "
                "would keep what it gave first: give what it gives"
            )
        else:
            raise TypeError(
                f"record: an argument of type {type(x).__name__} would be part of the program, and has no hash by which "
                "another one could be told from it"
            )


def _form(x: Any, in_module: bool = False) -> Any:
    """The structure without what `_Arguments` takes out of it. A program keeps this, and no tensors."""
    kind = _kind(type(x))
    if kind is _Kind.TENSOR or kind is _Kind.NUMBER and not in_module:
        return _REAL
    if kind is _Kind.SEQUENCE:
        return _like(x, (), [_form(part, in_module) for part in x])
    if kind is _Kind.MAPPING:
        return _like(x, tuple(x), [_form(part, in_module) for part in x.values()])
    if kind is _Kind.MODULE:
        return _copied(x, {name: _form(part, True) for name, part in vars(x).items()})
    if kind is _Kind.DATACLASS:
        return _copied(x, {name: _form(part, in_module) for name, part in _fields(x).items()})
    if in_module:
        return x
    return _of_array(x) if kind is _Kind.ARRAY else _INTEGERS if kind is _Kind.INTEGERS else x


def _fields(x: Any) -> dict[str, Any]:
    return {field.name: getattr(x, field.name) for field in fields(x)}


def _like(x: Any, keys: tuple[Any, ...], parts: list[Any]) -> Any:
    """A mapping, list or tuple as `x` is, of these parts."""
    make: Any = type(x)
    if isinstance(x, Mapping):
        items = dict(zip(keys, parts, strict=True))
        return make(x.default_factory, items) if hasattr(x, "default_factory") else make(items)
    return make(*parts) if hasattr(x, "_fields") else make(parts)


def _copied(x: Any, parts: dict[str, Any]) -> Any:
    """An object as `x` is, with these attributes. No `__init__` runs: it may check what is no number here."""
    new = object.__new__(type(x))
    for name, value in {**getattr(x, "__dict__", {}), **parts}.items():
        object.__setattr__(new, name, value)
    return new


def _filled(form: Any, reals: Iterator[Any], integers: Iterator[Any]) -> Any:
    """The form with these in the places of tensors and integers."""
    if isinstance(form, _Hole):
        return next(reals if form is _REAL else integers)
    kind = _kind(type(form))
    if kind is _Kind.MAPPING:
        return _like(form, tuple(form), [_filled(part, reals, integers) for part in form.values()])
    if kind is _Kind.SEQUENCE:
        return _like(form, (), [_filled(part, reals, integers) for part in form])
    if kind is _Kind.MODULE or kind is _Kind.DATACLASS:
        parts = vars(form) if kind is _Kind.MODULE else _fields(form)
        return _copied(form, {name: _filled(part, reals, integers) for name, part in parts.items()})
    return form


def record(f: Callable[..., Any]) -> Callable[..., Tensor]:
    """`f`, run once and replayed afterwards: the ops of its value, and of its gradient where one is wanted, become one flat
    program, in which elementwise ops of a size are one pass over memory. Also a decorator.

    Arguments are tensors, floats, arrays and modules (`femtograd.nn`), in lists, tuples, dicts and dataclasses of any nesting.
    Arrays of integers (labels, tokens) index: they may be reshaped, indexed, added to and given to `cross_entropy`, `take` and the
    like, and are those of each call. Everything else (ints, truth values, strings) is part of the program. Another structure,
    another shape or another float type is recorded anew, and the last few programs are kept. `f` returns one tensor.

    The result has a history as that of `f` has: `backward`, `grad` and all other transforms go through it. The first
    derivative of one number is the program's; others run `f` as it is written, as does a call inside `strict`,
    `count_strong_zeros` and another function that is being recorded.

    A program does the same ops each time. So ValueError, with the line, is raised where `f` reads what depends on an argument
    (`float`, `bool`, `data`, `numpy`, `print`, positions of a maximum), draws numbers from an `Rng`, uses a variable that is no
    argument, or indexes by integers that are none; RuntimeError where it uses a tensor that an earlier call left behind.
    `where` chooses without reading. Constants that `f` uses besides its arguments are kept, as are numbers that it takes from
    elsewhere, such as NumPy's generators or a clock, whose next number no program could ask for; what else it does (printing,
    counting) it does once. Raises TypeError for an argument that could not be told from another.

    >>> net = femtograd.nn.Mlp([2, 16, 2], femtograd.Rng(1))
    >>> loss = femtograd.record(lambda net, x, labels: net(x).cross_entropy(labels))
    >>> import numpy as np
    >>> x, xor = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]), np.array([0, 1, 1, 0])
    >>> adam = femtograd.optim.Adam(net.parameters(), lr=0.05)
    >>> for _ in range(100):
    ...     loss(net, x, xor).backward()  # recorded the first time
    ...     adam.step()
    >>> loss(net, x, xor).item() < 0.05
    True
    >>> @femtograd.record
    ... def root(x):
    ...     return x.sqrt() if x > 0 else x
    >>> root(2.0)
    Traceback (most recent call last):
    ...
    ValueError: record: the value of a tensor (made at ...) is asked for, and a recorded program would keep it as it is now. ...
    """
    if not callable(f):
        raise TypeError(f"record: a function is wanted, not {type(f).__name__}")
    programs: dict[Any, _Replay] = {}
    lock = threading.Lock()

    def program(args: tuple[Any, ...], kwargs: dict[str, Any]) -> _Replay:
        def of_flat(reals: list[Tensor], integers: list[_Indices]) -> list[Any]:
            args, kwargs = _filled(form, iter(reals), iter(integers))
            return [one_leaf("record", f(*args, **kwargs))]

        form = _form((args, kwargs))
        return _Replay(of_flat)

    @functools.wraps(f)
    def replayed(*args: Any, **kwargs: Any) -> Tensor:
        arguments = _Arguments(args, kwargs)
        with lock:
            known = programs.pop(arguments.key, None) or program(args, kwargs)
            programs[arguments.key] = known  # the last one used comes last
            oldest = programs.pop(next(iter(programs))) if len(programs) > _KEPT else None
        del oldest  # what goes may run code
        return known(arguments.reals, arguments.integers)

    return replayed
