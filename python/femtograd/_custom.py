"""Rules of one's own."""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

import numpy as np

from femtograd import _femtograd as engine
from femtograd._femtograd import Tensor
from femtograd._tree import is_real, leaves

_Function = Callable[..., Any]


class _Arguments:
    """Positional arguments without those that are differentiated by: see `template` in _tree.py."""

    def __init__(self, args: tuple[Any, ...]) -> None:
        self.args = [None if is_real(x) else x for x in args]
        self.places = [i for i, x in enumerate(args) if is_real(x)]

    def of(self, args: tuple[Any, ...]) -> list[Any]:
        """Those of the arguments that are differentiated by."""
        return [args[i] for i in self.places]

    def all(self, flat: Sequence[Any]) -> list[Any]:
        """All arguments, with these in the tensors' places."""
        args = list(self.args)
        for i, x in zip(self.places, flat, strict=True):
            args[i] = x
        return args

    def wanted(self, name: str, back: Any, y: Tensor, flat: Sequence[Tensor], wanted: list[int]) -> list[Any]:
        """Of what a rule returned for the arguments, those that are wanted."""
        if not isinstance(back, (tuple, list)):
            back = (back,)
        if len(back) == len(self.args):
            back = [back[i] for i in self.places]
        elif len(back) != len(self.places):
            raise ValueError(
                f"{name}: its vjp returned {len(back)} cotangents for {len(self.args)} arguments: one for each, "
                "None where there is none"
            )
        for i in wanted:
            shape = None if back[i] is None else np.shape(back[i])
            if shape not in (None, flat[i].shape, y.shape):
                raise ValueError(
                    f"{name}: its vjp returned a cotangent of shape {list(shape or ())} for argument {self.places[i]} of "
                    f"shape {list(flat[i].shape)}\n  at {y.location}"
                )
        return [back[i] for i in wanted]

    def refuse_hidden(self, name: str, kwargs: dict[str, Any]) -> None:
        """Refuses variables where no rule gives them a gradient."""
        hidden = [(f"argument {i}", x) for i, x in enumerate(self.args) if x is not None]
        for where, x in hidden + [(f"the keyword {key!r}", x) for key, x in kwargs.items()]:
            if any(isinstance(leaf, Tensor) and leaf.requires_grad for leaf in leaves(x)):
                raise TypeError(
                    f"{name}: {where} holds a variable, to which its rule would give no gradient: pass it as a positional "
                    "argument of its own, or its detach()"
                )


class custom_gradient:
    """A function whose derivative follows a rule of your own: clipped, scaled, reversed, or straight through a step.

    Decorate the function, and give the rule with `defvjp`: `vjp(g, y, *x)` returns what the cotangent `g` of the result `y`
    adds to that of each argument; one of them alone if there is one argument; None for nothing. What is written with tensor
    operations can be differentiated again. Where Python knows `jax.custom_vjp` or `torch.autograd.Function`: what was saved
    for the way back are the arguments and the result themselves.

    Tensors, floats and arrays of floats among the positional arguments are differentiated by; others (sizes, labels) pass
    through as they are, as do keywords, which the rule gets too. A variable inside a list, a dict or a keyword would lose
    its gradient and is a TypeError.

    >>> import numpy as np
    >>> @femtograd.custom_gradient
    ... def rounded(x):
    ...     return np.round(x)  # on numbers: NumPy is fine
    >>> @rounded.defvjp
    ... def _(g, y, x):
    ...     return g  # as if it were not there (Bengio et al. 2013)
    >>> x = Tensor(2.7)
    >>> (rounded(x) ** 2).backward()
    >>> print(x.grad)
    6.0
    """

    def __init__(self, f: _Function, vjp: _Function | None = None) -> None:
        for function in (f, vjp):
            if not callable(function) and function is not None:
                raise TypeError(f"custom_gradient: a function is wanted, not {type(function).__name__}")
        functools.update_wrapper(self, f)
        self._f, self._vjp = f, vjp
        self._name = getattr(f, "__name__", "custom_gradient")

    def defvjp(self, vjp: _Function) -> _Function:
        """Sets the rule: `vjp(g, y, *x)`. Also a decorator.

        >>> square = femtograd.custom_gradient(lambda x: x * x)
        >>> _ = square.defvjp(lambda g, y, x: -2 * x * g)  # the wrong way round
        >>> print(femtograd.grad(square)(3.0))
        -6.0
        """
        if not callable(vjp):
            raise TypeError(f"defvjp: a function is wanted, not {type(vjp).__name__}")
        self._vjp = vjp
        return vjp

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self if instance is None else functools.partial(self, instance)

    def __call__(self, *args: Any, **kwargs: Any) -> Tensor:
        rule = self._vjp
        if rule is None:
            raise TypeError(f"{self._name}: it has no rule for its derivative yet: give it one with defvjp")
        name, given, f = self._name, _Arguments(args), self._f
        given.refuse_hidden(name, kwargs)

        def forward(flat: Sequence[Tensor]) -> Any:
            return f(*given.all(flat), **kwargs)

        def vjp(g: Tensor, y: Tensor, flat: Sequence[Tensor], wanted: list[int]) -> list[Any]:
            return given.wanted(name, rule(g, y, *given.all(flat), **kwargs), y, flat, wanted)

        return engine._apply(name, forward, vjp, None, False, given.of(args))


