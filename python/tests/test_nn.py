"""Networks: values against NumPy, gradients against differences, layers and optimisers against the library's own numbers."""

import copy
import inspect
import threading

import numpy as np
import pytest

import femtograd
from femtograd import Rng, Tensor, concat, constant, nn, optim, scaled_dot_product_attention

# What the Rust library prints for the same seeds, losses and steps.
UNIFORM = [0.5243459416779314, 0.30213903321684277]
NORMAL = [1.767004403788519, -0.8267779906538206]
BELOW = [3, 604]
PERMUTATION = [2, 4, 1, 3, 7, 5, 0, 6]
SPLIT = 0.6445459215527134
LINEAR32 = [-0.82585734, 0.16871627, 1.4650602, 0.17653003, 0.039704613, 0.07777076]
LINEAR64 = [-0.8258573160559082, 0.16871627080481347, 1.4650602045278067, 0.17653003402529863, 0.039704614835874515, 0.07777076142426861]
STEPS = {
    "adam32": {
        "0.weight": [-1.1275649, 0.9997014, -0.5243089, 0.4020712, 0.61222047, -1.1463861],
        "0.bias": [-0.029978868, -0.029978868, -0.029978868],
        "1.weight": [0.52080643, -0.4834349, -0.36903137, -0.92361325, -0.3347035, -0.8368977],
        "1.bias": [-0.029978868, -0.029978868],
    },
    "adam64": {
        "0.weight": [-1.1275745394701833, 0.9997055840181732, -0.5244444925933773, 0.4020779862731195, 0.6122260096756169, -1.1463955224165476],
        "0.bias": [-0.029966301250095917, -0.029966301250095917, -0.029966301250095917],
        "1.weight": [0.5208124353976319, -0.48327047718207106, -0.3689911701883992, -0.9236270297431488, -0.3346706883791693, -0.8369148084110076],
        "1.bias": [-0.029966301250095917, -0.029966301250095917],
    },
    "sgd32": {
        "0.weight": [-0.8366653, 0.28320396, -0.52758795, -0.022784986, 0.08481246, -0.84630203],
        "0.bias": [-0.24400002, -0.24400002, -0.24400002],
        "1.weight": [0.03800805, -0.47644904, -0.4176261, -0.73223794, -0.40004098, -0.6878362],
        "1.bias": [-0.24400002, -0.24400002],
    },
}

NUMBERS = np.random.default_rng(0)


def numbers(*shape):
    return NUMBERS.normal(size=shape)


def softmax(x, axis=-1):
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def standardized(x, axes, epsilon=1e-5):
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + epsilon)


