"""NumPy's functions, and its arrays on the left of operators."""

import math
import operator

import numpy as np
import pytest

import femtograd
from femtograd import Tensor, _numpy, constant

REAL = np.array([-2.5, -0.75, 0.375, 1.25])
POSITIVE = np.array([0.25, 0.5, 1.25, 3.0])
OTHER = np.array([0.5, -1.25, 2.0, 0.875])
MATRIX = np.array([[2.0, 0.5, 1.0], [0.25, 3.0, -1.0], [1.0, 0.125, 4.0]])
CUBE = np.arange(24.0).reshape(2, 3, 4) / 8 - 1

OPERATORS = [operator.add, operator.sub, operator.mul, operator.truediv, operator.pow]
COMPARISONS = {
    operator.lt: np.less,
    operator.le: np.less_equal,
    operator.gt: np.greater,
    operator.ge: np.greater_equal,
    operator.eq: np.equal,
    operator.ne: np.not_equal,
}


def check(y, expected, *variables):
    """A tensor with these numbers and a history that reaches the variables."""
    assert isinstance(y, Tensor) and y.requires_grad
    assert y.shape == np.shape(expected)
    np.testing.assert_allclose(y.numpy(), expected, 1e-13, 1e-14)
    for x in variables:
        x.zero_grad()
    y.sum().backward()
    for x in variables:
        assert x.has_grad


# -- operators


@pytest.mark.parametrize("op", OPERATORS, ids=lambda op: op.__name__)
def test_numpy_on_the_left(op):
    scalars = (np.float64(2.0), np.float32(2.0), np.int64(3), np.array(2.5))
    for left in (POSITIVE, POSITIVE[:, None], np.arange(1, 5), *scalars):
        x = Tensor(OTHER)
        check(op(left, x), op(left, OTHER), x)
        # The same slopes as of the operator with a tensor on the left.
        again = Tensor(OTHER)
        op(constant(left), again).sum().backward()
        assert np.array_equal(x.grad.numpy(), again.grad.numpy())
    if op is not operator.pow:
        for right in (POSITIVE, POSITIVE[:, None], np.float64(2.0), np.array(2.5)):
            check(op(x, right), op(OTHER, right), x)


def test_products_with_numpy_on_the_left():
    x = Tensor(MATRIX)
    check(MATRIX @ x, MATRIX @ MATRIX, x)
    check(np.ones(3) @ x, MATRIX.sum(0), x)
    check(x @ np.ones(3), MATRIX.sum(1), x)


@pytest.mark.parametrize("op", COMPARISONS, ids=lambda op: op.__name__)
def test_comparisons_with_numpy_on_the_left(op):
    x = Tensor(OTHER)
    for left in (REAL, np.float64(0.5), np.array(0.5)):
        y = op(left, x)
        assert isinstance(y, Tensor) and not y.requires_grad
        assert np.array_equal(y.numpy(), op(left, OTHER))
    ufunc = COMPARISONS[op]
    assert np.array_equal(ufunc(x, REAL).numpy(), ufunc(OTHER, REAL))
    assert np.array_equal(ufunc(x, x).numpy(), ufunc(OTHER, OTHER))


def test_types():
    single = Tensor(np.float32([1.0, 2.0]))
    assert (np.float64(2.0) * single).dtype == (np.array([1.0, 2.0]) * single).dtype == "float32"
    assert (np.float32(2.0) * Tensor(1.0)).dtype == "float64"
    with pytest.raises(TypeError, match="do not mix"):
        np.hypot(single, Tensor(1.0))


def test_in_place_is_refused():
    array, x = REAL.copy(), Tensor(OTHER)
    with pytest.raises(TypeError, match=r"numpy.add: an array cannot take a tensor's result.* write a = a \+ t"):
        array += x
    with pytest.raises(TypeError, match="numpy.multiply: an array cannot"):
        array *= x
    with pytest.raises(TypeError, match="numpy.exp: an array cannot"):
        np.exp(x, out=array)
    assert np.array_equal(array, REAL)
    array += x.numpy()
    assert np.array_equal(array, REAL + OTHER)


# -- functions of numbers

DOMAIN = {
    np.log: POSITIVE,
    np.log2: POSITIVE,
    np.log10: POSITIVE,
    np.sqrt: POSITIVE,
    np.log1p: POSITIVE,
    np.arcsin: POSITIVE / 4,
    np.arccos: POSITIVE / 4,
    np.arctanh: POSITIVE / 4,
    np.arccosh: POSITIVE + 1,
    np.power: POSITIVE,
    np.matmul: MATRIX,
}


