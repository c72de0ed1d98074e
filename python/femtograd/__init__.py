"""Exact gradients of every order, from a core of about 100 lines.

>>> from femtograd import Tensor
>>> a = Tensor(2.0)
>>> b = Tensor(3.0)
>>> c = a * b + b**2
>>> c.backward()
>>> print(a.grad)  # dc/da
3.0
>>> print(b.grad)  # dc/db
8.0
"""

from femtograd._femtograd import (
    # making tensors
    Tensor,
    constant,
    # elementwise
    # reductions, products, linear algebra
    # shape, arrangement, indexing, order
    concat,
    concatenate,
    stack,
    # networks
    Rng,
    load,
    save,
    scaled_dot_product_attention,
    # transforms
    # inspection
)
from femtograd import nn, optim

__all__ = [
    # making tensors
    "Tensor",
    "constant",
    # elementwise
    # reductions, products, linear algebra
    # shape, arrangement, indexing, order
    "concat",
    "concatenate",
    "stack",
    # networks
    "Rng",
    "load",
    "nn",
    "optim",
    "save",
    "scaled_dot_product_attention",
    # transforms
    # inspection
]