def convolved(x, w, b=None, stride=(1, 1), padding=(0, 0), dilation=(1, 1), groups=1):
    """As the formula says, one number after the other."""
    x = np.pad(x, ((0, 0), (0, 0), *((p, p) for p in padding)))
    (n, channels, *lengths), (outputs, each, *kernel) = x.shape, w.shape
    size = [(m - (k - 1) * d - 1) // s + 1 for m, k, s, d in zip(lengths, kernel, stride, dilation)]
    y = np.zeros((n, outputs, *size))
    for o in range(outputs):
        first = o // (outputs // groups) * each
        for i in np.ndindex(*size):
            at = [slice(i * s, i * s + (k - 1) * d + 1, d) for i, s, k, d in zip(i, stride, kernel, dilation)]
            y[(slice(None), o, *i)] = (x[(slice(None), slice(first, first + each), *at)] * w[o]).reshape(n, -1).sum(1)
    return y if b is None else y + b.reshape(-1, *[1] * len(size))


def pooled(x, size, stride, padding, outside, f):
    axes = len(size)
    x = np.pad(x, [(0, 0)] * (x.ndim - axes) + [(p, p) for p in padding], constant_values=outside)
    count = [(m - k) // s + 1 for m, k, s in zip(x.shape[-axes:], size, stride)]
    y = np.zeros((*x.shape[:-axes], *count))
    for i in np.ndindex(*count):
        at = [slice(i * s, i * s + k) for i, s, k in zip(i, stride, size)]
        y[(..., *i)] = f(x[(..., *at)], axis=tuple(range(-axes, 0)))
    return y


def attention(q, k, v, mask=None, bias=0.0, causal=False):
    scores = q @ np.swapaxes(k, -1, -2) / np.sqrt(q.shape[-1]) + bias
    if mask is not None:
        scores = np.where(mask, scores, -np.inf)
    if causal:
        scores = np.where(np.tril(np.ones(scores.shape[-2:])), scores, -np.inf)
    return softmax(scores) @ v


def cross_entropy(x, classes, weights=None, smoothing=0.0, ignore=None):
    log = x - np.log(np.exp(x).sum(1, keepdims=True))
    weights = np.ones(x.shape[1]) if weights is None else np.array(weights)
    total = loss = 0.0
    for row, c in zip(log, classes):
        if c != ignore:
            total += weights[c]
            loss -= (1 - smoothing) * weights[c] * row[c] + smoothing / x.shape[1] * (weights * row).sum()
    return loss / total


X, T = numbers(3, 4), numbers(3, 4)
C = numbers(2, 4, 5)
I = numbers(2, 4, 6, 5)
PROBABILITIES = softmax(numbers(3, 4))
SIGNS = np.sign(numbers(3, 4))

# name, the arguments, the call, and the same in NumPy
TABLE = [
    ("softmax", [X], lambda x: x.softmax(), softmax),
    ("softmax", [X], lambda x: x.softmax(axis=0), lambda x: softmax(x, 0)),
    ("log_softmax", [X], lambda x: x.log_softmax(0), lambda x: np.log(softmax(x, 0))),
    ("standardize", [X], lambda x: x.standardize(), lambda x: standardized(x, -1)),
    ("standardize", [C], lambda x: x.standardize((0, 2), epsilon=0.1), lambda x: standardized(x, (0, 2), 0.1)),
    ("mse", [X, T], lambda x, t: x.mse(t), lambda x, t: ((x - t) ** 2).mean()),
    ("l1_loss", [X, T], lambda x, t: x.l1_loss(t), lambda x, t: abs(x - t).mean()),
    (
        "huber",
        [X, T],
        lambda x, t: x.huber(t, 0.7),
        lambda x, t: np.where(abs(x - t) <= 0.7, (x - t) ** 2 / 2, 0.7 * (abs(x - t) - 0.35)).mean(),
    ),
    (
        "kl_div",
        [X, PROBABILITIES],
        lambda x, t: x.kl_div(t),
        lambda x, t: (t * (np.log(t) - x)).sum() / 3,
    ),
    ("hinge", [X], lambda x: x.hinge(SIGNS), lambda x: np.maximum(1 - SIGNS * x, 0).mean()),
    (
        "bce_with_logits",
        [X, PROBABILITIES],
        lambda x, t: x.bce_with_logits(t),
        lambda x, t: (np.log1p(np.exp(x)) - t * x).mean(),
    ),
    (
        "bce_with_logits",
        [X, PROBABILITIES, np.array([1.0, 2.0, 3.0, 0.5])],
        lambda x, t, w: x.bce_with_logits(t, positive_weight=w),
        lambda x, t, w: (w * t * np.log1p(np.exp(-x)) + (1 - t) * np.log1p(np.exp(x))).mean(),
    ),
    ("cross_entropy", [X], lambda x: x.cross_entropy([0, 3, 1]), lambda x: cross_entropy(x, [0, 3, 1])),
    (
        "cross_entropy",
        [X],
        lambda x: x.cross_entropy(np.array([0, -100, 1], np.int32), weights=[1, 2, 3, 4], ignore=-100, smoothing=0.1),
        lambda x: cross_entropy(x, [0, -100, 1], [1, 2, 3, 4], 0.1, -100),
    ),
    (
        "cross_entropy",
        [X],
        lambda x: x.cross_entropy((0, 2, 1), ignore=2, weights=np.array([0.5, 1, 2, 1])),
        lambda x: cross_entropy(x, [0, 2, 1], [0.5, 1, 2, 1], 0.0, 2),
    ),
    ("nll", [X], lambda x: x.nll([0, 3, 1]), lambda x: -(x[0, 0] + x[1, 3] + x[2, 1]) / 3),
    ("linear", [X, numbers(4, 2), numbers(2)], lambda x, w, b: x.linear(w, b), lambda x, w, b: x @ w + b),
    ("linear", [C, numbers(5, 2)], lambda x, w: x.linear(w), lambda x, w: x @ w),
    (
        "layer_norm",
        [C, numbers(4, 5), numbers(4, 5)],
        lambda x, w, b: x.layer_norm(w, b),
        lambda x, w, b: standardized(x, (1, 2)) * w + b,
    ),
    ("layer_norm", [X, numbers(4)], lambda x, w: x.layer_norm(w, epsilon=0.5), lambda x, w: standardized(x, 1, 0.5) * w),
    (
        "rms_norm",
        [X, numbers(4)],
        lambda x, w: x.rms_norm(w),
        lambda x, w: x / np.sqrt((x**2).mean(1, keepdims=True) + 1e-5) * w,
    ),
    (
        "batch_norm",
        [C, numbers(4), numbers(4)],
        lambda x, w, b: x.batch_norm(w, b),
        lambda x, w, b: standardized(x, (0, 2)) * w[:, None] + b[:, None],
    ),
    (
        "batch_norm",
        [C, numbers(4), numbers(4), numbers(4), abs(numbers(4))],
        lambda x, w, b, m, v: x.batch_norm(w, b, m, v),
        lambda x, w, b, m, v: (x - m[:, None]) / np.sqrt(v[:, None] + 1e-5) * w[:, None] + b[:, None],
    ),
    (
        "channel_moments",
        [C],
        lambda x: concat(x.channel_moments()),
        lambda x: np.concatenate([x.mean((0, 2)), x.var((0, 2))]),
    ),
    (
        "group_norm",
        [C, numbers(4), numbers(4)],
        lambda x, w, b: x.group_norm(2, w, b),
        lambda x, w, b: standardized(x.reshape(2, 2, 10), 2).reshape(x.shape) * w[:, None] + b[:, None],
    ),
    ("conv1d", [C, numbers(3, 4, 2)], lambda x, w: x.conv1d(w), lambda x, w: convolved(x, w, None, (1,), (0,), (1,))),
    (
        "conv1d",
        [C, numbers(6, 2, 3), numbers(6)],
        lambda x, w, b: x.conv1d(w, b, stride=2, padding=(2,), dilation=2, groups=2),
        lambda x, w, b: convolved(x, w, b, (2,), (2,), (2,), 2),
    ),
    (
        "conv2d",
        [I, numbers(4, 2, 3, 2), numbers(4)],
        lambda x, w, b: x.conv2d(w, b, stride=(2, 1), padding=(1, 0), dilation=(1, 2), groups=2),
        lambda x, w, b: convolved(x, w, b, (2, 1), (1, 0), (1, 2), 2),
    ),
    ("max_pool1d", [C], lambda x: x.max_pool1d(2), lambda x: pooled(x, (2,), (2,), (0,), 0, np.max)),
    (
        "max_pool2d",
        [I],
        lambda x: x.max_pool2d((3, 2), stride=1, padding=(1, 0)),
        lambda x: pooled(x, (3, 2), (1, 1), (1, 0), -np.inf, np.max),
    ),
    ("avg_pool1d", [C], lambda x: x.avg_pool1d(3, stride=1), lambda x: pooled(x, (3,), (1,), (0,), 0, np.mean)),
    (
        "avg_pool2d",
        [I],
        lambda x: x.avg_pool2d(2, padding=1),
        lambda x: pooled(x, (2, 2), (2, 2), (1, 1), 0, np.mean),
    ),
    (
        "attention",
        [numbers(2, 3, 4), numbers(2, 5, 4), numbers(2, 5, 2)],
        lambda q, k, v: scaled_dot_product_attention(q, k, v),
        attention,
    ),
    (
        "attention",
        [numbers(3, 4), numbers(3, 4), numbers(3, 2), numbers(3, 3)],
        lambda q, k, v, b: scaled_dot_product_attention(q, k, v, bias=b, causal=True),
        lambda q, k, v, b: attention(q, k, v, bias=b, causal=True),
    ),
    (
        "attention",
        [numbers(2, 4), numbers(3, 4), numbers(3, 2)],
        lambda q, k, v: scaled_dot_product_attention(q, k, v, mask=np.array([[True, True, False]])),
        lambda q, k, v: attention(q, k, v, mask=np.array([[True, True, False]])),
    ),
]


@pytest.mark.parametrize(("name", "arguments", "call", "same"), TABLE, ids=[f"{i}-{r[0]}" for i, r in enumerate(TABLE)])
def test_value_and_gradient(name, arguments, call, same):
    expected = np.asarray(same(*arguments))
    for dtype, close in ((np.float64, 1e-9), (np.float32, 2e-5)):
        tensors = [Tensor(a.astype(dtype)) for a in arguments]
        y = call(*tensors)
        assert y.dtype == dtype and y.shape == expected.shape
        np.testing.assert_allclose(y.numpy(), expected, rtol=close, atol=close)
        cotangent = np.cos(np.arange(expected.size)).reshape(expected.shape)
        y.backward(cotangent)
        for i, x in enumerate(tensors):
            h = 1e-6
            for at in np.ndindex(arguments[i].shape):
                moved = [[a.copy() for a in arguments] for _ in range(2)]
                moved[0][i][at] += h
                moved[1][i][at] -= h
                slope = (((same(*moved[0]) - same(*moved[1])) / (2 * h)) * cotangent).sum()
                tolerance = 1e-6 if dtype == np.float64 else 2e-4
                assert x.grad.numpy()[at] == pytest.approx(slope, rel=tolerance, abs=tolerance)


def test_conv_transpose_is_the_reverse():
    """<conv(x), g> = <x, conv_transpose(g)>, with the output padding that the length needs."""
    for axes, name in ((1, "1d"), (2, "2d")):
        x, w = numbers(2, 4, *[8] * axes), numbers(6, 2, *[3] * axes)
        how = {"stride": 2, "padding": 1, "groups": 2}
        y = getattr(Tensor(x), "conv" + name)(w, **how).numpy()
        g = numbers(*y.shape)
        back = getattr(Tensor(g), "conv_transpose" + name)(w, output_padding=1, **how)
        assert back.shape == x.shape
        assert (y * g).sum() == pytest.approx((x * back.numpy()).sum())
        biased = getattr(Tensor(g), "conv_transpose" + name)(w, np.arange(4.0), output_padding=1, **how)
        np.testing.assert_allclose((biased.numpy() - back.numpy())[0, :, 0].reshape(4, -1)[:, 0], np.arange(4.0))


def test_losses_of_nothing_and_of_what_does_not_count():
    x = Tensor([[1.0, 2.0]])
    loss = x.cross_entropy([7], ignore=7)
    loss.backward()
    assert loss.item() == 0.0 and x.grad.tolist() == [[0.0, 0.0]]
    assert Tensor(np.zeros((0, 3))).cross_entropy([]).item() == 0.0


S = np.zeros((2, 3))
REFUSED = [
    (lambda: Tensor(S).softmax(2), ValueError),
    (lambda: Tensor(S).softmax("a"), TypeError),
    (lambda: Tensor(S).cross_entropy([0]), ValueError),
    (lambda: Tensor(S).cross_entropy([0, 3]), IndexError),
    (lambda: Tensor(S).cross_entropy([0, -1]), IndexError),
    (lambda: Tensor(S).cross_entropy([0, 2**70]), TypeError),
    (lambda: Tensor(S).cross_entropy([0.0, 1.0]), TypeError),
    (lambda: Tensor(S).cross_entropy(Tensor([0.0, 1.0])), TypeError),
    (lambda: Tensor(S).cross_entropy("ab"), TypeError),
    (lambda: Tensor(S).cross_entropy(None), TypeError),
    (lambda: Tensor(S).cross_entropy([0, 1], weights=[1.0]), ValueError),
    (lambda: Tensor(S).cross_entropy([0, 1], weights=[]), ValueError),
    (lambda: Tensor(S).cross_entropy([0, 1], weights=[1.0, -1.0, 1.0]), ValueError),
    (lambda: Tensor(S).cross_entropy([0, 1], smoothing=2.0), ValueError),
    (lambda: Tensor(S).cross_entropy([0, 1], smoothing="a"), TypeError),
    (lambda: Tensor([1.0]).cross_entropy([0]), ValueError),
    (lambda: Tensor(1.0).cross_entropy(0), ValueError),
    (lambda: Tensor(S).nll([0, 9]), IndexError),
    (lambda: Tensor(S).nll([[0, 1]]), ValueError),
    (lambda: Tensor(S).mse([0.0, 0.0, 0.0]), ValueError),
    (lambda: Tensor(S).mse("a"), TypeError),
    (lambda: Tensor(S).mse(Tensor(S.astype(np.float32))), TypeError),
    (lambda: Tensor(S).l1_loss(0.0), ValueError),
    (lambda: Tensor(S).huber(S, -1.0), ValueError),
    (lambda: Tensor(S).hinge(S), ValueError),
    (lambda: Tensor(S).kl_div(S[0]), ValueError),
    (lambda: Tensor(S).bce_with_logits(S, positive_weight=np.ones((5, 2, 3))), ValueError),
    (lambda: Tensor(S).linear(S), ValueError),
    (lambda: Tensor(S).linear(np.zeros((3, 2)), np.zeros(3)), ValueError),
    (lambda: Tensor(S).layer_norm([1.0]), ValueError),
    (lambda: Tensor(S).layer_norm([1.0, 1.0, 1.0], [1.0]), ValueError),
    (lambda: Tensor(S).rms_norm(1.0), ValueError),
    (lambda: Tensor(S).batch_norm([1.0], [1.0]), ValueError),
    (lambda: Tensor(S).batch_norm([1.0] * 3, [1.0] * 3, [1.0] * 3), ValueError),
    (lambda: Tensor([1.0]).channel_moments(), ValueError),
    (lambda: Tensor(S).group_norm(2, [1.0] * 3, [1.0] * 3), ValueError),
    (lambda: Tensor(S).group_norm(0, [1.0] * 3, [1.0] * 3), ValueError),
    (lambda: Tensor(S).dropout(1.5, Rng(0)), ValueError),
    (lambda: Tensor(S).dropout(float("nan"), Rng(0)), ValueError),
    (lambda: Tensor(S).dropout(0.5, 3), TypeError),
    (lambda: Tensor(S).conv1d(S), ValueError),
    (lambda: Tensor(S[None]).conv1d(np.zeros((1, 2, 9))), ValueError),
    (lambda: Tensor(S[None]).conv1d(np.zeros((1, 2, 1)), stride=0), ValueError),
    (lambda: Tensor(S[None]).conv1d(np.zeros((1, 2, 1)), stride=(1, 1)), ValueError),
    (lambda: Tensor(S[None]).conv1d(np.zeros((1, 2, 1)), padding=-1), ValueError),
    (lambda: Tensor(S[None]).conv1d(np.zeros((1, 2, 1)), padding=2**50), ValueError),
    (lambda: Tensor(S[None]).conv1d(np.zeros((1, 2, 1)), groups=0), ValueError),
    (lambda: Tensor(S[None]).conv1d(np.zeros((1, 2, 1)), [1.0, 2.0]), ValueError),
    (lambda: Tensor(S[None]).conv1d(np.zeros((1, 2, 1)), padding="a"), TypeError),
    (lambda: Tensor(S[None, None]).conv2d(np.zeros((1, 1, 1, 1)), groups=2**70), ValueError),
    (lambda: Tensor(S[None]).conv_transpose1d(np.zeros((2, 1, 1)), output_padding=1), ValueError),
    (lambda: Tensor(S[None]).conv_transpose1d(np.zeros((2, 1, 1)), padding=9), ValueError),
    (lambda: Tensor(S).max_pool1d(4), ValueError),
    (lambda: Tensor(S).max_pool1d(2, padding=2), ValueError),
    (lambda: Tensor(S).max_pool2d((1, 2, 3)), ValueError),
    (lambda: Tensor(S[0]).max_pool2d(1), ValueError),
    (lambda: Tensor(S).avg_pool2d(0), ValueError),
    (lambda: scaled_dot_product_attention(S, S, S[:1]), ValueError),
    (lambda: scaled_dot_product_attention(S, S, S[0]), ValueError),
    (lambda: scaled_dot_product_attention(S, S, S, mask=np.ones((2, 5))), ValueError),
    (lambda: scaled_dot_product_attention(S, S, S, bias=np.ones((4, 2, 2))), ValueError),
    (lambda: scaled_dot_product_attention(1.0, 2.0, 3.0), ValueError),
]


@pytest.mark.parametrize(("call", "kind"), REFUSED, ids=range(len(REFUSED)))
def test_refuses(call, kind):
    with pytest.raises(kind):
        call()


def test_mistakes_name_the_line():
    x = Tensor(S)
    for bad in (lambda: x.mse([0.0]), lambda: x.cross_entropy([0, 3]), lambda: x.cross_entropy([0])):
        with pytest.raises((ValueError, IndexError)) as error:
            bad()
        assert f"test_nn.py:{inspect.getsourcelines(bad)[1]}" in str(error.value)


def test_random_numbers_are_those_of_the_library():
    rng = Rng(7)
    assert [rng.uniform(), rng.uniform()] == UNIFORM
    assert [rng.normal(), rng.normal()] == NORMAL
    assert [rng.below(10), rng.below(1000)] == BELOW
    assert rng.permutation(8).tolist() == PERMUTATION
    assert rng.split().uniform() == SPLIT


def test_random_numbers_of_a_shape():
    rng, same = Rng(3), Rng(3)
    x = rng.normal((2, 3))
    assert x.shape == (2, 3) and not x.requires_grad and x.dtype == np.float64
    assert x.ravel().tolist() == [same.normal() for _ in range(6)]
    assert rng.uniform((2,), dtype="float32").dtype == np.float32
    assert rng.below(5, (4, 2)).shape == (4, 2) and rng.below(5, 3).dtype == np.int64
    assert rng.uniform(()).shape == () and rng.uniform(0).shape == (0,)
    assert sorted(rng.permutation(9).tolist()) == list(range(9)) and rng.permutation(0).shape == (0,)
    again = copy.deepcopy(rng)
    assert again.uniform() == rng.uniform()


def test_random_numbers_of_many_threads():
    """No number is given out twice."""
    rng, found = Rng(0), []
    threads = [threading.Thread(target=lambda: found.extend(rng.uniform((5000,)).tolist())) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(found)) == 20000


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        (lambda: Rng(-1), ValueError),
        (lambda: Rng(2**64), ValueError),
        (lambda: Rng(0.5), TypeError),
        (lambda: Rng(None), TypeError),
        (lambda: Rng(), TypeError),
        (lambda: Rng(0).below(0), ValueError),
        (lambda: Rng(0).below(-1), ValueError),
        (lambda: Rng(0).uniform(-1), ValueError),
        (lambda: Rng(0).uniform((2**40, 2**40)), MemoryError),
        (lambda: Rng(0).uniform("a"), TypeError),
        (lambda: Rng(0).uniform(2, dtype="int64"), TypeError),
        (lambda: Rng(0).permutation(-1), ValueError),
    ],
)
def test_random_numbers_refuse(call, kind):
    with pytest.raises(kind):
        call()


