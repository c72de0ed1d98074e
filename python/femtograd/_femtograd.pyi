"""The engine: see the package `femtograd`."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Literal, Self, SupportsFloat, final, overload

import numpy as np
import numpy.typing as npt

# What makes a tensor: one, a number, a nested list of numbers, an array, or what shows one by __array__ or __dlpack__.
_Numbers = Any
_Axes = int | Sequence[int] | None

class Tensor:
    # -- making one, what it tells
    def __new__(
        cls,
        data: _Numbers,
        requires_grad: bool = True,
        *,
        dtype: npt.DTypeLike | None = None,
        label: str | None = None,
        copy: bool | None = None,
    ) -> Self: ...
    data: Tensor
    grad: Tensor
    # -- operators
    # -- buffer, pickle
    # -- elementwise
    def tanh(self) -> Tensor: ...
    def relu(self) -> Tensor: ...
    # -- reductions, products, linear algebra
    # -- shape, arrangement, indexing, order
    # -- softmax, losses, normalisation, convolution, attention, dropout
    # -- transforms, inspection
    def hook(self, f: Callable[[Tensor], Tensor | None]) -> Tensor: ...

# -- functions: making tensors
def constant(
    data: _Numbers,
    *,
    dtype: npt.DTypeLike | None = None,
    label: str | None = None,
    copy: bool | None = None,
) -> Tensor: ...

# -- functions: elementwise
# -- functions: reductions, products, linear algebra
# -- functions: shape, arrangement, indexing, order
# -- functions: networks
# -- functions: transforms
_FlatFunction = Callable[[list[Tensor]], list[Any]]

@final
class _Linear:
    def __call__(self, xs: Sequence[_Numbers], /) -> list[Tensor]: ...

@final
class _Period:
    def __new__(cls, what: Literal["no_grad", "strict", "counting"]) -> Self: ...
    def end(self) -> list[tuple[str, str, int]]: ...

def _value_and_grad(f: _FlatFunction, xs: Sequence[_Numbers]) -> tuple[Tensor, list[Tensor]]: ...
def _vjp(f: _FlatFunction, xs: Sequence[_Numbers]) -> tuple[list[Tensor], _Linear]: ...
def _linearize(f: _FlatFunction, xs: Sequence[_Numbers]) -> tuple[list[Tensor], _Linear]: ...
def _jvp(
    f: _FlatFunction, xs: Sequence[_Numbers], dxs: Sequence[_Numbers]
) -> tuple[list[Tensor], list[Tensor]]: ...
def _jacobian(
    f: _FlatFunction, xs: Sequence[_Numbers], mode: Literal["auto", "forward", "reverse"]
) -> list[list[Tensor]]: ...
def _hessian(f: _FlatFunction, xs: Sequence[_Numbers]) -> list[list[Tensor]]: ...
def _hvp(f: _FlatFunction, xs: Sequence[_Numbers], vs: Sequence[_Numbers]) -> list[Tensor]: ...
def _hessian_diagonal(f: _FlatFunction, xs: Sequence[_Numbers]) -> list[Tensor]: ...
def _laplacian(f: _FlatFunction, xs: Sequence[_Numbers]) -> Tensor: ...
def _gradients(y: Tensor, xs: Sequence[_Numbers], cotangent: _Numbers | None) -> list[Tensor]: ...
def _tangent(y: Tensor, xs: Sequence[_Numbers], dxs: Sequence[_Numbers]) -> Tensor: ...
def _checkpoint(f: _FlatFunction, xs: Sequence[_Numbers]) -> Tensor: ...
def _apply(
    name: str,
    forward: Callable[..., Any],
    vjp: Callable[..., Any],
    jvp: Callable[..., Any] | None,
    exact: bool,
    xs: Sequence[_Numbers],
) -> Tensor: ...
def recording() -> bool: ...
# -- functions: inspection
