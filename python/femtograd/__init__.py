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
    from_dlpack,
    # elementwise
    # reductions, products, linear algebra
    # shape, arrangement, indexing, order
    # networks
    # transforms
    # inspection
)

__all__ = [
    # making tensors
    "Tensor",
    "constant",
    "from_dlpack",
    # elementwise
    # reductions, products, linear algebra
    # shape, arrangement, indexing, order
    # networks
    # transforms
    # inspection
]