def test_layers_begin_as_in_the_library():
    single, double = nn.Linear(3, 2, Rng(5)), nn.Linear(3, 2, Rng(5), dtype="float64")
    assert single.weight.ravel().tolist() == [float(np.float32(v)) for v in LINEAR32]
    assert double.weight.ravel().tolist() == LINEAR64
    assert single.bias.tolist() == [0.0, 0.0] and single.weight.label == "weight"


@pytest.mark.parametrize("kind", ["adam32", "adam64", "sgd32"])
def test_steps_are_those_of_the_library(kind):
    dtype = "float64" if kind.endswith("64") else "float32"
    net = nn.Mlp([2, 3, 2], Rng(1), dtype=dtype)
    optimiser = {
        "adam32": lambda p: optim.Adam(p, lr=0.01),
        "adam64": lambda p: optim.Adam(p, lr=0.01, betas=(0.8, 0.95), epsilon=1e-6),
        "sgd32": lambda p: optim.Sgd(p, lr=0.1),
    }[kind](net.parameters())
    for _ in range(3):
        # Element by element: products of matrices may differ in the last bit from machine to machine.
        for p in net.parameters():
            (p * p + p).backward(np.ones(p.shape))
        optimiser.step()
    for name, p in net.named_parameters().items():
        expected = np.array(STEPS[kind][name], dtype)
        np.testing.assert_array_equal(p.numpy().ravel(), expected)  # to the last bit


