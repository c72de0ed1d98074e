"""Derivatives of functions: against closed forms, against each other, on nested structures, in threads."""

import asyncio
import dataclasses
import math
import threading
import warnings
from collections import OrderedDict, defaultdict, namedtuple
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import femtograd
from femtograd import Tensor, constant, grad, hessian, hvp, jacobian, jvp, linearize, no_grad, value_and_grad, vjp

NUMBERS = st.floats(-2.0, 2.0)


def near(a: Any, b: Any, rel: float = 1e-12) -> bool:
    return np.allclose(np.asarray(a), np.asarray(b), rtol=rel, atol=1e-12)


def f(x: Any) -> Any:
    return (x * x).tanh() * x


def df(x: float) -> float:
    t = math.tanh(x * x)
    return t + 2 * x * x * (1 - t * t)


@given(NUMBERS)
def test_grad_is_the_closed_form(x):
    assert near(grad(f)(x), df(x))
    y, g = value_and_grad(f)(x)
    assert near(y, math.tanh(x * x) * x) and near(g, df(x))


@given(NUMBERS)
def test_orders(x):
    derivative = lambda x: x**5  # noqa: E731
    for factor, power in [(5, 4), (20, 3), (60, 2), (120, 1), (120, 0)]:
        derivative = grad(derivative)
        assert near(derivative(x), factor * x**power, 1e-9)


@given(st.lists(NUMBERS, min_size=1, max_size=4), st.data())
@settings(max_examples=40, deadline=None)
def test_forward_and_reverse_are_transposes(xs, data):
    x = np.array(xs)
    v = np.array(data.draw(st.lists(NUMBERS, min_size=len(xs), max_size=len(xs))))
    w = np.array(data.draw(st.lists(NUMBERS, min_size=len(xs), max_size=len(xs))))
    many = lambda x: (x * x + x).tanh()  # noqa: E731
    y, pull = vjp(many, x)
    _, dy = jvp(many, x, v)
    y2, push = linearize(many, x)
    assert near(w @ dy.numpy(), pull(w)[0].numpy() @ v, 1e-10)
    assert near(push(v), dy) and near(y, y2)
    forward, reverse = jacobian(many, mode="forward")(x), jacobian(many, mode="reverse")(x)
    assert near(forward, reverse) and near(forward.numpy() @ v, dy)
    total = lambda x: many(x) @ np.ones(len(xs))  # noqa: E731
    h = hessian(total)(x)
    assert near(h.numpy() @ v, hvp(total, x, v), 1e-10)
    assert near(np.diag(h.numpy()), femtograd.hessian_diagonal(total)(x))
    assert near(np.trace(h.numpy()), femtograd.laplacian(total)(x))
    assert near(jvp(grad(total), x, v)[1], h.numpy() @ v, 1e-10)
    assert near(grad(lambda x: jvp(total, x, v)[1])(x), h.numpy() @ v, 1e-10)


def test_perturbations_do_not_mix():
    """d/dx [x · d/dy (x + y)] at 1 is 1: the inner derivative knows its own y (Siskind & Pearlmutter 2005)."""
    inner = lambda x: x * grad(lambda y: x + y)(1.0)  # noqa: E731
    assert grad(inner)(1.0) == 1.0
    forward = lambda x: x * jvp(lambda y: x + y, 1.0, 1.0)[1]  # noqa: E731
    assert jvp(forward, 1.0, 1.0)[1] == 1.0
    assert grad(forward)(1.0) == 1.0 and jvp(inner, 1.0, 1.0)[1] == 1.0
    # Where y is given the value of x itself.
    assert grad(lambda x: grad(lambda y: x * y)(x))(3.0) == 1.0
    assert grad(lambda x: x * grad(lambda y: x * y)(x))(3.0) == 6.0


def test_what_a_function_uses_stays_differentiable():
    w = Tensor(3.0)
    slope = grad(lambda x: w * x**2)(2.0)
    assert slope == 12.0
    slope.backward()
    assert w.grad == 4.0


@dataclasses.dataclass(frozen=True)
class Layer:
    w: Any
    b: Any
    size: int = 2
    name: str = "layer"

    def __post_init__(self) -> None:
        assert not isinstance(self.w, str)


