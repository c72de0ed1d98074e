"""Structures of tensors: taken apart into lists, and put together again."""

import dataclasses
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum
from typing import Any

import numpy as np

from femtograd._femtograd import Tensor, _Indices


def is_leaf(x: Any) -> bool:
    """Whether it is a tensor, or numbers that make one."""
    if isinstance(x, (Tensor, float, np.ndarray, np.generic)):
        return True
    if isinstance(x, int):
        return not isinstance(x, (bool, Enum))
    if isinstance(x, (list, tuple, Mapping, str, _Indices)) or x is None or isinstance(x, type):
        return False
    return hasattr(x, "__array__") or hasattr(x, "__dlpack__")


def is_real(x: Any) -> bool:
    """Whether it is a leaf of real numbers: no size, no axis, no labels."""
    if isinstance(x, (int, np.integer, np.bool_)) or isinstance(x, np.ndarray) and x.dtype.kind != "f":
        return False
    return is_leaf(x)


def is_tensor(x: Any) -> bool:
    """Whether it is a tensor already."""
    return isinstance(x, Tensor)


def _is_dataclass(x: Any) -> bool:
    return dataclasses.is_dataclass(x) and not isinstance(x, type)


def _is_setting(x: Any) -> bool:
    """Whether a field of a dataclass is no number to compute with: a size, a switch."""
    return isinstance(x, int)


def _children(x: Any) -> Iterator[tuple[str, Any]]:
    """What a structure consists of, with how to write each part. Nothing of what is no structure."""
    if isinstance(x, Mapping):
        yield from ((f"[{key!r}]", value) for key, value in x.items())
    elif isinstance(x, (list, tuple)):
        yield from ((f"[{i}]", value) for i, value in enumerate(x))
    elif _is_dataclass(x):
        for field in dataclasses.fields(x):
            value = getattr(x, field.name)
            if not _is_setting(value):
                yield f".{field.name}", value


def leaves(x: Any, is_leaf: Callable[[Any], bool] = is_leaf) -> list[Any]:
    """The tensors of a structure and what makes some, in order."""
    found: list[Any] = []

    def walk(x: Any) -> None:
        if is_leaf(x):
            found.append(x)
        else:
            for _, child in _children(x):
                walk(child)

    walk(x)
    return found


def rebuilt(x: Any, of: Iterator[Any], is_leaf: Callable[[Any], bool] = is_leaf) -> Any:
    """The structure with other leaves, in the same order; what is no leaf is itself."""
    if is_leaf(x):
        return next(of)
    if isinstance(x, Mapping):
        items = {key: rebuilt(value, of, is_leaf) for key, value in x.items()}
        if type(x) is dict:
            return items
        default = getattr(x, "default_factory", None)  # a defaultdict takes it before the items
        make: Any = type(x)
        return make(default, items) if hasattr(x, "default_factory") else make(items)
    if isinstance(x, tuple):
        parts = [rebuilt(value, of, is_leaf) for value in x]
        make = type(x)
        return make(*parts) if hasattr(x, "_fields") else make(parts)
    if isinstance(x, list):
        parts = [rebuilt(value, of, is_leaf) for value in x]
        return parts if type(x) is list else type(x)(parts)
    if _is_dataclass(x):
        # Neither __init__ nor __post_init__ runs again: they may check or change what is no number here.
        new = object.__new__(type(x))
        for name, value in getattr(x, "__dict__", {}).items():
            object.__setattr__(new, name, value)
        for field in dataclasses.fields(x):
            value = getattr(x, field.name)
            object.__setattr__(new, field.name, value if _is_setting(value) else rebuilt(value, of, is_leaf))
        return new
    return x


def leaves_like(what: str, like: Any, x: Any, name: str = "") -> list[Any]:
    """The leaves of `x`, which must have the structure of `like`, in the order of the leaves of `like`."""
    found: list[Any] = []

    def walk(like: Any, x: Any, path: str) -> None:
        if is_leaf(like):
            if not is_leaf(x) and not (isinstance(x, list) and np.ndim(like) > 0):  # lists make arrays
                raise TypeError(f"{what}{path} stands for a tensor, and {type(x).__name__} is none")
            found.append(x)
            return
        wanted = dict(_children(like))
        if not wanted:
            return
        given = {} if is_leaf(x) else dict(_children(x))
        if wanted.keys() != given.keys():
            raise ValueError(
                f"{what}{path} has another structure than what it belongs to: "
                f"{_listed(given)} instead of {_listed(wanted)}"
            )
        for key, child in wanted.items():
            walk(child, given[key], path + key)

    walk(like, x, name)
    return found


def _listed(parts: dict[str, Any]) -> str:
    return ", ".join(parts) if parts else "no parts"


class _Hole:
    """Stands in a template where a tensor was."""


HOLE = _Hole()


def template(x: Any, is_leaf: Callable[[Any], bool]) -> Any:
    """The structure without its leaves. What is kept for later keeps this: a node that held its arguments in Python's objects
    would have chains of them let go by recursion, and their gradients kept."""
    return rebuilt(x, iter([HOLE] * len(leaves(x, is_leaf))), is_leaf)


def filled(template: Any, flat: Iterable[Any]) -> Any:
    """The template with these in the leaves' places."""
    return rebuilt(template, iter(flat), lambda x: x is HOLE)


class Structured:
    """A function of structures as one of lists: it remembers the structure of what was returned last."""

    def __init__(self, f: Callable[[Any], Any], like: Any) -> None:
        self.f = f
        self.like = like
        self.result: Any = None

    def __call__(self, flat: list[Tensor]) -> list[Any]:
        self.result = self.f(rebuilt(self.like, iter(flat)))
        return leaves(self.result)

    def put_together(self, flat: list[Any]) -> Any:
        """A list in the structure of the result."""
        return rebuilt(self.result, iter(flat))
