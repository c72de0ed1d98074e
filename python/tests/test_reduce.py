"""Every reduction: values against NumPy's, over all axes and some; gradients against differences."""

import numpy as np
import pytest
from test_elementwise import STUBS, names_of

import femtograd
from femtograd import Tensor, constant

# Numbers that float32 has exactly, no two alike.
X = np.array([[[0.5, -1.25, 2.0], [3.5, 0.875, -0.375]], [[1.0, -2.0, 0.125], [-0.75, 4.0, 1.5]]])


def logsumexp(x, axis=None, keepdims=False):
    return np.log(np.exp(x).sum(axis=axis, keepdims=keepdims))


def norm(p):
    return lambda x, axis=None, keepdims=False: (np.abs(x) ** p).sum(axis=axis, keepdims=keepdims) ** (1 / p)


CASES = {
    "sum": ({}, np.sum),
    "mean": ({}, np.mean),
    "max": ({}, np.max),
    "min": ({}, np.min),
    "prod": ({}, np.prod),
    "var": ({}, np.var),
    "var of a sample": ({"ddof": 1}, lambda x, **k: np.var(x, ddof=1, **k)),
    "std": ({}, np.std),
    "std of a sample": ({"correction": 1}, lambda x, **k: np.std(x, ddof=1, **k)),
    "norm": ({}, norm(2)),
    "norm of order 3": ({"ord": 3}, norm(3)),
    "norm of order 1": ({"ord": 1}, norm(1)),
    "norm of order infinity": ({"ord": np.inf}, lambda x, **k: np.abs(x).max(**k)),
    "logsumexp": ({}, logsumexp),
}
AXES = [None, 0, 1, -1, (0, 2), (-1, 1), (0, 1, 2), ()]
# One element alone is no sample.
RUNS = [(name, axis) for name in CASES for axis in AXES if not (axis == () and name.endswith("of a sample"))]


def test_every_reduction_is_in_the_table():
    listed = names_of("reductions, products, linear algebra", STUBS)
    others = {"matmul", "dot", "outer", "trace", "solve", "solve_triangular", "inv", "cholesky", "slogdet", "det"}
    assert {name.split()[0] for name in CASES} == listed - others


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize(("name", "axis"), RUNS, ids=str)
def test_values_and_gradients(name, axis, keepdims, dtype):
    options, reference = CASES[name]
    x = Tensor(X.astype(dtype))
    y = getattr(x, name.split()[0])(axis=axis, keepdims=keepdims, **options)
    expected = reference(X, axis=axis, keepdims=keepdims)
    rtol, atol = (1e-5, 1e-6) if dtype == "float32" else (1e-13, 1e-14)
    assert y.dtype == dtype and y.shape == expected.shape
    np.testing.assert_allclose(y.numpy(), expected, rtol, atol)

    weights = np.linspace(1.0, 2.0, expected.size).reshape(expected.shape)
    y.backward(weights.astype(dtype))

    def f(x):
        return np.sum(weights * reference(x, axis=axis, keepdims=keepdims))

    h, slopes = 2.0**-10, np.zeros_like(X)
    for i in np.ndindex(X.shape):
        step = np.zeros_like(X)
        step[i] = h
        slopes[i] = (8 * (f(X + step) - f(X - step)) - (f(X + 2 * step) - f(X - 2 * step))) / (12 * h)
    if axis == () and name.split()[0] in ("var", "std"):
        slopes[:] = 0.0
    rtol, atol = (1e-4, 1e-5) if dtype == "float32" else (1e-8, 1e-9)
    assert x.grad.dtype == dtype
    np.testing.assert_allclose(x.grad.numpy(), slopes, rtol, atol)


def test_axes_are_whole_numbers_that_exist():
    x = Tensor(X, label="x")
    assert np.array_equal(x.sum(np.int64(1)).numpy(), X.sum(1))
    assert np.array_equal(x.sum([0, 1]).numpy(), X.sum((0, 1)))
    for name in ("sum", "mean", "max", "min", "prod", "var", "std", "norm", "logsumexp"):
        reduce = getattr(x, name)
        for axis in (3, -4, (0, 3), (1, 1), (0, -3), 10**30, -(10**30)):
            message = rf'{name}: .*\n  arguments: "x" \[2, 2, 3\]\n  at .*test_reduce.py:\d+'
            with pytest.raises(ValueError, match=message):
                reduce(axis=axis)
        for axis in (1.0, "0", True, (0, 1.5), {0}):
            with pytest.raises(TypeError, match=name + ": "):
                reduce(axis=axis)


def test_what_numpys_functions_hand_on():
    x = Tensor(X)
    assert x.sum(0, np.float64, None).shape == x.mean(0, "float64").shape == (2, 3)
    with pytest.raises(TypeError, match="sum: a graph has one type, here float64"):
        x.sum(dtype="float32")
    with pytest.raises(TypeError, match="a tensor is float32 or float64, not int64"):
        x.sum(dtype=int)
    for name in ("sum", "mean", "max", "min", "prod", "var", "std"):
        with pytest.raises(TypeError, match=name + ": out is not supported"):
            getattr(x, name)(out=np.zeros(()))
        with pytest.raises(TypeError):
            getattr(x, name)(where=X > 0)


def test_options():
    x = Tensor(X)
    with pytest.raises(TypeError, match="ddof and correction are the same"):
        x.var(ddof=1, correction=1)
    with pytest.raises(ValueError, match="std: ddof is at least 0, not -1"):
        x.std(ddof=-1)
    with pytest.raises(TypeError, match="var: ddof is a whole number, not float"):
        x.var(ddof=1.0)
    with pytest.raises(TypeError, match="norm: ord is a number, not str"):
        x.norm("fro")
    with pytest.raises(ValueError, match="norm: the order p is NaN"):
        x.norm(float("nan"))
    with pytest.raises(TypeError, match="norm: ord is a number, to which no gradient flows"):
        x.norm(Tensor(2.0))
    assert x.norm(0).item() == X.size


def test_ends():
    """Of no elements, of equal ones, and without overflow: as the contract says."""
    none = Tensor(np.zeros((0, 2)))
    assert none.sum().item() == 0 and none.prod().item() == 1
    assert none.max().item() == -np.inf and none.min().item() == np.inf
    assert np.isnan(none.mean().item())
    x = Tensor([3.0, 3.0, 1.0])
    x.max().backward()
    assert x.grad.tolist() == [0.5, 0.5, 0.0]
    x = Tensor([2.0, 0.0, 0.0])
    x.prod().backward()
    assert x.grad.tolist() == [0.0, 0.0, 0.0]
    assert Tensor([1000.0, 1000.0]).logsumexp().item() == 1000 + np.log(2)
    assert np.isclose(Tensor([3e200, 4e200]).norm().item(), 5e200)
    assert Tensor(5.0).sum().item() == 5 and Tensor(5.0).var().item() == 0


def test_constants_stay_constants():
    assert not constant(X).sum().requires_grad
    assert isinstance(femtograd.constant(X).max(axis=0), Tensor)