@dataclasses.dataclass
class Slotted:
    __slots__ = ("a",)
    a: Any


Point = namedtuple("Point", "x y")


def test_structures():
    layers = {"first": Layer(np.array([1.0, 2.0]), 0.5), "rest": [Point(3.0, None), (Slotted(4.0),)], "n": 2}

    def loss(layers, scale, *, offset):
        assert offset == "offset" and layers["first"].size == 2
        (point, (slotted,)) = layers["rest"]
        w = layers["first"].w
        return (w @ w + layers["first"].b * point.x * slotted.a) * scale * layers["n"]

    value, g = value_and_grad(loss)(layers, 10.0, offset="offset")
    assert value == (5.0 + 6.0) * 20
    assert isinstance(g["first"], Layer) and g["first"].size == 2 and g["first"].name == "layer"
    assert near(g["first"].w, [40.0, 80.0]) and near(g["first"].b, 240.0)
    assert isinstance(g["rest"][0], Point) and near(g["rest"][0].x, 40.0) and g["rest"][0].y is None
    assert isinstance(g["rest"][1], tuple) and near(g["rest"][1][0].a, 30.0)
    both = grad(loss, argnums=(-1, 0))(layers, 10.0, offset="offset")
    assert isinstance(both, tuple) and near(both[0], 22.0) and near(both[1]["rest"][0].x, 40.0)


def test_mappings_keep_their_kind():
    ordered = OrderedDict(b=2.0, a=3.0)
    g = grad(lambda d: d["a"] ** 2 * d["b"])(ordered)
    assert type(g) is OrderedDict and list(g) == ["b", "a"] and near(g["b"], 9.0) and near(g["a"], 12.0)
    g = grad(lambda d: d["k"] * 2)(defaultdict(list, k=1.0))
    assert type(g) is defaultdict and g["other"] == [] and near(g["k"], 2.0)
    # A tangent's keys may stand in another order.
    assert near(jvp(lambda d: d["a"] ** 2 * d["b"], (dict(b=2.0, a=3.0),), (dict(a=1.0, b=0.0),))[1], 12.0)


def test_results_in_structures():
    def polar(p):
        return {"x": p.x * p.y, "pair": (p.x + 1, 7)}

    y, pull = vjp(polar, Point(2.0, 3.0))
    assert near(y["x"], 6.0) and near(y["pair"][0], 3.0) and near(y["pair"][1], 7.0)
    (back,) = pull({"x": 1.0, "pair": (10.0, 5.0)})
    assert isinstance(back, Point) and near(back.x, 13.0) and near(back.y, 2.0)
    j = jacobian(polar)(Point(2.0, 3.0))
    assert near(j["x"].x, 3.0) and near(j["pair"][0].x, 1.0) and near(j["pair"][1].y, 0.0)
    h = hessian(lambda p: p.x**2 * p.y)(Point(2.0, 3.0))
    assert near(h.x.x, 6.0) and near(h.x.y, 4.0) and near(h.y.y, 0.0)


def test_shapes_of_blocks():
    x, k = np.arange(6.0).reshape(2, 3), np.ones(3)
    j = jacobian(lambda x, k: x @ k, argnums=(0, 1))(x, k)
    assert j[0].shape == (2, 2, 3) and j[1].shape == (2, 3) and near(j[1], x)
    assert hessian(lambda x: (x * x @ k) @ [1.0, 1.0])(x).shape == (2, 3, 2, 3)


def test_aux():
    def loss(x):
        return x**2, {"seen": x, "note": "text"}

    g, aux = grad(loss, has_aux=True)(3.0)
    assert g == 6.0 and aux["seen"] == 3.0 and aux["note"] == "text"
    (y, aux), g = value_and_grad(loss, has_aux=True)(3.0)
    assert (float(y), float(g), aux["note"]) == (9.0, 6.0, "text")
    with pytest.raises(TypeError, match="has_aux"):
        grad(lambda x: x, has_aux=True)(1.0)


