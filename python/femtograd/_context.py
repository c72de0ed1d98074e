"""What is different in a block or a function: nothing recorded, other products, uses of the strong zero counted."""

import functools
import inspect
import threading
from collections.abc import Awaitable, Callable, Generator
from dataclasses import dataclass
from types import TracebackType
from typing import Any, ClassVar, Literal, Self, TypeVar, cast, overload

from femtograd._femtograd import _Period

F = TypeVar("F", bound=Callable[..., Any])


class _During:
    """A block, as a context manager, or a function, as a decorator. One object may be entered again, by any thread."""

    _what: ClassVar[Literal["no_grad", "strict", "counting"]]

    @overload
    def __new__(cls, f: F) -> F: ...  # type: ignore[misc]  # a decorated function is a function
    @overload
    def __new__(cls, f: None = None) -> Self: ...
    def __new__(cls, f: Any = None) -> Any:
        new = super().__new__(cls)
        new._entered = []
        return new if f is None else new(f)

    _entered: list[tuple[int, _Period]]

    def __enter__(self) -> Self:
        self._entered.append((threading.get_ident(), _Period(self._what)))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._leave()

    def _leave(self) -> list[tuple[str, str, int]]:
        """Ends what this thread entered last, or else (a generator may go on elsewhere) anybody did."""
        thread = threading.get_ident()
        own = [i for i, (entered, _) in enumerate(self._entered) if entered == thread]
        _, period = self._entered.pop(own[-1] if own else -1)
        return period.end()

    def __call__(self, f: F) -> F:
        """The function, run so from its beginning to its end; of a generator or a coroutine, each of its steps."""
        if not callable(f):
            raise TypeError(f"{type(self).__name__}: a function is wanted, not {type(f).__name__}")
        new: Any
        if inspect.isasyncgenfunction(f):
            raise TypeError(f"{type(self).__name__}: an asynchronous generator takes a with statement inside")
        if inspect.iscoroutinefunction(f):

            async def of_coroutine(*args: Any, **kwargs: Any) -> Any:
                return await _Steps(type(self), f(*args, **kwargs))

            new = of_coroutine
        elif inspect.isgeneratorfunction(f):

            def of_generator(*args: Any, **kwargs: Any) -> Any:
                return (yield from _steps(type(self), f(*args, **kwargs)))

            new = of_generator
        else:

            def of_function(*args: Any, **kwargs: Any) -> Any:
                with type(self)():
                    return f(*args, **kwargs)

            new = of_function
        return cast(F, functools.wraps(f)(new))


def _steps(during: type[_During], inner: Any) -> Generator[Any, Any, Any]:
    """The steps of a generator or coroutine, each of them so; what happens between is not."""
    send: Callable[[], Any] = functools.partial(inner.send, None)
    try:
        while True:
            try:
                with during():
                    value = send()
            except StopIteration as end:
                return end.value
            try:
                sent = yield value
                send = functools.partial(inner.send, sent)
            except GeneratorExit:
                raise
            except BaseException as error:
                send = functools.partial(inner.throw, error)
    finally:
        with during():
            inner.close()


class _Steps(Awaitable[Any]):
    def __init__(self, during: type[_During], inner: Any) -> None:
        self.during, self.inner = during, inner

    def __await__(self) -> Generator[Any, Any, Any]:
        return _steps(self.during, self.inner)


class no_grad(_During):
    """Nothing is recorded: what is computed within are constants. A context manager and a decorator, for this thread.

    >>> x = Tensor(3.0)
    >>> with femtograd.no_grad():
    ...     y = x * x
    >>> y.requires_grad
    False
    >>> @femtograd.no_grad
    ... def accuracy(scores, labels):
    ...     return ((scores > 0.5) == labels).numpy().mean()
    >>> float(accuracy(Tensor([0.9, 0.2]), [1.0, 1.0]))
    0.5

    A transform inside records what it needs for itself: `grad(f)(x)` gives the right value there too.
    """

    _what = "no_grad"


class strict(_During):
    """Derivatives multiply as IEEE 754 says, without the strong zero: a slope that is infinite or NaN shows even where
    nothing depends on it. For comparing with other libraries. A context manager and a decorator, for this thread.

    >>> x = Tensor(0.0)
    >>> y = 0 * x**0.5
    >>> y.backward()
    >>> print(x.grad)  # the slope of the root is infinite, and nothing depends on it
    0.0
    >>> x.grad = None
    >>> with femtograd.strict():
    ...     y.backward()
    >>> print(x.grad)
    nan
    """

    _what = "strict"


@dataclass(frozen=True)
class StrongZero:
    """Where the strong zero made a difference: a product that would have been NaN was 0.

    >>> print(femtograd.StrongZero("sqrt", "train.py:7", 2))
    2 × in sqrt at train.py:7
    """

    op: str
    place: str
    count: int

    def __str__(self) -> str:
        return f"{self.count} × in {self.op} at {self.place}"


class count_strong_zeros(_During):
    """Counts, for each op and line, how often the strong zero made 0 of what would have been NaN in the derivatives
    computed within. They come out as ever. A context manager; `uses` lists them afterwards.

    >>> x = Tensor(0.0)
    >>> y = 0 * x**0.5
    >>> with femtograd.count_strong_zeros() as counted:
    ...     y.backward()
    >>> [use.op for use in counted.uses]
    ['pow']
    """

    _what = "counting"
    uses: tuple[StrongZero, ...] = ()

    def __call__(self, f: F) -> F:
        raise TypeError("count_strong_zeros: a with statement is wanted: what it finds is in its uses")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.uses = tuple(StrongZero(*use) for use in self._leave())
