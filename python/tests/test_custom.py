"""Rules written in Python, and hooks."""

import gc
import weakref

import numpy as np
import pytest

import femtograd
from femtograd import Op, Tensor, constant, custom_gradient, grad, gradients, hessian, jvp


def near(a, b):
    return np.allclose(np.asarray(a), np.asarray(b), rtol=1e-12, atol=1e-12)


@custom_gradient
def clipped(x, limit):
    """x; its gradient is kept within ±limit."""
    return x.numpy() * 1.0


@clipped.defvjp
def _(g, y, x, limit):
    return constant(np.clip(g.numpy(), -limit.item(), limit.item())), None


def test_custom_gradient():
    x = Tensor([1.0, 2.0])
    y = clipped(x, 0.5)
    assert clipped.__name__ == "clipped" and "±limit" in clipped.__doc__ and y.op == "clipped"
    (y * constant([0.1, 10.0])).backward([1.0, 1.0])
    assert near(x.grad, [0.1, 0.5])


def test_custom_gradient_at_once():
    reverse = custom_gradient(lambda x: x * 1.0, lambda g, y, x: -g)  # gradient reversal (Ganin et al. 2016)
    assert grad(lambda x: reverse(x) ** 2)(3.0) == -6.0
    assert jvp(reverse, 3.0, 2.0)[1] == -2.0


def test_any_order():
    @custom_gradient
    def cube(x):
        return x.numpy() ** 3

    cube.defvjp(lambda g, y, x: 3 * x**2 * g)
    assert [float(d(2.0)) for d in (cube, grad(cube), grad(grad(cube)), grad(grad(grad(cube))))] == [8, 12, 12, 6]


def test_keywords_and_other_arguments():
    @custom_gradient
    def scaled(x, name, y, *, k=1.0):
        assert name == "name"
        return x * y * k

    # One cotangent for each tensor is enough; those of other things need not be told.
    scaled.defvjp(lambda g, out, x, name, y, *, k: (g * y * k, g * x * k))
    a, b = grad(lambda x, y: scaled(x, "name", y, k=10.0), argnums=(0, 1))(2.0, 3.0)
    assert (float(a), float(b)) == (30.0, 20.0)


def test_methods():
    class Model:
        def __init__(self, k):
            self.k = k

        @custom_gradient
        def forward(self, x):
            return x * self.k

    Model.forward.defvjp(lambda g, y, self, x: (None, g * 100))
    x = Tensor(2.0)
    y = Model(5.0).forward(x)
    y.backward()
    assert (float(y), float(x.grad)) == (10.0, 100.0)


def test_sizes_and_labels_pass_through():
    @custom_gradient
    def picked(x, axis, labels, name):
        assert type(axis) is int and labels.dtype == np.int64 and name == "name"
        return x.numpy()[labels]

    picked.defvjp(lambda g, y, x, axis, labels, name: constant(np.bincount(labels, g.numpy(), len(x.numpy()))))
    x = Tensor([1.0, 2.0, 3.0])
    picked(x, 0, np.array([2, 0, 2]), "name").backward([1.0, 10.0, 100.0])
    assert near(x.grad, [10.0, 0.0, 101.0])


class Strange(Exception):
    pass


def test_no_variable_hides_from_its_rule():
    f = custom_gradient(lambda x, d=None, k=1.0: x * 2, lambda g, y, x, d=None, k=1.0: (g * 2, None))
    x, w = Tensor(1.0), Tensor(5.0)
    with pytest.raises(TypeError, match="<lambda>: argument 1 holds a variable"):
        f(x, {"a": [w]})
    with pytest.raises(TypeError, match="keyword 'k' holds a variable"):
        f(x, k=w)
    f(x, {"a": [w.detach()]}, k=w.detach()).backward()
    assert x.grad == 2.0 and not w.has_grad

    class Same(femtograd.Op):
        def forward(self, x, more):
            return x * 1

    with pytest.raises(TypeError, match="same: argument 1 holds a variable"):
        Same()(x, [w])


def test_mistakes():
    bare = custom_gradient(lambda x: x * 1)
    with pytest.raises(TypeError, match="no rule"):
        bare(Tensor(1.0))
    with pytest.raises(TypeError, match="function is wanted"):
        custom_gradient(3)
    bare.defvjp(lambda g, y, x: constant([1.0, 2.0, 3.0]))
    with pytest.raises(ValueError, match=r"shape(.|\n)*test_custom\.py"):
        bare(Tensor([1.0, 2.0])).backward([1.0, 1.0])
    with pytest.raises(ValueError, match=r"shape \[3\] for argument 0 of shape \[\](.|\n)*test_custom\.py"):
        bare(Tensor(1.0)).backward()
    bare.defvjp(lambda g, y, x: (g, g, g))
    with pytest.raises(ValueError, match="3 cotangents for 1 argument"):
        bare(Tensor(1.0)).backward()
    bare.defvjp(lambda g, y, x: "text")
    with pytest.raises(TypeError):
        bare(Tensor(1.0)).backward()

    def raises(g, y, x):
        raise Strange("from the rule")

    bare.defvjp(raises)
    x = Tensor(1.0)
    with pytest.raises(Strange, match="from the rule"):
        bare(x).backward()
    assert not x.has_grad and femtograd.recording()

    def fails(x):
        raise Strange("from the value")

    with pytest.raises(Strange, match="from the value"):
        custom_gradient(fails, lambda g, y, x: g)(Tensor(1.0))
    with pytest.raises(TypeError):
        custom_gradient(lambda x: None, lambda g, y, x: g)(Tensor(1.0))
    y = custom_gradient(lambda x: x * 1, lambda g, y, x: g)(constant(1.0))
    assert not y.requires_grad