def test_float_types():
    x = np.array([1.0, 2.0], np.float32)
    assert grad(lambda x: x @ x)(x).dtype == np.float32
    # Plain numbers go along with arrays.
    a, b = grad(lambda x, k: (x * k) @ [1.0, 1.0], argnums=(0, 1))(x, 2.0)
    assert a.dtype == b.dtype == np.float32 and near(b, 3.0)
    w = Tensor(1.0, dtype="float32")
    with pytest.raises(TypeError, match="float32"):
        grad(lambda x: x * w)(np.float64(1.0))


def test_wrapped():
    def named(x):
        """Its text."""
        return x

    for transform in (grad, value_and_grad, jacobian, hessian, femtograd.laplacian, femtograd.checkpoint):
        assert transform(named).__name__ == "named" and transform(named).__doc__ == "Its text."


def test_gradients_and_tangent():
    x, k = Tensor([1.0, 2.0]), Tensor(3.0)
    y = x * x * k
    g = femtograd.gradients(y, {"x": x, "k": (k,)}, [1.0, 10.0])
    assert near(g["x"], [6.0, 120.0]) and near(g["k"][0], 41.0)
    assert not x.has_grad
    assert near(femtograd.gradients(g["k"][0], x), [2.0, 40.0])
    assert near(femtograd.tangent(y, [x, k], [[1.0, 0.0], 1.0]), [7.0, 4.0])
    other = Tensor(1.0)
    assert femtograd.gradients(k * 2, other) == 0.0
    with pytest.raises(ValueError, match="constant"):
        femtograd.gradients(k * 2, constant(1.0))
    with pytest.raises(ValueError, match=r"test_transforms\.py"):
        femtograd.gradients(y, x)
    with pytest.raises(ValueError, match="cotangent"):
        femtograd.gradients(y, x, [1.0, 2.0, 3.0])


class Strange(Exception):
    pass


def test_exceptions_come_out_as_themselves():
    def bad(x):
        raise Strange("from inside")

    calls = [
        lambda: grad(bad)(1.0),
        lambda: vjp(bad, 1.0),
        lambda: jvp(bad, 1.0, 1.0),
        lambda: linearize(bad, 1.0),
        lambda: jacobian(bad)(1.0),
        lambda: hessian(bad)(1.0),
        lambda: hvp(bad, 1.0, 1.0),
        lambda: femtograd.laplacian(bad)(1.0),
        lambda: femtograd.hessian_diagonal(bad)(1.0),
        lambda: femtograd.checkpoint(bad)(Tensor(1.0)),
        lambda: femtograd.gradcheck(bad, 1.0),
        lambda: grad(lambda x: grad(bad)(x))(1.0),
    ]
    for call in calls:
        with pytest.raises(Strange, match="from inside"):
            call()
    assert femtograd.recording() and (Tensor(1.0) * 2).requires_grad


def test_tape():
    tape = femtograd.Tape()
    p = tape.watch({"w": np.array([1.0, 2.0]), "k": [3.0]})
    w = tape.watch(p["w"])
    assert w is p["w"]
    y = (p["w"] @ p["w"]) * p["k"][0]
    g, again = tape.gradient(y)
    assert near(g["w"], [6.0, 12.0]) and near(g["k"][0], 5.0) and near(again, g["w"])


