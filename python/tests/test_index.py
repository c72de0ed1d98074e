"""Indexing is NumPy's, and gradients go back to the places that were taken."""

import inspect

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from femtograd import Tensor, constant, stack

SETTINGS = settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def line():
    """The line after the caller's."""
    return f"test_index.py:{inspect.currentframe().f_back.f_lineno + 1}"


@st.composite
def shapes_and_keys(draw):
    """A shape, and a key that NumPy mostly takes: every kind of part in any combination."""
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4))
    common = draw(hnp.array_shapes(min_dims=0, max_dims=2, min_side=0, max_side=3))
    parts, k, rest = [], 0, False
    while k < len(shape):
        n = shape[k]
        kind = draw(st.sampled_from("isanrmbe"))
        if kind == "i" and n:
            parts.append(draw(st.integers(-n, n - 1)))
            k += 1
        elif kind == "s":
            parts.append(draw(st.slices(n)))
            k += 1
        elif kind == "a" and n:
            # An array that broadcasts to the common shape.
            of = tuple(draw(st.sampled_from([1, m])) for m in common)[draw(st.integers(0, len(common))) :]
            array = draw(hnp.arrays(np.int64, of, elements=st.integers(-n, n - 1)))
            parts.append(array.tolist() if array.size and draw(st.booleans()) else array)
            k += 1
        elif kind == "n":
            parts.append(None)
            if len(parts) > 8:
                break
        elif kind == "r" and not rest:
            parts.append(...)
            rest = True
            k += draw(st.integers(0, len(shape) - k))
        elif kind == "m":
            axes = draw(st.integers(1, len(shape) - k))
            parts.append(draw(hnp.arrays(bool, shape[k : k + axes])))
            k += axes
        elif kind == "b":
            parts.append(draw(st.sampled_from([True, False, np.True_, np.int8(0)])))
        elif kind == "e":
            break
        if len(parts) > 8:
            break
    key = parts[0] if len(parts) == 1 and draw(st.booleans()) else tuple(parts)
    return shape, key


def check(shape, key):
    """The same elements as NumPy, or an IndexError where it has one; and the gradient."""
    a = np.arange(1.0, np.prod(shape, dtype=int) + 1).reshape(shape)
    x = Tensor(a)
    try:
        expected = np.asarray(a[key])
    except IndexError:
        with pytest.raises(IndexError):
            x[key]
        return
    y = x[key]
    assert y.shape == expected.shape
    np.testing.assert_array_equal(y.numpy(), expected)
    cotangent = np.arange(1.0, expected.size + 1).reshape(expected.shape)
    y.backward(cotangent)
    gradient = np.zeros(shape)
    np.add.at(gradient, key, cotangent)
    np.testing.assert_array_equal(x.grad.numpy(), gradient)


@SETTINGS
@given(shapes_and_keys())
def test_as_numpy(case):
    check(*case)


@SETTINGS
@given(
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3).flatmap(
        lambda shape: st.tuples(st.just(shape), hnp.basic_indices(shape, allow_newaxis=True, allow_ellipsis=True))
    )
)
def test_basic_as_numpy(case):
    check(*case)


ANYTHING = st.one_of(
    st.integers(-5, 5),
    st.integers(),
    st.none(),
    st.just(...),
    st.booleans(),
    st.floats(),
    st.text(max_size=2),
    st.slices(4),
    st.builds(slice, st.integers(), st.integers(), st.integers(-3, 3)),
    st.lists(st.integers(-4, 4), max_size=3),
    st.lists(st.booleans(), max_size=3),
    st.lists(st.one_of(st.integers(), st.floats(), st.none(), st.lists(st.integers(0, 1), max_size=2)), max_size=3),
    hnp.arrays(st.sampled_from([np.int8, np.uint64, np.bool_, np.float64]), hnp.array_shapes(min_dims=0, max_side=3)),
)


def wraps_in_numpy(part):
    """Whether it has a whole number that is too large for int64, of which NumPy makes a negative one."""
    return isinstance(part, np.ndarray) and part.dtype == np.uint64 and bool((part > np.iinfo(np.int64).max).any())


def test_what_no_axis_has_is_no_index():
    last = np.array([2**64 - 1], dtype=np.uint64)
    assert np.zeros((2, 3))[last].shape == (1, 3)
    for key in [last, (last, 0), (0, last), (..., last)]:
        with pytest.raises(IndexError, match="lies outside"):
            Tensor(np.zeros((2, 3)))[key]


@SETTINGS
@given(hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=3), ANYTHING | st.lists(ANYTHING, max_size=4).map(tuple))
def test_whatever_is_given_is_an_index_or_an_index_error(shape, key):
    a = np.zeros(shape)
    try:
        expected = np.asarray(a[key]).shape
        if any(map(wraps_in_numpy, key if isinstance(key, tuple) else (key,))):
            raise IndexError("to NumPy it is a negative index")
    except (IndexError, ValueError, TypeError, OverflowError):
        with pytest.raises(IndexError):
            Tensor(a)[key]
    else:
        assert Tensor(a)[key].shape == expected