def test_a_step_keeps_the_objects_and_uses_up_the_gradients():
    w, b = Tensor([1.0, 2.0], label="w"), Tensor(np.float32(3.0))
    both = optim.Sgd({"w": w, "b": b, "again": w}, lr=0.5)
    assert [id(p) for p in both.parameters] == [id(w), id(b)]
    (w @ w).backward()
    (b * b).backward()
    before = id(w), w.numpy()
    both.step()
    assert (w.tolist(), b.item(), w.label, id(w)) == ([0.0, 0.0], 0.0, "w", before[0])
    assert before[1].tolist() == [1.0, 2.0]  # what was exported does not change
    assert not w.has_grad and w.requires_grad and b.dtype == np.float32
    assert (w * 2).parents[0] is w
    both.lr = 0.25
    assert both.lr == 0.25


def test_numbers_are_updated_where_they_lie():
    w = Tensor(np.ones(1000))
    sgd = optim.Sgd([w], lr=0.5)
    address = w.numpy().__array_interface__["data"][0]
    for _ in range(3):
        w.mse(np.zeros(1000)).backward()
        sgd.step()
    assert w.numpy().__array_interface__["data"][0] == address


@pytest.mark.parametrize("kind", [optim.Sgd, optim.Adam])
def test_a_step_without_a_gradient_changes_nothing(kind):
    a, b = Tensor([1.0]), Tensor(np.ones(2, np.float32), label="b")
    c = Tensor(np.ones(2, np.float32))
    for given, missing in (([a, c], b), ([b, c], a)):
        for p in given:
            p.grad = np.ones(p.shape)
        step = kind([a, b, c], lr=0.1).step
        with pytest.raises(ValueError, match="has no gradient") as error:
            step()
        assert "test_nn.py" in str(error.value)
        assert (a.tolist(), b.tolist(), c.tolist()) == ([1.0], [1.0, 1.0], [1.0, 1.0])
        assert all(p.has_grad for p in given) and not missing.has_grad
        kind([a, b, c], lr=0.1, allow_missing=True).step()
        assert not any(p.has_grad for p in given) and missing.tolist() == [1.0] * missing.size
        for p in given:
            p.data = np.ones(p.shape)