UFUNCS = [np.add, np.subtract, np.multiply, np.divide, *_numpy._UFUNCS]


@pytest.mark.parametrize("ufunc", UFUNCS, ids=lambda ufunc: ufunc.__name__)
def test_ufuncs(ufunc):
    numbers = DOMAIN.get(ufunc, REAL)
    x = Tensor(numbers)
    if ufunc.nin == 1:
        check(ufunc(x), ufunc(numbers), x)
        return
    other = MATRIX if ufunc is np.matmul else OTHER
    check(ufunc(x, other), ufunc(numbers, other), x)
    check(ufunc(x, Tensor(other)), ufunc(numbers, other), x)
    y = Tensor(other)
    check(ufunc(numbers, y), ufunc(numbers, other), y)
    if ufunc is not np.matmul:
        check(ufunc(2.0, y), ufunc(2.0, other), y)


def test_truth_values_are_numpys():
    x = Tensor([0.0, np.inf, np.nan, -1.0])
    for ufunc in (np.isfinite, np.isinf, np.isnan, np.signbit, np.logical_not):
        y = ufunc(x)
        assert type(y) is np.ndarray and y.dtype == bool and np.array_equal(y, ufunc(x.numpy()))
    assert np.array_equal(np.logical_and(x > -1, x < 1), [True, False, False, False])


def test_methods_of_ufuncs():
    x = Tensor(CUBE)
    check(np.add.reduce(x), np.add.reduce(CUBE), x)
    check(np.add.reduce(x, axis=(0, 2), keepdims=True), np.add.reduce(CUBE, axis=(0, 2), keepdims=True), x)
    check(np.multiply.reduce(x, axis=1), np.multiply.reduce(CUBE, axis=1), x)
    check(np.maximum.reduce(x, axis=None), CUBE.max(), x)
    check(np.minimum.reduce(x, -1), CUBE.min(-1), x)
    for call in (
        lambda: np.subtract.reduce(x),
        lambda: np.add.outer(x, x),
        lambda: np.add.at(x, 0, 1.0),
        lambda: np.add.reduceat(x, [0]),
        lambda: np.add.reduce(x, dtype="float32"),
        lambda: np.add.reduce(x, where=CUBE > 0),
    ):
        with pytest.raises(TypeError, match=r"t\.numpy\(\) is a tensor's array, to compute without gradients"):
            call()


def test_what_ufuncs_refuse():
    x = Tensor(REAL)
    for name, call in {
        "numpy.cbrt": lambda: np.cbrt(x),
        "numpy.floor_divide": lambda: REAL // x,
        "numpy.remainder": lambda: REAL % x,
        "numpy.modf": lambda: np.modf(x),
        "numpy.sin": lambda: np.sin(x, dtype="float32"),
        "numpy.exp": lambda: np.exp(x, where=REAL > 0),
    }.items():
        with pytest.raises(TypeError, match=name + r"(: \w+=)? is not .*\. " + name + r": t\.numpy\(\)"):
            call()
    for call in (
        lambda: np.add(x, "a"),
        lambda: np.array(["a"]) * x,
        lambda: np.array([None]) + x,
        lambda: np.hypot("a", x),
    ):
        with pytest.raises(TypeError):
            call()
    with pytest.raises(ValueError, match=r"add: shapes \[3\] and \[4\](.|\n)*test_numpy.py"):
        np.ones(3) + x


# -- functions of arrays. Each call is made with a tensor and with an array.