class Op:
    """An operation of your own: how to compute it, and its derivative in both directions. Subclass it, and call what you
    make of the class.

    `forward(*x)` gives the value; in it nothing is recorded, and NumPy is fine. `vjp(g, y, *x)` gives what the cotangent `g`
    of the result `y` adds to that of each argument, as in `custom_gradient`. `jvp(dx, y, *x)` gives the tangent of `y`, where
    `dx` has None for each argument that does not move; without it forward mode transposes `vjp`. With `vjp` and `jvp` in
    tensor operations, derivatives of every order follow. `verify` and `gradcheck` check them.

    >>> class Cube(femtograd.Op):
    ...     def forward(self, x):
    ...         return x.numpy() ** 3
    ...     def vjp(self, g, y, x):
    ...         return g * 3 * x**2
    >>> cube = Cube()
    >>> x = Tensor(2.0)
    >>> y = cube(x)
    >>> y.op
    'cube'
    >>> dy = femtograd.gradients(y, x)
    >>> print(dy, femtograd.gradients(dy, x))
    12.0 12.0
    """

    name: str | None = None

    def __call__(self, *args: Any) -> Tensor:
        name, given = self.name or type(self).__name__.lower(), _Arguments(args)
        given.refuse_hidden(name, {})

        def forward(flat: Sequence[Tensor]) -> Any:
            return self.forward(*given.all(flat))

        def vjp(g: Tensor, y: Tensor, flat: Sequence[Tensor], wanted: list[int]) -> list[Any]:
            return given.wanted(name, self.vjp(g, y, *given.all(flat)), y, flat, wanted)

        def jvp(dx: Sequence[Tensor | None], y: Tensor, flat: Sequence[Tensor]) -> Any:
            moves: list[Tensor | None] = [None] * len(given.args)
            for i, d in zip(given.places, dx, strict=True):
                moves[i] = d
            return self.jvp(tuple(moves), y, *given.all(flat))

        has_jvp = type(self).jvp is not Op.jvp
        return engine._apply(name, forward, vjp, jvp if has_jvp else None, True, given.of(args))

    def forward(self, *x: Any) -> Any:
        """The value, from the arguments.

        >>> class Half(femtograd.Op):
        ...     def forward(self, x):
        ...         return x / 2
        >>> print(Half()(Tensor(3.0)))
        1.5
        """
        self._missing("forward(self, *x)")

    def vjp(self, g: Tensor, y: Tensor, *x: Any) -> Any:
        """What the cotangent `g` of the result `y` adds to that of each argument.

        >>> class Product(femtograd.Op):
        ...     def forward(self, a, b):
        ...         return a * b
        ...     def vjp(self, g, y, a, b):
        ...         return g * b, g * a
        >>> print(*femtograd.grad(Product(), argnums=(0, 1))(2.0, 3.0))
        3.0 2.0
        """
        self._missing("vjp(self, g, y, *x)")

    def jvp(self, dx: tuple[Tensor | None, ...], y: Tensor, *x: Any) -> Any:
        """The tangent of `y` when the arguments move along `dx`.

        >>> class Square(femtograd.Op):
        ...     def forward(self, x):
        ...         return x * x
        ...     def jvp(self, dx, y, x):
        ...         return 2 * x * dx[0]
        >>> print(femtograd.jvp(Square(), 3.0, 1.0)[1])
        6.0
        """
        self._missing("jvp(self, dx, y, *x)")

    def _missing(self, what: str) -> NoReturn:
        raise NotImplementedError(f"{type(self).__name__} has no {what}")
