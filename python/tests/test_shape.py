"""Shape and arrangement: values as NumPy has them, and gradients that go back where the numbers came from."""

import inspect

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from femtograd import Tensor, concat, concatenate, constant, stack

A = np.arange(1.0, 25.0).reshape(2, 3, 4)
B = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
V = np.array([3.0, 1.0, 2.0])

# name, the numbers, the call, and the same in NumPy
LINEAR = [
    ("reshape", A, lambda x: x.reshape(4, 6), lambda a: a.reshape(4, 6)),
    ("reshape", A, lambda x: x.reshape((6, -1)), lambda a: a.reshape(6, -1)),
    ("reshape", A, lambda x: x.reshape([-1]), lambda a: a.reshape(-1)),
    ("reshape", A, lambda x: x.reshape(np.int64(24)), lambda a: a.reshape(24)),
    ("reshape", np.ones(1), lambda x: x.reshape(()), lambda a: a.reshape(())),
    ("reshape", np.ones((0, 3)), lambda x: x.reshape(3, -1), lambda a: a.reshape(3, -1)),
    ("transpose", A, lambda x: x.transpose(), lambda a: a.transpose()),
    ("transpose", A, lambda x: x.transpose(2, 0, 1), lambda a: a.transpose(2, 0, 1)),
    ("transpose", A, lambda x: x.transpose((1, -1, 0)), lambda a: a.transpose((1, -1, 0))),
    ("transpose", A, lambda x: x.transpose(None), lambda a: a.transpose(None)),
    ("permute", A, lambda x: x.permute(1, 2, 0), lambda a: a.transpose(1, 2, 0)),
    ("T", A, lambda x: x.T, lambda a: a.T),
    ("mT", A, lambda x: x.mT, lambda a: a.mT),
    ("swapaxes", A, lambda x: x.swapaxes(0, -1), lambda a: a.swapaxes(0, -1)),
    ("broadcast_to", V, lambda x: x.broadcast_to((2, 3)), lambda a: np.broadcast_to(a, (2, 3))),
    ("broadcast_to", V, lambda x: x.broadcast_to(0, 3), lambda a: np.broadcast_to(a, (0, 3))),
    ("unsqueeze", B, lambda x: x.unsqueeze(1), lambda a: a[:, None]),
    ("unsqueeze", B, lambda x: x.unsqueeze(-1), lambda a: a[..., None]),
    ("expand_dims", B, lambda x: x.expand_dims((0, -1)), lambda a: np.expand_dims(a, (0, -1))),
    ("expand_dims", B, lambda x: x.expand_dims(1), lambda a: np.expand_dims(a, 1)),
    ("squeeze", B[None, :, None], lambda x: x.squeeze(), lambda a: a.squeeze()),
    ("squeeze", B[None, :, None], lambda x: x.squeeze(0), lambda a: a.squeeze(0)),
    ("squeeze", B[None, :, None], lambda x: x.squeeze((0, 2)), lambda a: a.squeeze((0, 2))),
    ("flatten", A, lambda x: x.flatten(), lambda a: a.flatten()),
    ("flatten", A, lambda x: x.flatten(1), lambda a: a.reshape(2, 12)),
    ("flatten", A, lambda x: x.flatten(0, -2), lambda a: a.reshape(6, 4)),
    ("flatten", np.array(2.0), lambda x: x.flatten(), lambda a: a.flatten()),
    ("ravel", A, lambda x: x.ravel(), lambda a: a.ravel()),
    ("moveaxis", A, lambda x: x.moveaxis(0, -1), lambda a: np.moveaxis(a, 0, -1)),
    ("moveaxis", A, lambda x: x.moveaxis((0, 1), (-1, 0)), lambda a: np.moveaxis(a, (0, 1), (-1, 0))),
    ("split", A, lambda x: x.split(2, axis=-1)[1], lambda a: np.split(a, 2, axis=-1)[1]),
    ("split", V, lambda x: x.split([1, -1])[1], lambda a: np.split(a, [1, -1])[1]),
    ("split", V, lambda x: x.split([2, 1, 9])[1], lambda a: np.split(a, [2, 1, 9])[1]),
    ("chunk", A, lambda x: x.chunk(2, 1)[0], lambda a: np.array_split(a, 2, 1)[0]),
    ("flip", A, lambda x: x.flip(), lambda a: np.flip(a)),
    ("flip", A, lambda x: x.flip((0, -1)), lambda a: np.flip(a, (0, -1))),
    ("roll", A, lambda x: x.roll(5), lambda a: np.roll(a, 5)),
    ("roll", A, lambda x: x.roll(-1, 1), lambda a: np.roll(a, -1, 1)),
    ("roll", A, lambda x: x.roll((1, 2), (0, 2)), lambda a: np.roll(a, (1, 2), (0, 2))),
    ("roll", A, lambda x: x.roll(1, (0, 2)), lambda a: np.roll(a, 1, (0, 2))),
    ("repeat", B, lambda x: x.repeat(2), lambda a: a.repeat(2)),
    ("repeat", B, lambda x: x.repeat(3, axis=1), lambda a: a.repeat(3, axis=1)),
    ("repeat", B, lambda x: x.repeat([0, 2], axis=0), lambda a: a.repeat([0, 2], axis=0)),
    ("repeat", V, lambda x: x.repeat([1, 0, 3]), lambda a: a.repeat([1, 0, 3])),
    ("tile", B, lambda x: x.tile(2), lambda a: np.tile(a, 2)),
    ("tile", B, lambda x: x.tile((2, 1, 2)), lambda a: np.tile(a, (2, 1, 2))),
    ("tile", A, lambda x: x.tile(0, 2), lambda a: np.tile(a, (0, 2))),
    ("pad", B, lambda x: x.pad(1), lambda a: np.pad(a, 1)),
    ("pad", B, lambda x: x.pad((1, 2)), lambda a: np.pad(a, (1, 2))),
    ("pad", B, lambda x: x.pad(((0, 1), (2, 0))), lambda a: np.pad(a, ((0, 1), (2, 0)))),
    ("pad", B, lambda x: x.pad([(1, 0)]), lambda a: np.pad(a, [(1, 0)])),
    ("pad", B, lambda x: x.pad(np.array([[1, 0], [0, 1]])), lambda a: np.pad(a, [[1, 0], [0, 1]])),
    ("pad", B, lambda x: x.pad(1, "reflect"), lambda a: np.pad(a, 1, "reflect")),
    ("pad", B, lambda x: x.pad(2, mode="edge"), lambda a: np.pad(a, 2, "edge")),
    ("pad", B, lambda x: x.pad(2, mode="wrap"), lambda a: np.pad(a, 2, "wrap")),
    ("diagonal", A, lambda x: x.diagonal(), lambda a: a.diagonal()),
    ("diagonal", A, lambda x: x.diagonal(-1, 2, 0), lambda a: a.diagonal(-1, 2, 0)),
    ("diagonal", B, lambda x: x.diagonal(9), lambda a: a.diagonal(9)),
    ("diag", B, lambda x: x.diag(1), lambda a: np.diag(a, 1)),
    ("diag", V, lambda x: x.diag(-1), lambda a: np.diag(a, -1)),
    ("tril", A, lambda x: x.tril(), lambda a: np.tril(a)),
    ("triu", A, lambda x: x.triu(1), lambda a: np.triu(a, 1)),
    ("triu", A, lambda x: x.triu(10**30), lambda a: np.triu(a, 9)),
    ("cumsum", A, lambda x: x.cumsum(1), lambda a: a.cumsum(1)),
    ("cumsum", A, lambda x: x.cumsum(), lambda a: a.cumsum()),
    ("windows", V, lambda x: x.windows(0, 2), lambda a: np.lib.stride_tricks.sliding_window_view(a, 2)),
]


