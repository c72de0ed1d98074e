"""Every elementwise method: values against NumPy's or a formula's, slopes against differences of those."""

import math
import pathlib
import re

import numpy as np
import pytest

import femtograd
from femtograd import Tensor, constant, where


def zeta(s, x):
    """Σ 1/(x + k)ˢ, by Euler and Maclaurin's formula from the 30th term on."""
    z = x + 30
    tail = z ** (1 - s) / (s - 1) + z**-s / 2 + s * z ** (-s - 1) / 12
    for n, b in ((3, -1 / 720), (5, 1 / 30240)):
        tail = tail + b * math.prod(range(s, s + n)) * z ** (-s - n)
    return sum((x + k) ** -s for k in range(30)) + tail


def digamma(x):
    z = x + 30
    series = np.log(z) - 1 / (2 * z) - 1 / (12 * z**2) + 1 / (120 * z**4) - 1 / (252 * z**6)
    return series - sum(1 / (x + k) for k in range(30))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softplus(x):
    return np.log1p(np.exp(-np.abs(x))) + np.maximum(x, 0)


def elu(x, alpha):
    return np.where(x > 0, x, alpha * np.expm1(x))


erf, erfc, lgamma = (np.vectorize(f) for f in (math.erf, math.erfc, math.lgamma))

# Numbers that float32 has exactly.
REAL = np.array([-2.5, -0.75, -0.125, 0.375, 1.25, 3.0])
POSITIVE = np.array([0.125, 0.5, 1.25, 3.0, 7.5])
INSIDE = np.array([-0.875, -0.5, 0.125, 0.375, 0.75])
SHARE = np.array([0.125, 0.375, 0.5, 0.875])
ABOVE = np.array([1.125, 1.5, 3.0, 10.0])
# Apart from where they jump, rounded to one decimal too.
STEPS = np.array([-2.625, -0.6875, -0.125, 0.375, 1.1875, 3.3125])
OTHER = np.array([0.5, -1.25, 2.0, -0.25, 3.5, 0.875])

# Method, its further arguments, the same of arrays, where. More than one argument: each is differentiated.
CASES = [
    ("abs", [], np.abs, REAL),
    ("exp", [], np.exp, REAL),
    ("expm1", [], np.expm1, REAL),
    ("log", [], np.log, POSITIVE),
    ("log1p", [], np.log1p, INSIDE),
    ("log2", [], np.log2, POSITIVE),
    ("log10", [], np.log10, POSITIVE),
    ("sqrt", [], np.sqrt, POSITIVE),
    ("rsqrt", [], lambda x: 1 / np.sqrt(x), POSITIVE),
    ("square", [], np.square, REAL),
    ("reciprocal", [], np.reciprocal, REAL),
    ("sin", [], np.sin, REAL),
    ("cos", [], np.cos, REAL),
    ("tan", [], np.tan, INSIDE),
    ("asin", [], np.arcsin, INSIDE),
    ("acos", [], np.arccos, INSIDE),
    ("atan", [], np.arctan, REAL),
    ("sinh", [], np.sinh, REAL),
    ("cosh", [], np.cosh, REAL),
    ("tanh", [], np.tanh, REAL),
    ("asinh", [], np.arcsinh, REAL),
    ("acosh", [], np.arccosh, ABOVE),
    ("atanh", [], np.arctanh, INSIDE),
    ("erf", [], erf, REAL),
    ("erfc", [], erfc, REAL),
    ("lgamma", [], lgamma, POSITIVE),
    ("digamma", [], digamma, POSITIVE),
    ("polygamma", [0], lambda x, n: digamma(x), POSITIVE),
    ("polygamma", [1], lambda x, n: zeta(2, x), POSITIVE),
    ("polygamma", [2], lambda x, n: -2 * zeta(3, x), POSITIVE),
    ("sigmoid", [], sigmoid, REAL),
    ("logit", [], lambda x: np.log(x / (1 - x)), SHARE),
    ("log_sigmoid", [], lambda x: np.log(sigmoid(x)), REAL),
    ("relu", [], lambda x: np.maximum(x, 0), REAL),
    ("softplus", [], softplus, REAL),
    ("gelu", [], lambda x: x * (1 + erf(x / math.sqrt(2))) / 2, REAL),
    ("leaky_relu", [], lambda x: np.where(x > 0, x, 0.01 * x), REAL),
    ("leaky_relu", [0.25], lambda x, a: np.where(x > 0, x, a * x), REAL),
    ("elu", [], lambda x: elu(x, 1.0), REAL),
    ("elu", [0.5], elu, REAL),
    ("selu", [], lambda x: 1.0507009873554805 * elu(x, 1.6732632423543772), REAL),
    ("silu", [], lambda x: x * sigmoid(x), REAL),
    ("mish", [], lambda x: x * np.tanh(softplus(x)), REAL),
    ("sign", [], np.sign, REAL),
    ("floor", [], np.floor, STEPS),
    ("ceil", [], np.ceil, STEPS),
    ("trunc", [], np.trunc, STEPS),
    ("round", [], np.round, STEPS),
    ("round", [1], np.round, STEPS),
    ("round", [-1], np.round, 10 * STEPS),
    ("maximum", [OTHER], np.maximum, REAL),
    ("minimum", [OTHER], np.minimum, REAL),
    ("atan2", [OTHER], np.arctan2, REAL),
    ("hypot", [OTHER], np.hypot, REAL),
    ("xlogy", [np.abs(OTHER)], lambda x, y: x * np.log(y), REAL),
    ("pow", [3], lambda x, p: x**p, REAL),
    ("pow", [-1.5], lambda x, p: x**p, POSITIVE),
    ("pow", [OTHER[:5]], lambda x, p: x**p, POSITIVE),
    ("clip", [-1.0, 2.0], np.clip, REAL),
    ("clip", [np.full(6, -1.0), np.full(6, 2.0)], np.clip, REAL),
    ("clamp", [None, 2.0], np.clip, REAL),
    ("clamp", [-1.0, None], np.clip, REAL),
    ("lt", [OTHER], np.less, REAL),
    ("le", [OTHER], np.less_equal, REAL),
    ("gt", [OTHER], np.greater, REAL),
    ("ge", [OTHER], np.greater_equal, REAL),
    ("eq", [OTHER], np.equal, REAL),
    ("ne", [OTHER], np.not_equal, REAL),
]
COMPARISONS = {"lt", "le", "gt", "ge", "eq", "ne"}