def test_a_mask_of_nothing_chooses_nothing():
    for shape in [(0, 1), (2, 3), (1, 0)]:
        check(shape, (..., np.array([], dtype=bool)))
    check((2, 3), np.zeros((2, 0), dtype=bool))
    check((2, 3), np.zeros(3, dtype=bool))  # an IndexError


def test_logits_of_classes():
    x = Tensor(np.arange(12.0).reshape(4, 3))
    classes = [2, 0, 1, 1]
    y = x[np.arange(4), classes]
    assert y.tolist() == [2.0, 3.0, 7.0, 10.0]
    y.backward([1.0, 2.0, 3.0, 4.0])
    assert x.grad.tolist() == [[0, 0, 1], [2, 0, 0], [0, 3, 0], [0, 4, 0]]


def test_a_number_is_read_by_any_whole_number():
    x = Tensor([1.0, 2.0, 3.0])
    assert x[np.int32(1)].item() == x[np.array(1)].item() == x[-2].item() == 2.0
    assert x[np.uint64(2)].shape == ()


def test_nothing_to_do_gives_the_same_tensor():
    x = Tensor([[1.0, 2.0]])
    assert x[:] is x and x[...] is x and x.reshape(1, 2) is x and x.broadcast_to((1, 2)) is x


def test_dtype_and_graph():
    x = Tensor(np.ones((2, 2), np.float32))
    assert x[0].dtype == np.float32 and x[0].requires_grad and not constant([1.0, 2.0])[0].requires_grad
    assert "test_index.py" in x[0].location


def test_iteration():
    x = Tensor([[1.0, 2.0], [3.0, 4.0]])
    a, b = x
    assert (a.tolist(), b.tolist()) == ([1.0, 2.0], [3.0, 4.0])
    assert [row.tolist() for row in x] == x.tolist() and len(list(x)) == len(x) == 2
    sum(row @ row for row in x).backward()
    assert x.grad.tolist() == [[2.0, 4.0], [6.0, 8.0]]
    assert list(Tensor(np.zeros((0, 2)))) == []
    assert max(Tensor([1.0, 5.0, 2.0]), key=lambda v: v.item()).item() == 5.0


def test_a_single_number_has_no_elements():
    x = Tensor(1.0)
    for bad in (len, iter, list):
        with pytest.raises(TypeError, match="single number"):
            bad(x)
    with pytest.raises(IndexError, match="single number"):
        x[0]
    assert x[()] is x and x[None].tolist() == [1.0]


def test_contains():
    x = Tensor([[1.0, 2.0], [3.0, 4.0]])
    assert 2.0 in x and 2 in x and 5.0 not in x
    assert [1.0, 2.0] in x and [1.0, 7.0] in x and [8.0, 9.0] not in x  # as NumPy: any equal element
    assert [1.0, 2.0, 3.0] not in x
    with pytest.raises(TypeError):
        "a" in x


def test_values_never_change():
    x = Tensor([1.0, 2.0])
    where = line()
    with pytest.raises(TypeError, match=r"never changes.*where.*scatter_add.*\.data") as error:
        x[0] = 3.0
    assert f"test_index.py:{int(where.split(':')[1]) + 1}" in str(error.value)
    with pytest.raises(TypeError, match="never changes"):
        del x[0]


@pytest.mark.parametrize(
    ("key", "what"),
    [
        (3, "index 3 lies outside an axis of 2"),
        (-3, "index -3 lies outside"),
        (2**80, "lies outside"),
        ((0, 0, 0), "too many indices: 3 for 2"),
        ((..., ...), "only one ellipsis"),
        (([0, 1], [0, 1, 2]), "do not broadcast"),
        ([0, 5], "index 5 lies outside"),
        (0.0, "float is no index"),
        ([0.5], "float64"),
        (np.array([True, False, True]), "mask of shape"),
        ("a", "str"),
        (slice(0, 1, 0), "step"),
        (slice("a", 1), "indices must be integers"),
        (Tensor([1.0, 0.0]), "mask.numpy"),
    ],
)
def test_errors_name_the_line(key, what):
    x = Tensor(np.zeros((2, 3)))
    where = inspect.currentframe().f_lineno + 2
    with pytest.raises(IndexError) as error:
        x[key]
    assert what in str(error.value) and f"test_index.py:{where}" in str(error.value)


def test_take_and_its_relatives():
    a = np.arange(24.0).reshape(2, 3, 4)
    x = Tensor(a)
    indices = [[2, -1], [0, 0]]
    np.testing.assert_array_equal(x.take(indices, axis=1).numpy(), a.take(indices, axis=1))
    np.testing.assert_array_equal(x.take([[23, -1]]).numpy(), a.take([[23, -1]]))
    np.testing.assert_array_equal(x.index_select(-1, [3, 1]).numpy(), a[..., [3, 1]])
    along = np.argsort(-a, axis=1)
    np.testing.assert_array_equal(x.take_along_axis(along, axis=1).numpy(), np.take_along_axis(a, along, 1))
    np.testing.assert_array_equal(x.gather(1, along).numpy(), np.take_along_axis(a, along, 1))
    y = x.take([0, 0, -1], axis=0)
    y.backward(np.ones(y.shape))
    np.testing.assert_array_equal(x.grad.numpy(), [[[2.0] * 4] * 3, [[1.0] * 4] * 3])