class Softplus(Op):
    """log(1 + eˣ), without overflow."""

    def forward(self, x):
        return np.logaddexp(x.numpy(), 0.0)

    def vjp(self, g, y, x):
        return g * (1 + (x / 2).tanh()) / 2

    def jvp(self, dx, y, x):
        return dx[0] * (1 + (x / 2).tanh()) / 2


class Dot(Op):
    """A weighted sum, given with both directions."""

    name = "dot"

    def forward(self, a, b):
        return a.numpy() @ b.numpy()

    def vjp(self, g, y, a, b):
        return g * b, g * a

    def jvp(self, dx, y, a, b):
        da, db = dx
        terms = ([] if da is None else [da @ b]) + ([] if db is None else [a @ db])
        return sum(terms[1:], terms[0])


def test_op():
    softplus = Softplus()
    x = np.array([-1.0, 0.5, 2.0])
    assert near(softplus(constant(x)), np.log1p(np.exp(x)))
    assert femtograd.gradcheck(softplus, constant(x))
    total = lambda x: softplus(x) @ np.ones(3)  # noqa: E731
    slope = 1 / (1 + np.exp(-x))
    assert near(hessian(total)(x), np.diag(slope * (1 - slope)))
    single = softplus(Tensor(x, dtype="float32"))
    assert single.dtype == np.float32 and single.op == "softplus"


def test_op_of_two_arguments():
    dot = Dot()
    a, b = np.array([1.0, 2.0]), np.array([3.0, 4.0])
    result = femtograd.gradcheck(dot, constant(a), constant(b))
    assert result and result.checks > 8, str(result)
    assert jvp(lambda a: dot(a, b), a, [1.0, 0.0])[1] == 3.0
    assert jvp(lambda a: dot(a, a), a, [1.0, 0.0])[1] == 2.0
    assert near(hessian(lambda a: dot(a, a))(a), 2 * np.eye(2))


def test_a_wrong_op_is_named():
    class Wrong(Softplus):
        def vjp(self, g, y, x):
            return g * 0.5

    loss = Wrong()(Tensor([1.0, 2.0])) @ [1.0, 1.0]
    found = femtograd.verify(loss)
    assert not found and [node.op for node in found.wrong] == ["wrong"] and "test_custom.py:" in str(found)
    checked = femtograd.gradcheck(Wrong(), constant([1.0, 2.0]))
    assert not checked and checked.blame is not None and "wrong" in str(checked)
    with pytest.raises(NotImplementedError, match="Op has no forward"):
        Op()(Tensor(1.0))


def test_hook():
    seen = []
    x = Tensor([1.0, 2.0])
    h = (x * 10).hook(seen.append)
    y = h.hook(lambda g: g * 2) * constant([1.0, 5.0])
    y.backward([1.0, 1.0])
    assert [g.tolist() for g in seen] == [[2.0, 10.0]] and near(x.grad, [20.0, 100.0])
    assert near(gradients(y, x, [1.0, 1.0]), [20.0, 100.0])
    with pytest.raises(TypeError, match="function"):
        x.hook(3)
    with pytest.raises(ValueError, match="hook"):
        x.hook(lambda g: constant(1.0)).backward([1.0, 1.0])
    with pytest.raises(TypeError):
        x.hook(lambda g: "text").backward([1.0, 1.0])


def test_hooks_are_let_go():
    class Seen:
        def __call__(self, g):
            return None

    hook = Seen()
    alive = weakref.ref(hook)
    y = Tensor(1.0).hook(hook) * 2
    del hook
    y.backward()
    assert alive() is not None
    del y
    gc.collect()
    Tensor(1.0) * 2
    assert alive() is None


def test_long_chains_are_let_go():
    """A node's rule holds no argument as an object: letting go of a chain would be a recursion as deep as the chain."""
    step = custom_gradient(lambda x: x.numpy() * 1.0, lambda g, y, x: g)
    kept = femtograd.checkpoint(lambda x: x * 1.0)
    for f in (step, kept):
        x = y = Tensor(1.0)
        for _ in range(50_000):
            y = f(y)
        y.backward()
        assert x.grad == 1.0
        del y