def test_mistakes():
    with pytest.raises(ValueError, match=r"one number|single|shape"):
        grad(lambda x: x)(np.ones(2))
    with pytest.raises(TypeError, match="one tensor"):
        grad(lambda x: (x, x))(1.0)
    with pytest.raises(TypeError, match="one tensor"):
        grad(lambda x: None)(1.0)
    with pytest.raises(TypeError, match="nothing to differentiate by"):
        grad(lambda x: 1.0)("text")
    with pytest.raises(TypeError, match="nothing to differentiate by"):
        grad(lambda x: 1.0)([])
    with pytest.raises(TypeError, match="function is wanted"):
        grad(3)
    with pytest.raises(ValueError, match="argnums"):
        grad(f, argnums=1)(1.0)
    with pytest.raises(ValueError, match="twice"):
        grad(f, argnums=(0, -1))(1.0)
    with pytest.raises(TypeError, match="argnums"):
        grad(f, argnums=(0.5,))(1.0)
    with pytest.raises(ValueError, match="mode"):
        jacobian(f, mode="sideways")(1.0)
    with pytest.raises(ValueError, match="structure"):
        jvp(lambda d: d["a"], ({"a": 1.0},), ({"b": 1.0},))
    with pytest.raises(ValueError, match="shape"):
        jvp(f, np.ones(2), np.ones(3))
    with pytest.raises(ValueError, match="shape"):
        vjp(f, np.ones(2))[1](np.ones(3))
    with pytest.raises(TypeError, match="tangents for 2"):
        linearize(f, 1.0)[1](1.0, 2.0)
    with pytest.raises(TypeError, match="beside"):
        jvp(f, (1.0,), 1.0)
    with pytest.raises(TypeError, match="beside"):
        hvp(f, (1.0,), (1.0, 2.0))


def test_the_line_of_a_mistake_is_the_callers():
    def bad(x):
        return x + np.ones(7)

    with pytest.raises(ValueError, match=r"add: shapes(.|\n)*test_transforms\.py:\d+"):
        grad(bad)(np.ones(3))


def test_functions_of_constants():
    assert grad(lambda x: constant(2.0))(1.0) == 0.0
    assert grad(lambda x: 2.0)(1.0) == 0.0
    y, dy = jvp(lambda x: 5, 1.0, 1.0)
    assert (y, dy) == (5.0, 0.0)


def test_checkpoint():
    w = Tensor([0.5, -0.3])

    def layers(state, *, times):
        h = state["h"]
        for _ in range(times):
            h = (h * w).tanh() + state["k"]
        return h

    def run(layers):
        h, k = Tensor([1.0, 2.0]), Tensor(0.1)
        w.grad = None
        y = layers({"h": h, "k": k}, times=5)
        (y * y).backward([1.0, 3.0])
        return [t.grad.tolist() for t in (h, k, w)] + [y.tolist()]

    assert run(layers) == run(femtograd.checkpoint(layers))
    kept = femtograd.checkpoint(lambda x: x.tanh() * w)
    x = np.array([0.5, 0.25])
    plain = lambda x: (x.tanh() * w) @ [1.0, 1.0]  # noqa: E731
    assert near(hessian(lambda x: kept(x) @ [1.0, 1.0])(x), hessian(plain)(x))
    assert near(jvp(kept, x, x)[1], jvp(lambda x: x.tanh() * w, x, x)[1])


def test_checkpoint_of_what_changes():
    calls = []

    def drifting(x):
        calls.append(1)
        return x.tanh() * len(calls)

    y = femtograd.checkpoint(drifting)(Tensor(0.5))
    with pytest.raises(ValueError, match="same each time"):
        y.backward()


# -- blocks


def test_no_grad():
    x = Tensor(2.0)
    with no_grad():
        assert not (x * x).requires_grad and not femtograd.recording()
        with no_grad():
            assert not (x * x).requires_grad
        assert not (x * x).requires_grad
        assert grad(lambda x: x * x)(2.0) == 4.0
    assert (x * x).requires_grad
    block = no_grad()
    with block, block:
        assert not femtograd.recording()
    assert femtograd.recording()
    with pytest.raises(Strange), no_grad():
        raise Strange
    assert femtograd.recording()


def test_no_grad_decorates():
    x = Tensor(2.0)

    @no_grad
    def bare(x):
        """Its text."""
        return x * x

    @no_grad()
    def called(x, *, k):
        return x * k

    assert bare.__name__ == "bare" and bare.__doc__ == "Its text."
    assert not bare(x).requires_grad and not called(x, k=3).requires_grad and femtograd.recording()

    @no_grad
    def squares(x):
        try:
            while True:
                sent = yield x * x
                x = x if sent is None else sent
                assert not femtograd.recording()
        except Strange:
            assert not femtograd.recording()
            yield x
        return "end"

    steps = squares(x)
    assert not next(steps).requires_grad
    assert femtograd.recording(), "between the steps"
    assert steps.send(Tensor(3.0)) == 9.0
    assert steps.throw(Strange()) == 3.0
    with pytest.raises(StopIteration) as end:
        next(steps)
    assert end.value.value == "end" and femtograd.recording()

    @no_grad
    async def later(x):
        await asyncio.sleep(0)
        return x * x

    async def main():
        task = asyncio.create_task(later(x))
        recorded = []
        while not task.done():
            recorded.append((x * x).requires_grad)
            await asyncio.sleep(0)
        return recorded, await task

    recorded, y = asyncio.run(main())
    assert all(recorded) and len(recorded) > 1 and not y.requires_grad
    with pytest.raises(TypeError):
        no_grad(3)