CALLS = {
    np.sum: [(CUBE,), (CUBE, 1), (CUBE, (0, 2))],
    np.mean: [(CUBE,), (CUBE, 0)],
    np.max: [(CUBE,), (CUBE, -1)],
    np.min: [(CUBE,), (CUBE, 1)],
    np.prod: [(CUBE,), (CUBE, 2)],
    np.var: [(CUBE,), (CUBE, 0)],
    np.std: [(CUBE,), (CUBE, 1)],
    np.ptp: [(CUBE,), (CUBE, 1)],
    np.trace: [(MATRIX,), (CUBE, 1, 1, 2)],
    np.round: [(REAL,), (REAL, 1)],
    np.clip: [(REAL, -1, 1), (REAL, None, OTHER)],
    np.dot: [(MATRIX, MATRIX), (REAL, OTHER), (CUBE, np.swapaxes(CUBE, 1, 2))],
    np.outer: [(REAL, OTHER)],
    np.vdot: [(MATRIX, MATRIX)],
    np.inner: [(REAL, OTHER), (MATRIX, MATRIX), (CUBE, REAL)],
    np.tensordot: [
        (CUBE, CUBE, 3),
        (CUBE, CUBE, 0),
        (CUBE, CUBE, ([0, 1], [0, 1])),
        (CUBE, CUBE, (-1, -1)),
        (CUBE, REAL, 1),
    ],
    np.einsum: [("ij,jk->ik", MATRIX, MATRIX)],
    np.where: [(REAL > 0, REAL, OTHER), (REAL > 0, REAL, 0.5)],
    np.linalg.norm: [
        (REAL,),
        (MATRIX,),
        (MATRIX, "fro"),
        (REAL, 3),
        (REAL, np.inf),
        (MATRIX, 1),
        (MATRIX, -1),
        (MATRIX, np.inf),
        (CUBE, -np.inf, (2, 0)),
        (CUBE, 1, (-1, 0)),
        (CUBE, 2, 1),
        (CUBE, None, (0, 1)),
    ],
    np.linalg.inv: [(MATRIX,)],
    np.linalg.det: [(MATRIX,)],
    np.linalg.solve: [(MATRIX, MATRIX[0]), (MATRIX, MATRIX)],
    np.linalg.cholesky: [(MATRIX @ MATRIX.T,)],
    np.linalg.slogdet: [(MATRIX,)],
    np.zeros_like: [(CUBE,)],
    np.ones_like: [(CUBE,)],
    np.full_like: [(CUBE, 3.0)],
    # Of the shape:
    np.reshape: [(CUBE, (4, 6)), (CUBE, -1)],
    np.transpose: [(MATRIX,), (CUBE, (1, 2, 0))],
    np.squeeze: [(CUBE[:1],), (CUBE[:, :1], 1)],
    np.expand_dims: [(CUBE, 0), (CUBE, -1)],
    np.swapaxes: [(CUBE, 0, -1)],
    np.moveaxis: [(CUBE, 0, -1)],
    np.broadcast_to: [(REAL, (3, 4))],
    np.diagonal: [(MATRIX,), (CUBE, 1, -1, 0)],
    np.diag: [(REAL,), (MATRIX, 1)],
    np.tril: [(MATRIX,), (CUBE, -1)],
    np.triu: [(MATRIX,), (CUBE, 1)],
    np.flip: [(CUBE,), (CUBE, 1)],
    np.tile: [(REAL, 2), (MATRIX, (2, 1))],
    np.take_along_axis: [(CUBE, np.argsort(-CUBE, axis=1), 1)],
    np.ravel: [(CUBE,)],
    np.concatenate: [([CUBE, CUBE],), ([CUBE, CUBE], 1), ([CUBE, REAL], None)],
    np.stack: [([REAL, OTHER],), ([REAL, OTHER], 1)],
    np.vstack: [([REAL, OTHER],), ([MATRIX, MATRIX],)],
    np.hstack: [([REAL, OTHER],), ([MATRIX, MATRIX],)],
    np.atleast_1d: [(REAL,), (np.array(2.0),)],
    np.cumsum: [(CUBE,), (CUBE, 1)],
    np.cumprod: [(CUBE,), (CUBE, -1)],
    np.sort: [(CUBE,), (-CUBE, 1), (CUBE, None)],
    np.repeat: [(REAL, 2), (CUBE, 2, 1)],
    np.pad: [(REAL, (1, 2)), (CUBE, ((0, 0), (1, 0), (0, 2)))],
    np.take: [(CUBE, [0, -1], 1), (REAL, 2)],
    np.split: [(CUBE, 2), (CUBE, [1, 2], 1)],
    np.roll: [(CUBE, 2), (CUBE, -1, 1)],
}
CONSTANTS = {np.zeros_like, np.ones_like, np.full_like}


def test_every_function_is_called():
    assert set(CALLS) == set(_numpy._FUNCTIONS)


