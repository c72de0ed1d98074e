"""Exact gradients of every order, from a core of about 100 lines."""

from femtograd._femtograd import Tensor, constant

__all__ = ["Tensor", "constant"]
