"""Derivatives of functions and of recorded results."""

import functools
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from typing import Any, Literal, Self

from femtograd import _femtograd as engine
from femtograd._femtograd import Tensor
from femtograd._tree import Structured, filled, is_leaf, is_tensor, leaves, leaves_like, rebuilt, template

_Function = Callable[..., Any]
_Argnums = int | Sequence[int]


_PACKAGE = os.path.join(os.path.dirname(__file__), "")


def warn(message: str) -> None:
    """A RuntimeWarning at the caller's line, outside this package."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
    warnings.warn_explicit(message, RuntimeWarning, frame.f_code.co_filename, frame.f_lineno)


def _check(name: str, f: Any) -> None:
    if not callable(f):
        raise TypeError(f"{name}: a function is wanted, not {type(f).__name__}")


class _Call:
    """A call of a function, seen as a function of some of its arguments."""

    def __init__(
        self, name: str, f: _Function, argnums: _Argnums, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> None:
        several = isinstance(argnums, Sequence)
        numbers = list(argnums) if isinstance(argnums, Sequence) else [argnums]
        count = len(args)
        for i in numbers:
            if isinstance(i, bool) or not isinstance(i, int):
                raise TypeError(f"{name}: argnums are whole numbers, not {type(i).__name__}")
            if not -count <= i < count:
                raise ValueError(f"{name}: argnums has {i}, and there are {count} positional arguments")
        numbers = [i % count for i in numbers]
        if len(set(numbers)) < len(numbers):
            raise ValueError(f"{name}: argnums has an argument twice: {argnums}")
        self.name, self.several = name, several
        self.chosen: Any = tuple(args[i] for i in numbers)
        self.flat = leaves(self.chosen)
        if not self.flat:
            which = ", ".join(f"argument {i}, {type(args[i]).__name__}" for i in numbers)
            raise TypeError(f"{name}: nothing to differentiate by in {which or 'no argument'}")

        def of_chosen(chosen: tuple[Any, ...]) -> Any:
            given = list(args)
            for i, x in zip(numbers, chosen, strict=True):
                given[i] = x
            before = engine._values_read()
            y = f(*given, **kwargs)
            if engine._values_read() != before and not any(map(is_tensor, leaves(y))):
                warn(
                    f"{name}: {getattr(f, '__name__', 'the function')} read the value of a variable and returned a plain "
                    f"{type(y).__name__}, which is a constant to its derivative: compute with tensors, without float(), "
                    "item() and numpy()"
                )
            return y

        self.f = of_chosen

    def like_arguments(self, flat: Sequence[Any]) -> Any:
        """A list in the structure of the arguments."""
        chosen = rebuilt(self.chosen, iter(flat))
        return chosen if self.several else chosen[0]

    def number(self, chosen: Any) -> Any:
        """What the function returns, which should be one number."""
        return one_leaf(self.name, self.f(chosen))


def one_leaf(name: str, y: Any) -> Any:
    """The one tensor, or number, that a function returned."""
    if not is_leaf(y):
        raise TypeError(f"{name}: the function should return one tensor, and it returned {type(y).__name__}")
    return y


def grad(f: _Function, argnums: _Argnums = 0, *, has_aux: bool = False) -> _Function:
    """`∂y/∂x` of a function that returns one number: a function of the same arguments that returns the gradient by those that
    `argnums` counts, in their structure.

    Arguments are tensors, numbers or arrays, in lists, tuples, dicts and dataclasses of any nesting; others pass through as
    they are, as do keywords. Derivatives nest, and what `f` uses besides its arguments stays differentiable. With `has_aux`
    the function returns `(y, aux)`, and its derivative `(gradient, aux)`.

    Raises ValueError if `f` does not return one number, TypeError if there is nothing to differentiate by. Warns if `f` read the
    value of a variable (`float(x)`, `x.item()`, `x.numpy()`) and returned no tensor: its derivative is 0.

    >>> def f(x): return x.tanh()
    >>> print(f"{femtograd.grad(f)(0.5):.4f} {femtograd.grad(femtograd.grad(f))(0.5):.4f}")
    0.7864 -0.7269
    >>> line = {"slope": 2.0, "height": 1.0}
    >>> femtograd.grad(lambda line: line["slope"] * 3 + line["height"])(line)
    {'slope': constant(3.0), 'height': constant(1.0)}
    """
    _check("grad", f)
    both = value_and_grad(f, argnums, has_aux=has_aux)

    @functools.wraps(f)
    def of_arguments(*args: Any, **kwargs: Any) -> Any:
        y, g = both(*args, **kwargs)
        return (g, y[1]) if has_aux else g

    return of_arguments


def value_and_grad(f: _Function, argnums: _Argnums = 0, *, has_aux: bool = False) -> _Function:
    """`(y, ∂y/∂x)` of a function that returns one number: see `grad`. With `has_aux` it is `((y, aux), ∂y/∂x)`.

    >>> y, (da, db) = femtograd.value_and_grad(lambda a, b: a * b + b**2, argnums=(0, 1))(2.0, 3.0)
    >>> print(y, da, db)
    15.0 3.0 8.0
    """
    _check("value_and_grad", f)

    @functools.wraps(f)
    def of_arguments(*args: Any, **kwargs: Any) -> Any:
        call = _Call("grad", f, argnums, args, kwargs)
        aux: Any = None

        def of_flat(flat: list[Tensor]) -> list[Any]:
            nonlocal aux
            y = call.f(rebuilt(call.chosen, iter(flat)))
            if has_aux:
                if not (isinstance(y, tuple) and len(y) == 2):
                    raise TypeError(f"grad: with has_aux the function returns (y, aux), not {type(y).__name__}")
                y, aux = y
            return [one_leaf("grad", y)]

        y, g = engine._value_and_grad(of_flat, call.flat)
        return ((y, aux) if has_aux else y), call.like_arguments(g)

    return of_arguments


def vjp(f: _Function, *args: Any) -> tuple[Any, Callable[[Any], tuple[Any, ...]]]:
    """`(y, pull)`: the value of a function and `pull(g) = gᵀ·∂y/∂x`, which carries a cotangent for each result back to the
    arguments: the vector-Jacobian product. `pull` may be called again.

    >>> y, pull = femtograd.vjp(lambda x: x * x, 3.0)
    >>> print(y, pull(10.0)[0])
    9.0 60.0
    """
    _check("vjp", f)
    call = _Call("vjp", f, range(len(args)), args, {})
    of_flat = Structured(call.f, call.chosen)
    flat, linear = engine._vjp(of_flat, call.flat)
    y = of_flat.put_together(flat)

    def pull(cotangents: Any) -> tuple[Any, ...]:
        """What the cotangents of the results add to those of the arguments."""
        back: tuple[Any, ...] = call.like_arguments(linear(leaves_like("the cotangent", y, cotangents)))
        return back

    return y, pull


def _arguments(name: str, args: Any, along: Any, what: str) -> tuple[tuple[Any, ...], list[Any], bool]:
    """Arguments and what belongs to each of their tensors; whether they were given in a tuple or list."""
    several = isinstance(args, (tuple, list))
    if several != isinstance(along, (tuple, list)) and (several or not is_leaf(args)):
        raise TypeError(f"{name}: a {type(args).__name__} of arguments, and a {type(along).__name__} beside it")
    args, along = (tuple(args), tuple(along)) if several else ((args,), (along,))
    if len(args) != len(along):
        raise TypeError(f"{name}: {len(args)} arguments, and {len(along)} beside them")
    return args, leaves_like(what, args, along, f" of {name}"), several


def jvp(f: _Function, primals: Any, tangents: Any) -> tuple[Any, Any]:
    """`(y, ∂y/∂x·dx)`: the value of a function at the tuple or list of arguments `primals`, and its change when they move along
    `tangents`: the Jacobian-vector product, by forward mode.

    A function of one argument takes it without the tuple, unless it is itself a tuple or list.

    >>> y, dy = femtograd.jvp(lambda x, k: x**2 * k, (3.0, 1.0), (1.0, 0.5))
    >>> print(y, dy)  # 2xk·dx + x²·dk
    9.0 10.5
    """
    _check("jvp", f)
    args, flat_tangents, _ = _arguments("jvp", primals, tangents, "the tangent")
    call = _Call("jvp", f, range(len(args)), args, {})
    of_flat = Structured(call.f, call.chosen)
    y, dy = engine._jvp(of_flat, call.flat, flat_tangents)
    return of_flat.put_together(y), of_flat.put_together(dy)


def linearize(f: _Function, *args: Any) -> tuple[Any, Callable[..., Any]]:
    """`(y, push)`: the value of a function and `push(dx) = ∂y/∂x·dx`, its linear approximation there: `jvp` along any
    tangents from one evaluation.

    >>> y, push = femtograd.linearize(lambda x: x**2, 3.0)
    >>> print(y, push(1.0), push(0.5))
    9.0 6.0 3.0
    """
    _check("linearize", f)
    call = _Call("linearize", f, range(len(args)), args, {})
    of_flat = Structured(call.f, call.chosen)
    flat, linear = engine._linearize(of_flat, call.flat)
    y = of_flat.put_together(flat)

    def push(*tangents: Any) -> Any:
        """How the results change when the arguments move along these tangents."""
        if len(tangents) != len(args):
            raise TypeError(f"linearize: {len(args)} arguments, and tangents for {len(tangents)}")
        return rebuilt(y, iter(linear(leaves_like("the tangent", call.chosen, tangents))))

    return y, push


def jacobian(
    f: _Function, argnums: _Argnums = 0, *, mode: Literal["auto", "forward", "reverse"] = "auto"
) -> _Function:
    """`∂y/∂x` of a function of any results: for each result and each argument a tensor of shape `[…y, …x]`, in the structure
    of the results and within it that of the arguments.

    One pass for each number in the arguments (`mode="forward"`), for each in the results (`"reverse"`), or whichever are
    fewer (`"auto"`).

    >>> import numpy as np
    >>> femtograd.jacobian(lambda x: x**2)(np.array([1.0, 2.0])).tolist()
    [[2.0, 0.0], [0.0, 4.0]]
    """
    _check("jacobian", f)

    @functools.wraps(f)
    def of_arguments(*args: Any, **kwargs: Any) -> Any:
        call = _Call("jacobian", f, argnums, args, kwargs)
        of_flat = Structured(call.f, call.chosen)
        rows = engine._jacobian(of_flat, call.flat, mode)
        return of_flat.put_together([call.like_arguments(row) for row in rows])

    return of_arguments


def _scalar(call: _Call) -> Callable[[list[Tensor]], list[Any]]:
    return lambda flat: [call.number(rebuilt(call.chosen, iter(flat)))]


def hessian(f: _Function, argnums: _Argnums = 0) -> _Function:
    """`∂²y/∂x∂x` of a function that returns one number: for each pair of arguments a tensor of shape `[…x, …x]`, in the
    structure of the arguments and within it that of the arguments again.

    >>> femtograd.hessian(lambda x, y: x**2 * y, argnums=(0, 1))(3.0, 5.0)
    ((constant(10.0), constant(6.0)), (constant(6.0), constant(0.0)))
    """
    _check("hessian", f)

    @functools.wraps(f)
    def of_arguments(*args: Any, **kwargs: Any) -> Any:
        call = _Call("hessian", f, argnums, args, kwargs)
        rows = engine._hessian(_scalar(call), call.flat)
        return call.like_arguments([call.like_arguments(row) for row in rows])

    return of_arguments


def hvp(f: _Function, primals: Any, vectors: Any) -> Any:
    """`∂²y/∂x∂x·v` of a function that returns one number, at the tuple of arguments `primals`: how its gradient changes along
    `vectors`. Forward mode over reverse mode: no Hessian is formed (Pearlmutter, *Fast exact multiplication by the
    Hessian*, 1994). A function of one argument takes it without the tuple.

    >>> femtograd.hvp(lambda x: x**4, 2.0, 10.0)  # 12x²·v
    constant(480.0)
    """
    _check("hvp", f)
    args, flat_vectors, several = _arguments("hvp", primals, vectors, "the direction")
    call = _Call("hvp", f, range(len(args)), args, {})
    product: tuple[Any, ...] = call.like_arguments(engine._hvp(_scalar(call), call.flat, flat_vectors))
    return product if several else product[0]


def hessian_diagonal(f: _Function, argnums: _Argnums = 0) -> _Function:
    """`∂²y/∂xᵢ²` of a function that returns one number, in the structure and the shapes of the arguments: the diagonal of the
    Hessian, which is not formed.

    >>> import numpy as np
    >>> femtograd.hessian_diagonal(lambda x: (x**3 * [1.0, 2.0]) @ [1.0, 1.0])(np.array([1.0, 2.0])).tolist()
    [6.0, 24.0]
    """
    _check("hessian_diagonal", f)

    @functools.wraps(f)
    def of_arguments(*args: Any, **kwargs: Any) -> Any:
        call = _Call("hessian_diagonal", f, argnums, args, kwargs)
        return call.like_arguments(engine._hessian_diagonal(_scalar(call), call.flat))

    return of_arguments


def laplacian(f: _Function, argnums: _Argnums = 0) -> _Function:
    """`Σᵢ ∂²y/∂xᵢ²` of a function that returns one number: the trace of its Hessian.

    >>> femtograd.laplacian(lambda x, y: x**2 + 3 * y**2, argnums=(0, 1))(1.0, 2.0)
    constant(8.0)
    """
    _check("laplacian", f)

    @functools.wraps(f)
    def of_arguments(*args: Any, **kwargs: Any) -> Any:
        call = _Call("laplacian", f, argnums, args, kwargs)
        return engine._laplacian(_scalar(call), call.flat)

    return of_arguments


def gradients(y: Tensor, xs: Any, cotangent: Any = None) -> Any:
    """`∂y/∂x` for each tensor in the structure `xs`, recorded: it can be differentiated again. Zeros for one that `y` was not
    computed from. The tensors' own `grad` stays as it is. A `y` of several numbers needs a `cotangent` of its shape.

    >>> x = Tensor(2.0)
    >>> y = x**3
    >>> dy = femtograd.gradients(y, x)
    >>> ddy = femtograd.gradients(dy, x)
    >>> print(dy, ddy)
    12.0 12.0
    """
    if not isinstance(y, Tensor):
        raise TypeError(f"gradients: of a tensor, not of {type(y).__name__}")
    return rebuilt(xs, iter(engine._gradients(y, leaves(xs), cotangent)))


def tangent(y: Tensor, xs: Any, dxs: Any) -> Tensor:
    """`Σ ∂y/∂x·dx` over the tensors in the structure `xs`, recorded: how `y` changes when they move along `dxs`, a structure
    alike. Forward mode over a graph that is there already.

    >>> x = Tensor([3.0, 4.0])
    >>> print(femtograd.tangent(x**2, x, [1.0, 0.5]))
    [6. 4.]
    """
    if not isinstance(y, Tensor):
        raise TypeError(f"tangent: of a tensor, not of {type(y).__name__}")
    return engine._tangent(y, leaves(xs), leaves_like("the tangent", xs, dxs))


def checkpoint(f: _Function) -> _Function:
    """`f`, keeping its arguments and its result alone: what it computes in between is let go and computed again when a
    derivative needs it (Griewank & Walther 2000; Chen et al. 2016). Gradients are the same, those of tensors that `f` uses
    besides its arguments included. It returns one tensor, and must compute the same each time.

    >>> w, x = Tensor(0.5), Tensor([1.0, 2.0])
    >>> @femtograd.checkpoint
    ... def layers(x):
    ...     for _ in range(10):
    ...         x = (x * w).tanh()
    ...     return x
    >>> y = layers(x)
    >>> y.op  # one node instead of 20
    'checkpoint'
    >>> y.backward([1.0, 1.0])
    >>> w.has_grad
    True
    """
    _check("checkpoint", f)

    @functools.wraps(f)
    def of_arguments(*args: Any, **kwargs: Any) -> Any:
        given = template((args, kwargs), is_tensor)

        def of_flat(flat: list[Tensor]) -> list[Any]:
            args, kwargs = filled(given, flat)
            return [one_leaf("checkpoint", f(*args, **kwargs))]

        return engine._checkpoint(of_flat, leaves((args, kwargs), is_tensor))

    return of_arguments


class Tape:
    """Derivatives in the style of TensorFlow: what is watched is what is differentiated by. Every tensor has the tape within
    it, so this only keeps the list.

    >>> with femtograd.Tape() as tape:
    ...     a, b = tape.watch(2.0), tape.watch(3.0)
    ...     c = a * b + b**2
    >>> da, db = tape.gradient(c)
    >>> print(da, db)
    3.0 8.0
    """

    def __init__(self) -> None:
        self._watched: list[Any] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def watch(self, x: Any) -> Any:
        """The same numbers, to compute with: tensors that results are differentiated by, in the structure of `x`.

        >>> femtograd.Tape().watch({"w": 1.0})
        {'w': Tensor(1.0)}
        """
        variable = lambda x: x if isinstance(x, Tensor) and x.requires_grad else Tensor(x)  # noqa: E731
        new = rebuilt(x, map(variable, leaves(x)))
        self._watched.append(new)
        return new

    def gradient(self, y: Tensor, xs: Any = None) -> Any:
        """The gradient of `y` by the tensors in `xs`, in their structure; by default a list with all that was watched.
        Recorded: it can be differentiated again.

        >>> tape = femtograd.Tape()
        >>> x = tape.watch(2.0)
        >>> print(tape.gradient(tape.gradient(x**3, x), x))
        12.0
        """
        return gradients(y, self._watched if xs is None else xs)