def names_of(section, text):
    """The names that the stubs list under a heading."""
    lines = text.split(f"# -- {section}\n")[1].split("# --")[0]
    return {name for name in re.findall(r"^ *def (\w+)\(", lines, re.MULTILINE) if not name.startswith("_")}


STUBS = (pathlib.Path(femtograd.__file__).parent / "_femtograd.pyi").read_text(encoding="utf-8")


def test_every_method_is_in_the_table():
    assert names_of("elementwise", STUBS) == {name for name, *_ in CASES}
    assert names_of("functions: elementwise", STUBS) <= {name for name, *_ in CASES} | {"where"}


def slope(f, xs, i, h=2.0**-12):
    """∂f/∂xᵢ of an elementwise f, by differences of fourth order."""

    def at(step):
        return np.asarray(f(*[x + step * h if k == i else x for k, x in enumerate(xs)]), dtype=float)

    return (8 * (at(1) - at(-1)) - (at(2) - at(-2))) / (12 * h)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case[0]}{len(case[1])}")
def test_values_and_slopes(case, dtype):
    name, others, reference, x = case
    numbers = [x, *others]
    arguments = [Tensor(v.astype(dtype)) if isinstance(v, np.ndarray) else v for v in numbers]
    y = getattr(arguments[0], name)(*arguments[1:])
    expected = np.asarray(reference(*numbers), dtype=float)
    rtol, atol = (3e-6, 1e-6) if dtype == "float32" else (1e-12, 1e-13)
    assert y.dtype == dtype and y.shape == x.shape
    np.testing.assert_allclose(y.numpy(), expected, rtol, atol)
    if name in COMPARISONS:
        assert not y.requires_grad
        return
    y.backward(np.ones(y.shape, dtype))
    for i, v in enumerate(arguments):
        if isinstance(v, Tensor):
            assert v.grad.dtype == dtype
            rtol, atol = (1e-4, 1e-5) if dtype == "float32" else (1e-8, 1e-8)
            np.testing.assert_allclose(v.grad.numpy(), slope(reference, numbers, i), rtol, atol, err_msg=f"by {i}")


@pytest.mark.parametrize("name", sorted(names_of("functions: elementwise", STUBS) - {"where"}))
def test_functions_of_the_package(name):
    """Of tensors they are the methods; of numbers and arrays they give constants."""
    others, x = next((others, x) for n, others, _, x in CASES if n == name)
    function, variable = getattr(femtograd, name), Tensor(x)
    method = getattr(variable, name)(*others)
    y = function(variable, *others)
    assert y.requires_grad and y.op == method.op and np.array_equal(y.numpy(), method.numpy())
    y = function(x, *others)
    assert isinstance(y, Tensor) and not y.requires_grad and np.array_equal(y.numpy(), method.numpy())
    y = function(float(x[0]), *(other[0] for other in others))
    assert y.shape == () and y.item() == method.numpy()[0]
    assert function(x.astype("float32"), *(other.astype("float32") for other in others)).dtype == "float32"
    assert function(list(x), *others).shape == x.shape