@pytest.mark.parametrize("make", [optim.Adam, lambda parameters: optim.Sgd(parameters, lr=0.1)])
def test_an_optimiser_of_nothing(make):
    parameters = (p for p in [Tensor(1.0)])
    make(parameters)
    with pytest.raises(ValueError, match="no parameter here(.|\n)*test_nn.py"):
        make(parameters)


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        (lambda: optim.Sgd(Tensor(1.0), lr=0.1), TypeError),
        (lambda: optim.Sgd([1.0], lr=0.1), TypeError),
        (lambda: optim.Sgd(None, lr=0.1), TypeError),
        (lambda: optim.Sgd([Tensor(1.0)], lr="a"), TypeError),
        (lambda: optim.Sgd([Tensor(1.0) * 2], lr=0.1), ValueError),
        (lambda: optim.Adam([constant(1.0)]), ValueError),
        (lambda: optim.Adam([Tensor(1.0)], betas=0.9), TypeError),
    ],
)
def test_optimisers_refuse(call, kind):
    with pytest.raises(kind):
        call()


def test_steps_of_two_threads():
    """Each reads the gradients that there are, and no update is lost halfway."""
    parameters = [Tensor(np.ones(30000)) for _ in range(4)]
    a, b = optim.Sgd(parameters, lr=1.0, allow_missing=True), optim.Sgd(parameters[::-1], lr=1.0, allow_missing=True)

    def train(optimiser):
        for _ in range(50):
            for p in parameters:
                p.grad = np.ones(30000)
            optimiser.step()

    threads = [threading.Thread(target=train, args=(optimiser,)) for optimiser in (a, b)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for p in parameters:
        values = set(p.tolist())
        assert len(values) == 1 and 1 - 100 <= values.pop() <= 1 - 50


def test_xor_is_learned():
    x, xor = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], [0, 1, 1, 0]
    net = nn.Mlp([2, 16, 2], Rng(1))
    adam = optim.Adam(net.parameters(), lr=0.05)
    for _ in range(100):
        loss = net(x).cross_entropy(xor)
        loss.backward()
        adam.step()
    assert net(x).cross_entropy(xor).item() < 0.05
    assert net(x).argmax(axis=1).tolist() == xor


