"""Functions that run once and are replayed afterwards."""

import functools
import random
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields, is_dataclass
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


class _Arguments:
    """Arguments, taken apart: `form` is their structure without tensors and arrays of integers, `key` tells it from others."""

    def __init__(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        self.reals: list[Any] = []
        self.integers: list[Any] = []
        self.form, self.key = self._take((args, kwargs), False)

    def _take(self, x: Any, in_module: bool) -> tuple[Any, Any]:
        """The form of a part and its key. In a module only tensors are replaced: its settings stay what they are."""
        if isinstance(x, Tensor):
            self.reals.append(x)
            return _REAL, _REAL
        if not in_module and (hole := _hole(x)):
            (self.reals if hole is _REAL else self.integers).append(x)
            return hole, hole
        if isinstance(x, (Mapping, list, tuple)):
            keys = tuple(x) if isinstance(x, Mapping) else ()
            parts = [self._take(value, in_module) for value in (x.values() if isinstance(x, Mapping) else x)]
            form = _like(x, keys, [form for form, _ in parts])
            return form, (type(x), keys, tuple(key for _, key in parts))
        inner = isinstance(x, Module)
        if inner or is_dataclass(x) and not isinstance(x, type):
            names = {**getattr(x, "__dict__", {})} if inner else _fields(x)
            taken = {name: self._take(value, in_module or inner) for name, value in names.items()}
            form = _copied(x, {name: form for name, (form, _) in taken.items()})
            return form, (type(x), tuple((name, key) for name, (_, key) in taken.items()))
        if isinstance(x, _GENERATORS) and not in_module:
            raise TypeError(
                f"record: an argument of type {type(x).__name__} gives something else each time it is asked, and a program "
                "would keep what it gave first: give what it gives"
            )
        try:
            hash(x)
        except TypeError:
            if in_module:
                return x, (_Hole, id(x))  # it is held, so the number is its own
            raise TypeError(
                f"record: an argument of type {type(x).__name__} would be part of the program, and has no hash by which "
                "another one could be told from it"
            ) from None
        return x, (type(x), x)


def _hole(x: Any) -> _Hole | None:
    """Whether it makes a tensor, or is an array of integers, or neither."""
    if isinstance(x, (float, np.floating)):
        return _REAL
    if isinstance(x, _Indices):
        return _INTEGERS
    if isinstance(x, np.ndarray):
        return _INTEGERS if x.dtype.kind in "iu" else _REAL
    if isinstance(x, (int, str, type, np.generic, list, tuple, Mapping)) or x is None:
        return None
    if hasattr(x, "__array__") or hasattr(x, "__dlpack__"):
        return _hole(np.asarray(x) if hasattr(x, "__array__") else np.from_dlpack(x))
    return None


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
    if isinstance(form, Mapping):
        return _like(form, tuple(form), [_filled(part, reals, integers) for part in form.values()])
    if isinstance(form, (list, tuple)):
        return _like(form, (), [_filled(part, reals, integers) for part in form])
    if isinstance(form, Module):
        return _copied(form, {name: _filled(part, reals, integers) for name, part in vars(form).items()})
    if is_dataclass(form) and not isinstance(form, type):
        return _copied(form, {name: _filled(part, reals, integers) for name, part in _fields(form).items()})
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
    (`float`, `bool`, `data`, `numpy`, `print`, positions of a maximum), draws random numbers, uses a variable that is no
    argument, or indexes by integers that are none. `where` chooses without reading. Constants that `f` uses besides its
    arguments are kept; what else it does (printing, counting) it does once. Raises TypeError for an argument that could not be
    told from another.

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

    def program(arguments: _Arguments) -> _Replay:
        def of_flat(reals: list[Tensor], integers: list[_Indices]) -> list[Any]:
            args, kwargs = _filled(form, iter(reals), iter(integers))
            return [one_leaf("record", f(*args, **kwargs))]

        form = arguments.form
        return _Replay(of_flat)

    @functools.wraps(f)
    def replayed(*args: Any, **kwargs: Any) -> Tensor:
        arguments = _Arguments(args, kwargs)
        with lock:
            known = programs.pop(arguments.key, None) or program(arguments)
            programs[arguments.key] = known  # the last one used comes last
            oldest = programs.pop(next(iter(programs))) if len(programs) > _KEPT else None
        del oldest  # what goes may run code
        return known(arguments.reals, arguments.integers)

    return replayed
