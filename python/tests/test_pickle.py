"""Generators and optimisers go through pickle and copy, and go on where they were."""

import copy
import pickle
import threading

import numpy as np
import pytest

import femtograd
from femtograd import Tensor, nn, optim

WAYS = {
    "pickle": lambda x: pickle.loads(pickle.dumps(x)),
    "the first protocol": lambda x: pickle.loads(pickle.dumps(x, protocol=0)),
    "deepcopy": copy.deepcopy,
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_rng(way):
    rng = femtograd.Rng(2**64 - 1)
    rng.uniform()
    again = way(rng)
    assert isinstance(again, femtograd.Rng) and again is not rng
    for draw in (lambda r: r.uniform(), lambda r: r.normal((3,)).tolist(), lambda r: r.below(1000), lambda r: r.split().uniform()):
        assert draw(again) == draw(rng)
    assert rng.uniform() == again.uniform() and copy.copy(rng).uniform() == rng.uniform()


def make(name, parameters):
    if name == "Sgd":
        return optim.Sgd(parameters, lr=0.25, allow_missing=True)
    return optim.Adam(parameters, lr=0.05, betas=(0.8, 0.99), epsilon=1e-6, allow_missing=True)


@pytest.mark.parametrize("steps", [0, 3])
@pytest.mark.parametrize("name", ["Sgd", "Adam"])
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_optimisers_go_on_with_their_model(way, name, steps):
    x, labels = np.random.default_rng(0).normal(size=(8, 4)).astype("f4"), [0, 1, 2, 0, 1, 2, 0, 1]
    net = nn.Mlp([4, 8, 3], femtograd.Rng(1))
    optimiser = make(name, net.parameters())

    def step(net, optimiser):
        net(x).cross_entropy(labels).backward()
        optimiser.step()

    for _ in range(steps):
        step(net, optimiser)
    again, its = way((net, optimiser))
    assert all(a is b for a, b in zip(again.parameters(), its.parameters, strict=True))
    assert all(a is not b for a, b in zip(net.parameters(), again.parameters()))
    assert its.lr == optimiser.lr
    if name == "Adam":
        assert (its.betas, its.epsilon) == ((0.8, 0.99), 1e-6)
    for _ in range(3):
        step(net, optimiser)
        step(again, its)
    for a, b in zip(net.parameters(), again.parameters()):
        assert a.tolist() == b.tolist()


def test_both_types_and_what_is_missing():
    a, b, unused = Tensor([1.0, 2.0]), Tensor([3.0], dtype="float32"), Tensor(5.0)
    adam = optim.Adam([a, b, unused], lr=0.1, allow_missing=True)
    for _ in range(2):
        (a * a).sum().backward()
        (b * b).sum().backward()
        adam.step()
    (x, y, z), its = pickle.loads(pickle.dumps(([a, b, unused], adam)))
    for (p, q, r), o in (((a, b, unused), adam), ((x, y, z), its)):
        (p * p).sum().backward()
        (q * q).sum().backward()
        (r * r).backward()
        o.step()
    assert (x.tolist(), y.tolist(), z.tolist()) == (a.tolist(), b.tolist(), unused.tolist())
    assert y.dtype == "float32"
    # A copy has its own moments, and the same parameters.
    twin = copy.copy(adam)
    assert twin.parameters[0] is a
    # Without leave, a missing gradient is a mistake there too.
    strict = pickle.loads(pickle.dumps(optim.Adam([Tensor(1.0)], lr=0.1)))
    with pytest.raises(ValueError, match="has no gradient"):
        strict.step()


def test_a_pickle_that_does_not_fit_is_refused():
    w = Tensor([1.0, 2.0])
    adam = optim.Adam([w], lr=0.1)
    (w * w).sum().backward()
    adam.step()
    restore, (parameters, *settings, single, double) = adam.__reduce__()
    steps, mean, square = double[0]
    with pytest.raises(ValueError, match="moments of one parameter"):
        restore(parameters, *settings, single, [(steps, mean, square[:1])])
    other = restore([Tensor([1.0])], *settings, single, double)
    (other.parameters[0] ** 2).sum().backward()
    with pytest.raises(ValueError, match="at the first step they had"):
        other.step()


def test_threads_may_ask_meanwhile():
    w = Tensor(np.ones(1000))
    adam = optim.Adam([w], lr=1e-3)
    (w * w).sum().backward()
    adam.step()
    threads = [threading.Thread(target=lambda: [pickle.dumps(adam) for _ in range(50)]) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(200):
        adam.lr = adam.lr * 0.999
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