def test_a_network_of_every_layer_is_learned():
    rng = Rng(0)
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3, rng, padding=1),
        nn.BatchNorm(4),
        Tensor.relu,
        lambda x: x.max_pool2d(2),
        lambda x: x.flatten(1),
        nn.Dropout(0.1, rng),
        nn.Linear(16, 8, rng),
        nn.LayerNorm(8),
        Tensor.tanh,
        nn.Linear(8, 2, rng, bias=False),
    )
    images = np.zeros((8, 1, 4, 4))
    images[:4, :, :2] = 1  # above, or below
    images[4:, :, 2:] = 1
    images += 0.1 * rng.normal(images.shape).numpy()
    classes = [0] * 4 + [1] * 4
    adam = optim.Adam(net.parameters(), lr=0.02)
    for _ in range(60):
        net(images).cross_entropy(classes).backward()
        adam.step()
    net.eval()
    assert net(images).cross_entropy(classes).item() < 0.1
    assert net(images).tolist() == net(images).tolist()
    state = net.state_dict()
    assert "layers.1.mean" in state and "layers.1.mean" not in net.named_parameters()
    assert abs(state["layers.1.mean"].numpy()).max() > 0


def test_an_embedding_takes_rows():
    table = nn.Embedding(5, 3, Rng(0))
    y = table([[1, 1], [4, 0]])
    assert y.shape == (2, 2, 3) and y.tolist()[0][0] == table.weight.tolist()[1]
    y.backward(np.ones((2, 2, 3)))
    assert table.weight.grad.tolist() == [[1.0] * 3, [2.0] * 3, [0.0] * 3, [0.0] * 3, [1.0] * 3]
    with pytest.raises(IndexError):
        table([5])