@pytest.mark.parametrize("function", CALLS, ids=lambda function: function.__name__)
def test_functions(function):
    for arguments in CALLS[function]:
        variables = []

        def tensor(x, variables=variables):
            if isinstance(x, list) and isinstance(x[0], np.ndarray):
                return [tensor(part) for part in x]
            if not isinstance(x, np.ndarray) or x.dtype != float:
                return x
            variables.append(Tensor(x))
            return variables[-1]

        y, expected = function(*map(tensor, arguments)), function(*arguments)
        if function is np.split:
            assert len(y) == len(expected)
            for part, numbers in zip(y, expected, strict=True):
                check(part, numbers, *variables)
        elif function in CONSTANTS:
            assert not y.requires_grad and np.array_equal(y.numpy(), expected)
        elif function is np.linalg.slogdet:
            assert y.sign.numpy() == expected.sign
            check(y.logabsdet, expected.logabsdet, *variables)
        else:
            check(y, expected, *variables)


def test_keywords():
    x = Tensor(CUBE)
    check(np.sum(a=x, axis=1, keepdims=True), CUBE.sum(1, keepdims=True), x)
    check(np.max(x, axis=0, out=None), CUBE.max(0), x)
    check(np.var(x, axis=0, ddof=1), CUBE.var(0, ddof=1), x)
    check(np.clip(x, min=0, max=1), np.clip(CUBE, 0, 1), x)
    check(np.linalg.norm(x, axis=1, keepdims=True), np.linalg.norm(CUBE, axis=1, keepdims=True), x)
    check(np.linalg.norm(x, 1, (0, 2), keepdims=True), np.linalg.norm(CUBE, 1, (0, 2), keepdims=True), x)
    check(np.einsum("ijk->kj", x, optimize=True), np.einsum("ijk->kj", CUBE), x)
    positive = Tensor(MATRIX @ MATRIX.T)
    check(np.linalg.cholesky(positive, upper=True), np.linalg.cholesky(MATRIX @ MATRIX.T, upper=True), positive)


def test_arrays_before_the_tensor():
    x = Tensor(REAL)
    check(np.clip(OTHER, None, x), np.clip(OTHER, None, REAL), x)
    check(np.where(x > 0, OTHER, x), np.where(REAL > 0, OTHER, REAL), x)
    check(np.concatenate([OTHER, x]), np.concatenate([OTHER, REAL]), x)
    check(np.linalg.solve(MATRIX, Tensor(MATRIX[0])), np.linalg.solve(MATRIX, MATRIX[0]))


def test_what_has_no_gradient_is_numpys():
    x = Tensor(CUBE)
    for function in (np.any, np.all, np.argmax, np.argmin, np.argsort, np.count_nonzero, np.isposinf, np.ndim, np.size):
        y = function(x)
        assert not isinstance(y, Tensor) and np.array_equal(y, function(CUBE))
    assert np.shape(x) == (2, 3, 4) and np.argmax(x, axis=1).tolist() == CUBE.argmax(1).tolist()
    assert np.allclose(x, CUBE) and np.array_equal(CUBE, x) and not np.allclose(x, x + 1)
    assert np.isclose(x, CUBE).all() and np.nonzero(Tensor([0.0, 2.0]))[0].tolist() == [1]
    assert np.where(Tensor([0.0, 2.0]))[0].tolist() == [1]
    assert np.array_str(Tensor([1.0])) == "[1.]"
    np.testing.assert_allclose(x, CUBE)
    np.testing.assert_array_equal(x, CUBE)
    with pytest.raises(AssertionError):
        np.testing.assert_allclose(x, CUBE + 1)


def test_what_functions_refuse():
    x = Tensor(CUBE)
    for name, call in {
        "numpy.median": lambda: np.median(x),
        "numpy.fft.fft": lambda: np.fft.fft(x),
        "numpy.copyto": lambda: np.copyto(CUBE.copy(), x),
        "numpy.linalg.svd": lambda: np.linalg.svd(x),
        "numpy.kron": lambda: np.kron(x, x),
    }.items():
        sentence = rf"{name} is not among the functions that tensors have\. {name}: t\.numpy\(\)"
        with pytest.raises(TypeError, match=sentence):
            call()
    for call in (
        lambda: np.sum(x, where=CUBE > 0),
        lambda: np.sum(x, initial=1.0),
        lambda: np.sum(x, dtype=int),
        lambda: np.clip(x, 0, 1, dtype="float32"),
        lambda: np.linalg.norm(x, "nuc", (0, 1)),
        lambda: np.linalg.norm(x, 3, (0, 1)),
        lambda: np.einsum(x, [0, 1, 2]),
        lambda: np.full_like(x, Tensor(1.0)),
        lambda: np.where(CUBE > 0, x),
    ):
        with pytest.raises(TypeError):
            call()
    out = np.zeros(())
    for call in (lambda: np.sum(x, out=out), lambda: np.clip(x, 0, 1, out=np.zeros_like(CUBE))):
        with pytest.raises(TypeError, match=r"an array cannot take a tensor's result \(out=\)"):
            call()
    for call in (lambda: np.tensordot(x, x, 4), lambda: np.tensordot(x, x, ([0], [0, 1])), lambda: np.sum(x, 5)):
        with pytest.raises(ValueError):
            call()


