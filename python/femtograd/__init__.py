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
    acos,
    acosh,
    asin,
    asinh,
    atan,
    atan2,
    atanh,
    ceil,
    cos,
    cosh,
    digamma,
    erf,
    erfc,
    exp,
    expm1,
    floor,
    hypot,
    lgamma,
    log,
    log10,
    log1p,
    log2,
    log_sigmoid,
    logit,
    maximum,
    minimum,
    mish,
    reciprocal,
    relu,
    rsqrt,
    selu,
    sigmoid,
    sign,
    silu,
    sin,
    sinh,
    softplus,
    sqrt,
    square,
    tan,
    tanh,
    trunc,
    where,
    xlogy,
    # reductions, products, linear algebra
    dot,
    einsum,
    matmul,
    outer,
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
    recording,
    # inspection
)
from femtograd import nn, optim
from femtograd._context import StrongZero, count_strong_zeros, no_grad, strict
from femtograd._custom import Op, custom_gradient
from femtograd._transform import (
    checkpoint,
    grad,
    gradients,
    hessian,
    hessian_diagonal,
    hvp,
    jacobian,
    jvp,
    laplacian,
    linearize,
    tangent,
    value_and_grad,
    vjp,
)

__all__ = [
    # making tensors
    "Tensor",
    "constant",
    "from_dlpack",
    # elementwise
    "acos",
    "acosh",
    "asin",
    "asinh",
    "atan",
    "atan2",
    "atanh",
    "ceil",
    "cos",
    "cosh",
    "digamma",
    "erf",
    "erfc",
    "exp",
    "expm1",
    "floor",
    "hypot",
    "lgamma",
    "log",
    "log10",
    "log1p",
    "log2",
    "log_sigmoid",
    "logit",
    "maximum",
    "minimum",
    "mish",
    "reciprocal",
    "relu",
    "rsqrt",
    "selu",
    "sigmoid",
    "sign",
    "silu",
    "sin",
    "sinh",
    "softplus",
    "sqrt",
    "square",
    "tan",
    "tanh",
    "trunc",
    "where",
    "xlogy",
    # reductions, products, linear algebra
    "dot",
    "einsum",
    "matmul",
    "outer",
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
    "Op",
    "StrongZero",
    "checkpoint",
    "count_strong_zeros",
    "custom_gradient",
    "grad",
    "gradients",
    "hessian",
    "hessian_diagonal",
    "hvp",
    "jacobian",
    "jvp",
    "laplacian",
    "linearize",
    "no_grad",
    "recording",
    "strict",
    "tangent",
    "value_and_grad",
    "vjp",
    # inspection
]
