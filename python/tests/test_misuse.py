"""Whatever a function is given, it answers or raises one of Python's own exceptions: random calls, thousands of each.

FEMTOGRAD_MISUSE=10000 sets how many of each.
"""

import inspect
import os
import resource
import warnings
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import femtograd
from femtograd import Tensor, constant

CALLS = int(os.environ.get("FEMTOGRAD_MISUSE", "500"))
BATCH = 100
ALLOWED = (ValueError, TypeError, IndexError, RuntimeError, MemoryError, AttributeError, OverflowError, KeyError, ZeroDivisionError, OSError)


def one(x):
    """A tensor: the class itself takes any attribute, as classes do."""
    if isinstance(x, type):
        raise TypeError("a class")
    return x


def targets():
    """(name, callable) of everything public."""
    import femtograd.nn
    import femtograd.optim

    for module in (femtograd, femtograd.nn, femtograd.optim):
        for name in module.__all__:
            thing = getattr(module, name)
            if callable(thing):
                yield f"{module.__name__}.{name}", thing
    skipped = {"__class__", "__new__", "__init__", "__init_subclass__", "__subclasshook__", "__getattribute__", "__setattr__", "__delattr__", "__dir__", "__sizeof__"}
    for name in dir(Tensor):
        member = inspect.getattr_static(Tensor, name)
        if name in skipped or not (callable(member) or inspect.isdatadescriptor(member)):
            continue
        if inspect.isgetsetdescriptor(member) or isinstance(member, property):
            yield f"Tensor.{name} =", lambda self, value, name=name: setattr(one(self), name, value)
        else:
            yield f"Tensor.{name}", getattr(Tensor, name)


TARGETS = dict(targets())


def value(random, depth=0):
    """Something a user may give by mistake."""
    kinds = 22 if depth < 2 else 16
    match random.randrange(kinds):
        case 0:
            return random.choice([0, 1, -1, 2, 3, 7, -9, 2**31, -(2**31), 2**63, -(2**63) - 1, 10**30])
        case 1:
            return random.choice([0.0, -0.0, 1.5, -2.0, float("inf"), float("nan"), 1e308, 1e-320])
        case 2:
            return random.choice([None, True, False, "", "abc", b"abc", "ij,jk->ik", "float32", "\0", "sum", 1j, ..., slice(None), slice(0, 10**9, -3), Fraction(1, 3)])
        case 3 | 4 | 5:
            shape = [random.randrange(4) for _ in range(random.randrange(5))]
            dtype = random.choice(["float32", "float64"])
            make = random.choice([Tensor, constant])
            return make(np.full(shape, random.choice([0.0, 1.0, -1.0, np.nan, 2.5])), dtype=dtype)
        case 6:
            return Tensor(random.choice([0.0, 2.0, -1.0])) * random.choice([1.0, 0.0])
        case 7:
            return np.zeros([random.randrange(3) for _ in range(random.randrange(4))], dtype=random.choice(["f4", "f8", "i8", "?", "c16", "O", "U3", "M8[s]", "f2", ">f8"]))
        case 8:
            return random.choice([np.float32(1), np.float64(2), np.int64(-3), np.bool_(True), np.array(5)])
        case 9:
            return random.choice([int, object(), len, Tensor, lambda *a: a, lambda x: x, lambda x: (x * x).sum(), lambda *a: 1 / 0, type, iter([1.0]), {1.0}, range(3)])
        case 10:
            return [random.randrange(-4, 5) for _ in range(random.randrange(5))]
        case 11:
            return tuple(random.randrange(-4, 5) for _ in range(random.randrange(4)))
        case 12:
            return random.randrange(-5, 6)
        case 13:
            return random.uniform(-2, 2)
        case 14:
            return Tensor(np.random.default_rng(random.randrange(99)).normal(size=(2, 3)))
        case 15:
            return femtograd.constant([[1.0, 2.0], [3.0, 4.0]])
        case 16 | 17 | 18:
            return [value(random, depth + 1) for _ in range(random.randrange(4))]
        case 19:
            return tuple(value(random, depth + 1) for _ in range(random.randrange(4)))
        case _:
            return {random.choice(["a", "b", 3]): value(random, depth + 1) for _ in range(random.randrange(3))}


def keywords(target):
    try:
        names = list(inspect.signature(target).parameters)
    except (TypeError, ValueError):
        names = []
    return [name for name in names if name not in ("self", "args", "kwargs")] + ["axis", "dtype"]


@pytest.fixture
def fenced(tmp_path, monkeypatch):
    """No files but here, no more memory than a few gigabytes, and no words about NaN."""
    monkeypatch.chdir(tmp_path)
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (6 << 30, hard))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        # What these calls may have switched on for the whole process.
        femtograd.trace_nonfinite(False)
        femtograd.keep_register(False)
        femtograd.set_threads(0)


@pytest.mark.parametrize("name", TARGETS)
@settings(max_examples=max(CALLS // BATCH, 1), deadline=None, suppress_health_check=list(HealthCheck), database=None, derandomize=True)
@given(random=st.randoms(use_true_random=False))
def test_misuse(name, fenced, random):
    target, names = TARGETS[name], keywords(TARGETS[name])
    for _ in range(BATCH):
        arguments = [value(random) for _ in range(random.randrange(5))]
        if name.startswith("Tensor.") and random.random() < 0.9:
            arguments = [Tensor(np.ones([random.randrange(4) for _ in range(random.randrange(4))])), *arguments[:3]]
        named = {random.choice(names): value(random) for _ in range(random.choice([0, 0, 1, 2]))}
        try:
            result = target(*arguments, **named)
            if inspect.isgenerator(result):
                result.close()
        except ALLOWED as error:
            assert "internal error" not in str(error), f"{name}(*{arguments!r}, **{named!r}): {error}"
