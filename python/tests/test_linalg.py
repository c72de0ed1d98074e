"""Products and linear algebra: values against NumPy's, gradients against differences."""

import numpy as np
import pytest
from test_elementwise import STUBS, names_of

import femtograd
from femtograd import Tensor, einsum

numbers = np.random.default_rng(7)


def some(*shape):
    """Numbers that float32 has exactly."""
    return np.round(numbers.normal(size=shape) * 64) / 64


def regular(n, *batch):
    return some(*batch, n, n) + 3 * np.eye(n)


def positive(n, *batch):
    a = some(*batch, n, n)
    return a @ np.swapaxes(a, -1, -2) + n * np.eye(n)


def symmetric(a):
    return (a + np.swapaxes(a, -1, -2)) / 2


def triangle(a, lower, unit):
    part = np.tril(a, -1 if unit else 0) if lower else np.triu(a, 1 if unit else 0)
    return part + np.eye(a.shape[-1]) if unit else part


def numpys_solve(a, b):
    return np.linalg.solve(a, b[..., None])[..., 0] if b.ndim == 1 else np.linalg.solve(a, b)


# Method, what it is of, the same of arrays, options.
CASES = [
    ("matmul", [some(3, 4), some(4, 2)], np.matmul, {}),
    ("matmul", [some(4), some(4)], np.matmul, {}),
    ("matmul", [some(2, 3, 4), some(4)], np.matmul, {}),
    ("matmul", [some(2, 1, 3, 4), some(3, 4, 2)], np.matmul, {}),
    ("dot", [some(4), some(4)], np.dot, {}),
    ("dot", [some(3, 4), some(4, 2)], np.dot, {}),
    ("dot", [some(2, 3, 4), some(4)], np.dot, {}),
    ("dot", [some(), some(2, 3)], np.dot, {}),
    ("dot", [some(3, 4), some(2, 4, 5)], np.dot, {}),
    ("dot", [some(2, 3, 4), some(5, 2, 4, 3)], np.dot, {}),
    ("dot", [some(4), some(2, 4, 3)], np.dot, {}),
    ("outer", [some(3), some(4)], np.outer, {}),
    ("outer", [some(2, 2), some()], np.outer, {}),
    ("trace", [some(3, 4)], np.trace, {}),
    ("trace", [some(3, 4)], np.trace, {"offset": -1}),
    ("trace", [some(2, 3, 4)], np.trace, {"offset": 1, "axis1": -1, "axis2": 0}),
    ("solve", [regular(3), some(3)], numpys_solve, {}),
    ("solve", [regular(3), some(3, 2)], numpys_solve, {}),
    ("solve", [regular(3, 2, 1), some(4, 3, 2)], numpys_solve, {}),
    ("inv", [regular(3)], np.linalg.inv, {}),
    ("inv", [regular(2, 3)], np.linalg.inv, {}),
    ("det", [regular(3)], np.linalg.det, {}),
    ("det", [regular(2, 2, 2)], np.linalg.det, {}),
    ("cholesky", [positive(3)], lambda a: np.linalg.cholesky(symmetric(a)), {}),
    ("cholesky", [positive(2, 3)], lambda a: np.linalg.cholesky(symmetric(a)), {}),
    *(
        (
            "solve_triangular",
            [regular(3), some(3, 2)],
            lambda a, b, lower, unit_diagonal: np.linalg.solve(triangle(a, lower, unit_diagonal), b),
            {"lower": lower, "unit_diagonal": unit},
        )
        for lower in (True, False)
        for unit in (True, False)
    ),
]


def test_every_product_is_in_the_table():
    listed = names_of("reductions, products, linear algebra", STUBS)
    reductions = {"sum", "mean", "max", "min", "prod", "var", "std", "norm", "logsumexp"}
    assert {name for name, *_ in CASES} | {"slogdet"} == listed - reductions
    assert names_of("functions: reductions, products, linear algebra", STUBS) == {"matmul", "dot", "outer", "einsum"}


def slopes(f, xs, i, h=2.0**-9):
    found = np.zeros_like(xs[i])
    for at in np.ndindex(xs[i].shape):
        step = np.zeros_like(xs[i])
        step[at] = h

        def shifted(times, step=step):
            return f(*[x + times * step if k == i else x for k, x in enumerate(xs)])

        found[at] = (8 * (shifted(1) - shifted(-1)) - (shifted(2) - shifted(-2))) / (12 * h)
    return found


def check(function, xs, reference, dtype):
    """Value and gradients of a function of tensors against one of arrays."""
    arguments = [Tensor(x.astype(dtype)) for x in xs]
    xs = [x.numpy().astype(float) for x in arguments]
    y, expected = function(*arguments), np.asarray(reference(*xs))
    rtol, atol = (1e-4, 1e-4) if dtype == "float32" else (1e-10, 1e-11)
    assert y.dtype == dtype and y.shape == expected.shape
    np.testing.assert_allclose(y.numpy(), expected, rtol, atol)
    weights = np.linspace(1.0, 2.0, expected.size).reshape(expected.shape)
    y.backward(weights.astype(dtype))
    for i, x in enumerate(arguments):
        rtol, atol = (1e-3, 1e-3) if dtype == "float32" else (1e-7, 1e-7)
        expected = slopes(lambda *xs: np.sum(weights * reference(*xs)), xs, i)
        np.testing.assert_allclose(x.grad.numpy(), expected, rtol, atol)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case[0])
def test_values_and_gradients(case, dtype):
    name, xs, reference, options = case

    def method(x, *others):
        return getattr(x, name)(*others, **options)

    check(method, xs, lambda *xs: reference(*xs, **options), dtype)