def test_blocks_end_in_any_order():
    def steps():
        with no_grad():
            yield
            assert not femtograd.recording()

    a, b = steps(), steps()
    next(a), next(b)
    a.close()
    assert not femtograd.recording()
    b.close()
    assert femtograd.recording()


def test_blocks_of_other_threads():
    block, entered, left = no_grad(), threading.Event(), threading.Event()
    seen = []

    def other():
        with block:
            seen.append(femtograd.recording())
            entered.set()
            left.wait(10)
            seen.append(femtograd.recording())
        seen.append(femtograd.recording())

    thread = threading.Thread(target=other)
    thread.start()
    entered.wait(10)
    assert femtograd.recording()
    with block:
        assert not femtograd.recording()
    assert femtograd.recording()
    left.set()
    thread.join()
    assert seen == [False, False, True]


def test_strict_and_counting():
    x = Tensor([0.0, 4.0])
    y = x**0.5 * [0.0, 1.0]
    with femtograd.count_strong_zeros() as counted:
        y.backward([1.0, 1.0])
    assert near(x.grad, [0.0, 0.25])
    assert counted.uses and all("test_transforms.py:" in use.place for use in counted.uses)
    x.grad = None
    with femtograd.strict():
        y.backward([1.0, 1.0])
    assert np.isnan(x.grad.numpy()[0])
    x.grad = None
    with femtograd.count_strong_zeros() as counted:
        (x * 2).backward([1.0, 1.0])
    assert counted.uses == ()


def test_two_threads():
    """Each differentiates its own; derivatives nest in both, and one of them does not record in between."""
    wrong: list[Any] = []
    start = threading.Barrier(2)

    def work(seed: int) -> None:
        rng = np.random.default_rng(seed)
        start.wait(10)
        for _ in range(200):
            x = float(rng.uniform(-2, 2))
            a, b = grad(f)(x), grad(grad(lambda x: x**3))(x)
            if not (near(a, df(x)) and near(b, 6 * x, 1e-9)):
                wrong.append((seed, x))
            with no_grad():
                if femtograd.recording():
                    wrong.append("recording")
            big = rng.normal(size=(40, 40))
            g = grad(lambda w: ((w @ big).tanh() @ np.ones(40)) @ np.ones(40))(big)
            want = (1 - np.tanh(big @ big) ** 2) @ big.T
            if not near(g, want, 1e-9):
                wrong.append((seed, "matrix"))

    threads = [threading.Thread(target=work, args=(seed,)) for seed in (1, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []


@pytest.mark.parametrize(
    "f",
    [
        lambda x: float(x) ** 2,
        lambda x: x.item() * 2,
        lambda x: math.sqrt(x),
        lambda x: np.asarray(x) ** 2,
        lambda x: np.array([1.0, 2.0]).dot((x * np.ones(2)).numpy()),
    ],
)
def test_values_that_leave_the_graph_are_not_lost_in_silence(f):
    with pytest.warns(RuntimeWarning, match="grad: <lambda> read the value of a variable") as record:
        assert grad(f)(4.0) == 0.0
    assert record[0].filename == __file__


def test_no_warning_where_nothing_is_lost():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert grad(lambda x: x * 2 if float(x) > 0 else x)(4.0) == 2.0
        assert grad(lambda x: 3.0)(4.0) == 0.0
        assert grad(lambda x: x if x > 0 else 0.0)(-4.0) == 0.0
        assert grad(lambda x: x * x.detach().item())(4.0) == 4.0