def test_mistakes_in_numpys_functions_name_the_users_line():
    with pytest.raises(ValueError, match=r"matmul: (.|\n)*at .*test_numpy.py:\d+"):
        np.dot(Tensor(MATRIX), np.ones(4))
    assert "test_numpy.py" in np.sum(Tensor(CUBE)).location
    assert "test_numpy.py" in (np.float64(2) * Tensor(1.0)).location


def test_foreign_array_types_are_asked_themselves():
    class Foreign:
        def __array_function__(self, function, types, args, kwargs):
            return "asked"

    assert np.concatenate([Tensor(REAL), Foreign()]) == "asked"


def test_a_loop_in_numpys_numbers():
    """As gradient descent is written with numbers from NumPy's generator."""
    random = np.random.default_rng(0)
    w, b = Tensor(0.0), Tensor(0.0)
    for _ in range(200):
        x = random.uniform(-1, 1)
        loss = (np.float64(x) * w + b - (3 * x + 1)) ** 2
        w.zero_grad()
        b.zero_grad()
        loss.backward()
        w.data -= 0.3 * w.grad
        b.data -= 0.3 * b.grad
    assert math.isclose(w, 3, abs_tol=1e-3) and math.isclose(b, 1, abs_tol=1e-3)
    assert femtograd.exp(np.float64(1.0)).item() == math.e


def test_what_arrays_cannot_say_is_refused():
    masked = np.ma.array([1.0, 2.0], mask=[False, True])
    with pytest.raises(TypeError, match="no mask"):
        Tensor(masked)
    assert Tensor(masked.filled(0.0)).tolist() == [1.0, 0.0]
    assert Tensor(np.ma.array([1.0, 2.0])).tolist() == [1.0, 2.0]
    deep = Tensor(1.0).reshape(*[1] * 65)
    with pytest.raises(ValueError, match="64 axes at most, and this tensor 65"):
        deep.numpy()
    with pytest.raises(TypeError, match="formats a single number"):
        f"{Tensor([1.0, 2.0]):.2f}"


@pytest.mark.parametrize("name", ["f4", "f", "single", "<f4", np.float32, "float32", np.dtype("f4")])
def test_every_name_of_a_type(name):
    assert Tensor(2.0, dtype=name).dtype == np.float32
    with pytest.raises(TypeError, match="int32"):
        Tensor(2.0, dtype="i4")


@pytest.mark.parametrize(
    "call",
    [
        lambda: Tensor([1.0, 2.0]).repeat(-1),
        lambda: Tensor([1.0, 2.0]).tile(10**30),
        lambda: Tensor([1.0, 2.0]).item(),
        lambda: bool(Tensor([1.0, 2.0])),
        lambda: femtograd.Rng(0).normal(-1),
    ],
)
def test_mistakes_name_the_line(call):
    with pytest.raises(ValueError, match=r"at .*test_numpy\.py:\d+"):
        call()


def test_messages_speak_python():
    x = Tensor([1.0, 2.0])
    for call in [
        lambda: (x * 2).backward(),
        lambda: (x * 2).backward([1.0]),
        lambda: constant(1.0).backward(),
        lambda: setattr(x, "data", 3.0),
        lambda: setattr(x, "grad", [1.0]),
        lambda: Tensor(np.zeros((2, 3))).inv(),
        lambda: x.pad(5, mode="reflect"),
        lambda: x.pad(5, mode="wrap"),
    ]:
        with pytest.raises(ValueError) as error:
            call()
        for word in ["backward_with", "gradients_with", "set_", "::", "inverse", "Reflect", "Circular"]:
            assert word not in str(error.value)