def test_gelu_approximately():
    x = Tensor(REAL)
    y = x.gelu(approximate="tanh")
    inner = math.sqrt(2 / math.pi) * (REAL + 0.044715 * REAL**3)
    np.testing.assert_allclose(y.numpy(), REAL * (1 + np.tanh(inner)) / 2, 1e-12, 1e-15)
    with pytest.raises(ValueError, match="approximate is 'none' or 'tanh', not \"erf\""):
        x.gelu(approximate="erf")


def test_where():
    x, y = Tensor(REAL), Tensor(OTHER)
    chosen = where(REAL > 0, x, y)
    assert np.array_equal(chosen.numpy(), np.where(REAL > 0, REAL, OTHER))
    chosen.sum().backward()
    assert np.array_equal(x.grad.numpy(), REAL > 0) and np.array_equal(y.grad.numpy(), REAL <= 0)
    assert np.array_equal(where(x > 0, 1, [0.5]).numpy(), np.where(REAL > 0, 1, 0.5))
    # What is not chosen has no slope, and a condition no say in the type.
    x = Tensor([-4.0, 4.0])
    where(x > 0, x.sqrt(), x).sum().backward()
    assert x.grad.tolist() == [1.0, 0.25]
    assert where(np.array([True, False]), constant(np.float32([1, 2])), 0.5).dtype == "float32"
    # A variable as the condition has the slope 0.
    c = Tensor([0.0, 1.0])
    where(c, x, 3.0).sum().backward()
    assert c.grad.tolist() == [0.0, 0.0]


def test_numbers_have_no_say_in_the_type():
    single = constant(np.float32([1.0, 2.0]))
    assert single.maximum(1.5).dtype == "float32"
    assert femtograd.maximum(1, single).dtype == "float32"
    assert single.clip(0, 1.5).dtype == "float32"
    assert single.maximum(np.array([1.5, 1.5])).dtype == "float64"
    assert Tensor(np.float32([1.0, 2.0])).maximum(np.array([1.5, 1.5])).dtype == "float32"
    with pytest.raises(TypeError, match="do not mix"):
        Tensor(np.float32(1.0)).hypot(Tensor(1.0))


def test_clip():
    x = Tensor(REAL, label="x")
    assert x.clip() is x
    assert np.array_equal(x.clip(min=0).numpy(), REAL.clip(min=0))
    assert np.array_equal(x.clip(max=0).numpy(), REAL.clip(max=0))
    low = Tensor(-0.5)
    x.clip(low, 1).sum().backward()
    assert low.grad == 2 and x.grad.tolist() == [0, 0, 1, 1, 0, 0]


def test_rounding():
    ties = np.array([-1.5, -0.5, 0.5, 1.5, 2.5])
    assert np.array_equal(Tensor(ties).round().numpy(), np.round(ties))
    assert round(Tensor(2.675), 1).item() == 2.7 and round(Tensor(2.5)).item() == 2.0
    x = Tensor([123.456, -1e300, math.inf])
    for decimals in (10, 300, 400, 10**30):
        assert np.array_equal(x.round(decimals).numpy(), x.numpy())
    x.round(10).sum().backward()
    assert x.grad.tolist() == [0.0, 0.0, 0.0]
    assert x.round(-(10**30)).numpy()[0] == 0.0
    assert Tensor(np.float32(123456789)).round(2).numpy() == np.float32(123456789)
    assert np.float32(0.1) == Tensor(np.float32(0.125)).round(1).numpy()


def test_what_is_no_number():
    x = Tensor(REAL)
    for call in (
        lambda: x.maximum("a"),
        lambda: x.hypot(None),
        lambda: femtograd.exp("a"),
        lambda: femtograd.atan2(1.0, 1j),
        lambda: where(x, None, 1),
        lambda: x.polygamma(1.5),
        lambda: x.polygamma(True),
        lambda: x.round(1.5),
        lambda: x.leaky_relu("a"),
        lambda: x.pow("a"),
        lambda: x.eq(object()),
        lambda: x.exp(1),
        lambda: femtograd.exp(),
    ):
        with pytest.raises(TypeError):
            call()
    for n in (-1, 1001, 10**30):
        with pytest.raises(ValueError, match="polygamma"):
            x.polygamma(n)
    with pytest.raises(TypeError, match="leaky_relu: negative_slope is a number, to which no gradient flows"):
        x.leaky_relu(Tensor(0.1))
    assert x.leaky_relu(constant(0.25)).numpy()[0] == REAL[0] / 4


def test_shapes_that_do_not_fit_are_told_with_the_line():
    x = Tensor(REAL, label="x")
    for name in ("maximum", "minimum", "atan2", "hypot", "xlogy", "lt", "clip", "pow"):
        with pytest.raises(ValueError, match=r'"x" \[6\], \[4\]\n  at .*test_elementwise.py:\d+'):
            getattr(x, name)([1.0, 2.0, 3.0, 4.0])