@pytest.mark.parametrize("name", ["matmul", "dot", "outer"])
def test_functions_of_the_package(name):
    for xs in (xs for n, xs, _, _ in CASES if n == name):
        expected = getattr(np, name)(*xs)
        for y in (getattr(femtograd, name)(Tensor(xs[0]), xs[1]), getattr(femtograd, name)(xs[0], Tensor(xs[1]))):
            assert y.requires_grad
            np.testing.assert_allclose(y.numpy(), expected, 1e-14, 1e-14)


EQUATIONS = [
    ("ij,jk->ik", (2, 3), (3, 4)),
    ("ij,jk", (2, 3), (3, 4)),
    ("ii", (3, 3)),
    ("ii->i", (3, 3)),
    ("i,j", (2,), (3,)),
    ("...ij,...jk->...ik", (2, 3, 4), (4, 2)),
    ("ijk->kij", (2, 3, 4)),
    ("bi,ij,bj->b", (5, 2), (2, 3), (5, 3)),
    ("ij->", (2, 3)),
    (" i j , j -> i ", (2, 3), (3,)),
]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", EQUATIONS, ids=lambda case: case[0])
def test_einsum(case, dtype):
    equation, *shapes = case
    xs = [some(*shape) for shape in shapes]
    check(lambda *xs: einsum(equation, *xs), xs, lambda *xs: np.einsum(equation, *xs), dtype)


def test_einsum_refuses():
    x = Tensor(some(2, 3), label="x")
    for equation in ("i", "ij,jk", "i1", "ij->ii", "ij->k", "ijé", "i..j", "->", "", "ij->i->j", "....ij"):
        with pytest.raises(ValueError, match=r'einsum: [^\n]*\n  arguments: "x" \[2, 3\]\n  at .*test_linalg.py:\d+'):
            einsum(equation, x)
    with pytest.raises(ValueError, match="einsum: \"ij\" needs operands, none are given"):
        einsum("ij")
    with pytest.raises(TypeError):
        einsum(x, x)
    with pytest.raises(TypeError):
        einsum("i", None)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("batch", [(), (2,)])
def test_slogdet(batch, dtype):
    a = regular(3, *batch)
    sign, _ = Tensor(a.astype(dtype)).slogdet()
    expected = np.linalg.slogdet(a)
    assert not sign.requires_grad and np.array_equal(sign.numpy(), expected[0])
    check(lambda a: a.slogdet()[1], [a], lambda a: np.linalg.slogdet(a)[1], dtype)
    singular = Tensor([[1.0, 2.0], [2.0, 4.0]])
    sign, logarithm = singular.slogdet()
    assert sign == 0 and logarithm == -np.inf
    with pytest.raises(ValueError, match="slogdet: a matrix is singular"):
        logarithm.backward()


def test_matrices_that_do_not_fit():
    wide, singular = Tensor(some(2, 3), label="a"), Tensor([[1.0, 2.0], [2.0, 4.0]], label="a")
    place = r"(.|\n)*\n  at .*test_linalg.py:\d+"
    for call in (
        lambda: wide.matmul(some(2, 3)),
        lambda: wide.dot(some(2, 3)),
        lambda: wide.dot(some(4, 2, 3)),
        lambda: wide.matmul(2.0),
        lambda: wide.solve(some(2)),
        lambda: wide.inv(),
        lambda: wide.det(),
        lambda: wide.slogdet(),
        lambda: wide.cholesky(),
        lambda: wide.solve_triangular(some(2), lower=True),
        lambda: singular.solve(some(3)),
        lambda: singular.solve(1.0),
        lambda: singular.solve(some(2)),
        lambda: singular.inv(),
        lambda: Tensor(-np.eye(2), label="a").cholesky(),
        lambda: Tensor(np.tri(2, k=-1), label="a").solve_triangular(some(2), lower=True),
        lambda: wide.trace(axis1=2),
        lambda: wide.trace(axis1=1),
        lambda: wide.sum().trace(),
    ):
        with pytest.raises(ValueError, match=place):
            call()
    for call in (
        lambda: wide.matmul("a"),
        lambda: wide.outer(None),
        lambda: singular.solve("b"),
        lambda: singular.solve_triangular(some(2)),
        lambda: singular.solve_triangular(some(2), lower=1),
        lambda: wide.trace(0.5),
        lambda: wide.matmul(Tensor(np.float32(some(3, 2)))),
    ):
        with pytest.raises(TypeError):
            call()
    assert wide.trace(10**30) == 0.0


def test_matrices_of_no_numbers():
    none = Tensor(np.zeros((0, 0)))
    assert none.det() == 1.0 and none.inv().shape == none.cholesky().shape == (0, 0)
    assert none.solve(np.zeros((0, 2))).shape == (0, 2)
    assert Tensor(np.zeros((2, 0))).matmul(np.zeros((0, 3))).tolist() == [[0.0] * 3] * 2
    assert Tensor(np.zeros((2, 0))).dot(np.zeros((4, 0, 3))).shape == (2, 4, 3)


@pytest.mark.parametrize("b", [(0,), (0, 3), (2, 0, 3), (3, 0, 1), (1, 0, 2), (2, 2, 0, 3)])
@pytest.mark.parametrize("a", [(0,), (2, 0), (3, 2, 0), (0, 2, 0)])
def test_products_of_nothing_are_zero(a, b):
    try:
        expected = np.ones(a) @ np.ones(b)
    except ValueError:
        with pytest.raises(ValueError):
            np.ones(a) @ Tensor(np.ones(b))
        return
    x, y = Tensor(np.ones(a)), Tensor(np.ones(b))
    product = x @ y
    assert product.shape == expected.shape and not product.numpy().any()
    product.backward(np.ones(product.shape))
    assert x.grad.shape == a and y.grad.shape == b
