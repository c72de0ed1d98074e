"""Programs written for micrograd (https://github.com/karpathy/micrograd) run after `Value = Tensor`: its example, a walk over
the graph as its drawings do it, and its MLP with its training loop, which gives the published losses."""

import json
from pathlib import Path

import numpy as np
import pytest

from femtograd import Tensor

Value = Tensor

MOONS = Path(__file__).parents[2] / "tests" / "suite" / "data" / "moons.json"


def test_example():
    a = Value(-4.0)
    b = Value(2.0)
    c = a + b
    d = a * b + b**3
    c += c + 1
    c += 1 + c + (-a)
    d += d * 2 + (b + a).relu()
    d += 3 * d + (b - a).relu()
    e = c - d
    f = e**2
    g = f / 2.0
    g += 10.0 / f
    assert f"{g.data:.4f}" == "24.7041"
    g.backward()
    assert f"{a.grad:.4f}" == "138.8338"
    assert f"{b.grad:.4f}" == "645.5773"


def walk(root):
    """All nodes and edges that lead to a result."""
    nodes, edges = set(), set()

    def visit(v):
        if v not in nodes:
            nodes.add(v)
            for child in v._prev:
                edges.add((child, v))
                visit(child)

    visit(root)
    return nodes, edges


def test_drawing():
    a, b = Value(2.0), Value(-3.0)
    a.label, b.label = "a", "b"
    n = a * b
    n.label = "n"
    o = (n + a).relu()
    o.backward()
    nodes, edges = walk(o)
    assert len(nodes) == 5 and len(edges) == 5
    assert {a, b, n, o} < nodes and {id(x) for x in (a, b, n, o)} < {id(x) for x in nodes}
    rows = {"{ %s | data %.4f | grad %.4f }" % (v.label, v.data, v.grad) for v in nodes if v.label}
    assert rows == {
        "{ a | data 2.0000 | grad 0.0000 }",
        "{ b | data -3.0000 | grad 0.0000 }",
        "{ n | data -6.0000 | grad 0.0000 }",
    }
    assert {v._op for v in nodes} == {"", "*", "+", "ReLU"}
    names = {str(id(v)) + v._op for v in nodes if v._op}
    assert str(id(n)) + "*" in names
    # Before there is a gradient it formats as 0.
    assert "%.4f" % (a * b).grad == "0.0000" and "%.4f" % Value(1).grad == "0.0000"


class Module:
    def zero_grad(self):
        for p in self.parameters():
            p.grad = 0

    def parameters(self):
        return []


class Neuron(Module):
    def __init__(self, w, b, nonlin):
        self.w = [Value(wi) for wi in w]
        self.b = Value(b)
        self.nonlin = nonlin

    def __call__(self, x):
        act = sum((wi * xi for wi, xi in zip(self.w, x)), self.b)
        return act.relu() if self.nonlin else act

    def parameters(self):
        return self.w + [self.b]


class Layer(Module):
    def __init__(self, layer):
        self.neurons = [Neuron(w, b, layer["relu"]) for w, b in zip(layer["w"], layer["b"])]

    def __call__(self, x):
        out = [n(x) for n in self.neurons]
        return out[0] if len(out) == 1 else out

    def parameters(self):
        return [p for n in self.neurons for p in n.parameters()]


class MLP(Module):
    def __init__(self, layers):
        self.layers = [Layer(layer) for layer in layers]

    def __call__(self, x):
        for layer in self.layers:
            x = layer(x)
        return x

    def parameters(self):
        return [p for layer in self.layers for p in layer.parameters()]


def test_training():
    moons = json.loads(MOONS.read_text(encoding="utf-8"))
    model = MLP(moons["layers"])
    assert len(model.parameters()) == 337
    X, y = np.array(moons["x"]), np.array(moons["y"])  # as the notebook has them
    for k, (published, percent) in enumerate(zip(moons["loss"], moons["accuracy_percent"])):
        inputs = [list(map(Value, row)) for row in X]
        scores = list(map(model, inputs))
        losses = [(1 + -yi * scorei).relu() for yi, scorei in zip(y, scores)]
        data_loss = sum(losses) * (1.0 / len(losses))
        reg_loss = 1e-4 * sum((p * p for p in model.parameters()))
        total_loss = data_loss + reg_loss
        accuracy = [(yi > 0) == (scorei.data > 0) for yi, scorei in zip(y, scores)]

        assert float(total_loss.data) == pytest.approx(published, abs=1e-10), k
        acc = sum(accuracy) / len(accuracy)
        assert f"{acc * 100}%" == f"{percent:.1f}%", k

        model.zero_grad()
        total_loss.backward()
        learning_rate = 1.0 - 0.9 * k / 100
        for p in model.parameters():
            p.data -= learning_rate * p.grad


def test_a_walk_that_holds_nothing_but_ids():
    y = Value(1.0)
    for _ in range(6):
        y = (y * 2.0) + (y * 3.0)

    def count(of):
        waiting, seen = [y], set()
        while waiting:
            n = waiting.pop()
            if of(n) not in seen:
                seen.add(of(n))
                waiting.extend(n._prev)
        return len(seen)

    assert count(id) == count(lambda n: n) == 1 + 6 * 5
    z = Value(3.0) * Value(4.0) + Value(5.0)
    before = sorted(map(id, z._prev))
    others = [Value(float(i)) for i in range(50)]
    assert sorted(map(id, z._prev)) == before and not set(map(id, others)) & set(before)


def test_a_long_graph_that_was_walked_goes_without_recursion():
    x = y = Value(1.0)
    for _ in range(100_000):
        y = y * 1.0
    n = y
    while n._prev:
        (n, *_) = n.parents
    assert n is x
    del n, y
    (x * 2).backward()
    assert x.grad == 2.0


def test_an_update_keeps_the_gradient():
    t = Value(2.0)
    (t * 3).backward()
    t.data -= 0.1 * t.grad
    assert t.grad == 3.0  # and whoever forgets zero_grad() sees the next one added
    (t * 3).backward()
    assert t.grad == 6.0
    t.zero_grad()
    assert not t.has_grad


@pytest.mark.parametrize("start", [2.0, np.array([2.0, 3.0]), np.array([2.0, 3.0], dtype="float32")])
def test_gradients_of_graphs_from_before_an_update_arrive(start):
    w = Value(start)
    first, second, third = (w * w).sum(), (w * 3).sum(), (w * 5).sum()
    first.backward()
    w.data -= 0.1 * w.grad
    second.backward()
    assert np.array_equal(w.grad, 2 * start + 3)
    fourth = (w * 7).sum()
    w.data = w.data * 2
    w.data = w.data + 1
    del first, second
    w.zero_grad()
    third.backward()
    fourth.backward()
    assert np.array_equal(w.grad, 0 * start + 12)