def test_parameters_are_found_wherever_they_are():
    class Net(nn.Module):
        def __init__(self):
            self.a = Tensor(1.0)
            self.list = [Tensor(2.0), {"x": (Tensor(3.0), "text")}]
            self.inner = nn.Linear(1, 1, Rng(0))
            self.shared = self.a
            self.data = constant(4.0)
            self.computed = self.a * 2
            self.other = 5

    net = Net()
    assert list(net.named_parameters()) == ["a", "list.0", "list.1.x.0", "inner.weight", "inner.bias"]
    assert [id(p) for p in net.parameters()][0] == id(net.a)
    assert sorted(net.state_dict()) == ["a", "data", "inner.bias", "inner.weight", "list.0", "list.1.x.0"]
    (net.a * 2).backward()
    net.zero_grad()
    assert not net.a.has_grad
    with pytest.raises(NotImplementedError, match="Net"):
        net(1.0)


def test_a_state_that_does_not_fit_changes_nothing():
    net = nn.Linear(2, 2, Rng(0))
    before = {name: x.tolist() for name, x in net.state_dict().items()}
    good = nn.Linear(2, 2, Rng(1)).state_dict()
    for bad, what in [
        ({}, "lacks bias, weight"),
        (good | {"more": Tensor(1.0)}, "no more"),
        (good | {"weight": Tensor([1.0])}, "weight has the shape"),
    ]:
        with pytest.raises(ValueError, match=what):
            net.load_state_dict(bad)
    assert {name: x.tolist() for name, x in net.state_dict().items()} == before
    state = net.state_dict()
    net.load_state_dict(good)
    assert state["weight"].tolist() == before["weight"] != net.weight.tolist()  # what was taken stays


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        (lambda: nn.Mlp([3], Rng(0)), ValueError),
        (lambda: nn.Linear(0, 3, Rng(0)), ValueError),
        (lambda: nn.Conv2d(3, 4, 1, Rng(0), groups=2), ValueError),
        (lambda: nn.Dropout(2.0, Rng(0)), ValueError),
        (lambda: nn.BatchNorm(2)([[1.0, 2.0]]), ValueError),
        (lambda: nn.Linear(2, 3, Rng(0))([1.0, 2.0, 3.0]), ValueError),
        (lambda: nn.Linear(2, 3, Rng(0))("a"), TypeError),
    ],
)
def test_layers_refuse(call, kind):
    with pytest.raises(kind):
        call()


def test_every_method_of_this_part_is_in_the_table():
    tested = {row[0] for row in TABLE} | {"conv_transpose1d", "conv_transpose2d", "dropout"}
    parts = ("softmax", "_loss", "norm", "conv", "pool", "mse", "huber", "hinge", "kl_", "nll", "cross_", "bce", "linear")
    others = {"norm"}  # a reduction
    for name in vars(femtograd.Tensor):
        if any(part in name for part in parts) and not name.startswith("_") and name not in others:
            assert name in tested