def test_scatter_add_adds():
    x, source = Tensor([10.0, 20.0, 30.0]), Tensor([1.0, 2.0, 3.0])
    y = x.scatter_add(0, [2, 0, -1], source)
    assert y.tolist() == [12.0, 20.0, 34.0]
    y.backward([1.0, 2.0, 3.0])
    assert (x.grad.tolist(), source.grad.tolist()) == ([1.0, 2.0, 3.0], [3.0, 1.0, 3.0])


def test_masked_fill_covers():
    x = Tensor([1.0, -2.0, 3.0])
    y = x.masked_fill(x < 0, Tensor(7.0))
    assert y.tolist() == [1.0, 7.0, 3.0]
    y.backward([1.0, 2.0, 3.0])
    assert x.grad.tolist() == [1.0, 0.0, 3.0]
    assert x.masked_fill(np.array([True, False, False]), 0.0).tolist() == [0.0, -2.0, 3.0]


@pytest.mark.parametrize(
    ("call", "kind"),
    [
        (lambda x: x.take([3], axis=0), IndexError),
        (lambda x: x.take([0], axis=2), ValueError),
        (lambda x: x.take([0.5]), TypeError),
        (lambda x: x.take(Tensor([1.0])), TypeError),
        (lambda x: x.take("a"), TypeError),
        (lambda x: x.take([0], axis=1.0), TypeError),
        (lambda x: x.index_select(0, [2]), IndexError),
        (lambda x: x.gather(1, [[3]]), IndexError),
        (lambda x: x.gather(1, [0]), ValueError),
        (lambda x: x.scatter_add(0, [[0, 0, 0]], [1.0]), ValueError),
        (lambda x: x.scatter_add(0, [[9]], [[1.0]]), IndexError),
        (lambda x: x.masked_fill([1.0, 0.0], 0.0), ValueError),
    ],
)
def test_selection_refuses(call, kind):
    with pytest.raises(kind):
        call(Tensor(np.zeros((2, 3))))


def test_order_as_numpy():
    a = np.array([[3.0, 1.0, 2.0], [1.0, 1.0, 0.0]])
    x = Tensor(a)
    assert x.argmax() == a.argmax() and isinstance(x.argmax(), int)
    for axis in (0, 1, -1):
        for name in ("argmax", "argmin"):
            for keep in (False, True):
                found = getattr(x, name)(axis=axis, keepdims=keep)
                np.testing.assert_array_equal(found, getattr(a, name)(axis=axis, keepdims=keep))
                assert found.dtype == np.int64
        np.testing.assert_array_equal(x.sort(axis).numpy(), np.sort(a, axis, stable=True))
        np.testing.assert_array_equal(x.argsort(axis), np.argsort(a, axis, stable=True))
    np.testing.assert_array_equal(x.argmin(keepdims=True), a.argmin(keepdims=True))
    np.testing.assert_array_equal(x.sort(None).numpy(), np.sort(a, None))
    np.testing.assert_array_equal(x.argsort(None, descending=True)[0], 0)
    assert Tensor(3.0).argmax() == 0


def test_order_is_differentiable():
    x = Tensor([3.0, 1.0, 2.0])
    x.sort().backward([1.0, 2.0, 3.0])
    assert x.grad.tolist() == [3.0, 1.0, 2.0]
    x.zero_grad()
    largest, places = x.topk(2)
    assert (largest.tolist(), places.tolist()) == ([3.0, 2.0], [0, 2])
    largest.backward([1.0, 10.0])
    assert x.grad.tolist() == [1.0, 0.0, 10.0]
    x.zero_grad()
    smallest, place = x.min_with_positions()
    smallest.backward()
    assert (smallest.item(), place, x.grad.tolist()) == (1.0, 1, [0.0, 1.0, 0.0])


def test_order_refuses():
    x = Tensor(np.zeros((2, 0)))
    for bad in (x.argmax, lambda: x.argmax(1), lambda: x.argmax(5), lambda: x.topk(1), lambda: x.topk(-1)):
        with pytest.raises(ValueError):
            bad()
    with pytest.raises(TypeError):
        x.argmax(1.5)
    with pytest.raises(TypeError):
        x.argmax(True)


def test_rows_put_together_again():
    x = Tensor([[1.0, 2.0], [3.0, 4.0]])
    stack([x[i] for i in (1, 0)]).backward([[1.0, 2.0], [3.0, 4.0]])
    assert x.grad.tolist() == [[3.0, 4.0], [1.0, 2.0]]