@pytest.mark.parametrize(("name", "a", "call", "same"), LINEAR, ids=[f"{i}-{row[0]}" for i, row in enumerate(LINEAR)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_as_numpy(name, a, call, same, dtype):
    a = a.astype(dtype)
    x = Tensor(a)
    y, expected = call(x), np.asarray(same(a))
    assert y.shape == expected.shape and y.dtype == dtype
    np.testing.assert_array_equal(y.numpy(), expected)
    # All are linear: the gradient is that of where each number went, found by moving one at a time.
    cotangent = np.arange(1.0, expected.size + 1).reshape(expected.shape).astype(dtype)
    y.backward(cotangent)
    moved = [(np.asarray(same(unit)) - np.asarray(same(a * 0))).ravel() @ cotangent.ravel() for unit in units(a)]
    np.testing.assert_array_equal(x.grad.numpy(), np.array(moved, dtype).reshape(a.shape))


def units(a):
    """One array for each element: 1 there and 0 elsewhere."""
    return np.eye(a.size, dtype=a.dtype).reshape(a.size, *a.shape) if a.size else []


def test_cumprod():
    x = Tensor([2.0, 0.0, 3.0])
    y = x.cumprod()
    y.backward([1.0, 1.0, 1.0])
    assert (y.tolist(), x.grad.tolist()) == ([2.0, 0.0, 0.0], [1.0, 2.0 + 6.0, 0.0])
    np.testing.assert_array_equal(Tensor(A).cumprod(1).numpy(), A.cumprod(1))


def test_pad_with_a_value():
    np.testing.assert_array_equal(
        Tensor(B).pad(1, constant_values=7.0).numpy(), np.pad(B, 1, constant_values=7.0)
    )


def test_concat_and_stack():
    a, b = Tensor(B), Tensor(B + 10)
    np.testing.assert_array_equal(concat([a, b]).numpy(), np.concatenate([B, B + 10]))
    np.testing.assert_array_equal(concatenate((a, B), axis=-1).numpy(), np.concatenate([B, B], -1))
    np.testing.assert_array_equal(stack([a, b], axis=-1).numpy(), np.stack([B, B + 10], -1))
    stack(iter([a, b]), axis=1).backward(np.arange(12.0).reshape(2, 2, 3))
    assert (a.grad.tolist(), b.grad.tolist()) == ([[0, 1, 2], [6, 7, 8]], [[3, 4, 5], [9, 10, 11]])
    single = concat([Tensor(B.astype(np.float32)), B])
    assert single.dtype == np.float32  # a constant takes the variable's type
    assert not concat([constant([1.0]), [2.0]]).requires_grad


def test_a_split_loses_nothing():
    x = Tensor(A)
    for parts in (x.split(3, axis=1), x.chunk(2, axis=2), x.split([1, 2], 1)):
        axis = next(k for k in range(3) if parts[0].shape[k] != A.shape[k])
        np.testing.assert_array_equal(concat(parts, axis).numpy(), A)
    a, b = x.split(2)
    (a * b).backward(np.ones((1, 3, 4)))
    np.testing.assert_array_equal(x.grad.numpy(), A[::-1])


REFUSED = [
    (lambda x: x.reshape(5), ValueError),
    (lambda x: x.reshape(-1, -1), ValueError),
    (lambda x: x.reshape(-1, 4), ValueError),
    (lambda x: x.reshape(-2, -3), ValueError),
    (lambda x: x.reshape(0, -1), ValueError),
    (lambda x: x.reshape("a"), TypeError),
    (lambda x: x.reshape(2.0, 3.0), TypeError),
    (lambda x: x.reshape(2**40, 2**40), MemoryError),
    (lambda x: x.transpose(0), ValueError),
    (lambda x: x.transpose(0, 0), ValueError),
    (lambda x: x.permute(), ValueError),
    (lambda x: x.permute(0, 2), ValueError),
    (lambda x: Tensor([1.0]).mT, ValueError),
    (lambda x: x.swapaxes(0, 2**70), ValueError),
    (lambda x: x.swapaxes(0, "b"), TypeError),
    (lambda x: x.broadcast_to(3), ValueError),
    (lambda x: x.broadcast_to(-1, 3), ValueError),
    (lambda x: x.broadcast_to(2**70, 3), ValueError),
    (lambda x: x.broadcast_to(*[2**40] * 9, 2, 3), MemoryError),
    (lambda x: x.unsqueeze(4), ValueError),
    (lambda x: x.expand_dims((0, 0)), ValueError),
    (lambda x: x.squeeze(0), ValueError),
    (lambda x: x.squeeze((7,)), ValueError),
    (lambda x: x.flatten(1, 0), ValueError),
    (lambda x: Tensor(1.0).flatten(1), ValueError),
    (lambda x: x.moveaxis((0, 1), 0), ValueError),
    (lambda x: x.moveaxis((0, 0), (0, 1)), ValueError),
    (lambda x: x.split(2, axis=1), ValueError),
    (lambda x: x.split(0), ValueError),
    (lambda x: x.split(2, axis=2), ValueError),
    (lambda x: x.split(1.5), TypeError),
    (lambda x: x.chunk(0), ValueError),
    (lambda x: x.chunk(-1), ValueError),
    (lambda x: x.flip(2), ValueError),
    (lambda x: x.flip((0, 0)), ValueError),
    (lambda x: x.roll(1, 3), ValueError),
    (lambda x: x.roll(2**70), ValueError),
    (lambda x: x.roll((1, 2, 3), (0, 1)), ValueError),
    (lambda x: x.repeat(-1), ValueError),
    (lambda x: x.repeat([1, 2]), ValueError),
    (lambda x: x.repeat(2**42, 1), MemoryError),
    (lambda x: x.repeat(2**70), ValueError),
    (lambda x: x.tile(-1), ValueError),
    (lambda x: x.tile(*[2**40] * 3), MemoryError),
    (lambda x: x.pad(-1), ValueError),
    (lambda x: x.pad(((1, 1), (1, 1), (1, 1))), ValueError),
    (lambda x: x.pad(5, "reflect"), ValueError),
    (lambda x: x.pad(1, "mirror"), ValueError),
    (lambda x: x.pad(1.5), TypeError),
    (lambda x: x.pad(2**42), MemoryError),
    (lambda x: x.diagonal(0, 0, 0), ValueError),
    (lambda x: Tensor(1.0).diag(), ValueError),
    (lambda x: Tensor([1.0]).diag(2**62), MemoryError),
    (lambda x: Tensor([1.0]).tril(), ValueError),
    (lambda x: x.cumsum(2), ValueError),
    (lambda x: x.windows(0, 3), ValueError),
    (lambda x: x.windows(0, 1, 0), ValueError),
    (lambda x: concat([]), ValueError),
    (lambda x: concat([x, [1.0]]), ValueError),
    (lambda x: concat([x], axis=2), ValueError),
    (lambda x: concat(x), TypeError),
    (lambda x: concat([x, "a"]), TypeError),
    (lambda x: concat(5), TypeError),
    (lambda x: concat([x, Tensor(B.astype(np.float32))]), TypeError),
    (lambda x: stack([x, [1.0]]), ValueError),
    (lambda x: stack([x], axis=4), ValueError),
]


@pytest.mark.parametrize(("call", "kind"), REFUSED, ids=range(len(REFUSED)))
def test_refuses(call, kind):
    with pytest.raises(kind):
        call(Tensor(B))


def test_a_mistake_names_op_shape_and_line():
    x = Tensor(B, label="scores")
    where = inspect.currentframe().f_lineno + 2
    with pytest.raises(ValueError) as error:
        x.reshape(4, 2)
    for part in ("reshape", "[2, 3]", "scores", f"test_shape.py:{where}"):
        assert part in str(error.value)
    where = inspect.currentframe().f_lineno + 2
    with pytest.raises(ValueError) as error:
        x.reshape(4, -1)
    for part in ("reshape", "[2, 3]", f"test_shape.py:{where}"):
        assert part in str(error.value)


HUGE = st.sampled_from([2**60, -(2**60), 2**70, -(2**70)])  # none that memory would be tried for
ARGUMENT = st.one_of(
    st.integers(-4, 5),
    HUGE,
    st.none(),
    st.floats(),
    st.text(max_size=3),
    st.lists(st.integers(-3, 4) | HUGE | st.floats(), max_size=3),
    st.lists(st.lists(st.integers(0, 3), max_size=3), max_size=3),
)
METHODS = sorted({row[0] for row in LINEAR} - {"T", "mT"} | {"cumprod", "sort", "argsort", "topk", "take", "gather"})


@settings(max_examples=600, deadline=None)
@given(st.sampled_from(METHODS), st.lists(ARGUMENT, max_size=3), st.sampled_from([A, B, V, np.ones((2, 0)), 2.0]))
def test_whatever_is_given_is_answered_or_refused(name, arguments, a):
    x = Tensor(a)
    try:
        result = getattr(x, name)(*arguments)
    except (ValueError, TypeError, IndexError, MemoryError):
        return
    assert isinstance(result, (Tensor, list, tuple, np.ndarray))




def test_more_parts_than_there_is_memory_for():
    with pytest.raises(MemoryError):
        Tensor(np.zeros((0, 2))).split(10**18)
    assert [y.shape for y in Tensor(np.zeros((0, 2))).split(3)] == [(0, 2)] * 3
