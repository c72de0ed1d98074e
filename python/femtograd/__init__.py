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
    # networks
    # transforms
    recording,
    # inspection
    Graph,
    keep_register,
    trace_nonfinite,
)
from femtograd._context import StrongZero, count_strong_zeros, no_grad, strict
from femtograd._custom import Op, custom_gradient
from femtograd._inspect import (
    Diagnosis,
    Fate,
    Finding,
    Gradcheck,
    Held,
    Live,
    Mismatch,
    NodeReport,
    Nonfinite,
    Report,
    Site,
    Verification,
    diagnose,
    gradcheck,
    live,
    nonfinite,
    report,
    verify,
)
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
    # elementwise
    # reductions, products, linear algebra
    # shape, arrangement, indexing, order
    # networks
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
    "Diagnosis",
    "Fate",
    "Finding",
    "Gradcheck",
    "Graph",
    "Held",
    "Live",
    "Mismatch",
    "NodeReport",
    "Nonfinite",
    "Report",
    "Site",
    "Verification",
    "diagnose",
    "gradcheck",
    "keep_register",
    "live",
    "nonfinite",
    "report",
    "trace_nonfinite",
    "verify",
]
