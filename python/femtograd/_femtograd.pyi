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

# -- functions: making tensors
def constant(
    data: _Numbers,
    *,
    dtype: npt.DTypeLike | None = None,
    label: str | None = None,
    copy: bool | None = None,
) -> Tensor: ...

def _main(arguments: list[str]) -> int: ...

# -- functions: elementwise
# -- functions: reductions, products, linear algebra
# -- functions: shape, arrangement, indexing, order
# -- functions: networks
# -- functions: transforms
# -- functions: inspection
