"""Numbers in and out: NumPy by address, DLPack, pickle, copies, other libraries where they are installed."""

import copy
import gc
import pickle

import numpy as np
import pytest

from femtograd import Tensor, constant, from_dlpack


def address(array):
    return array.__array_interface__["data"][0]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_what_goes_out_is_shared_and_read_only(dtype):
    x = Tensor(np.arange(6, dtype=dtype).reshape(2, 3))
    a, b = x.numpy(), np.asarray(x)
    assert a.dtype == dtype and address(a) == address(b)
    assert not a.flags.writeable
    with pytest.raises(ValueError):
        a[0, 0] = 1
    assert bytes(memoryview(x)) == a.tobytes()
    with pytest.raises(TypeError):
        memoryview(x)[0, 0] = 1.0


def test_what_goes_out_outlives_its_tensor_and_its_updates():
    p = Tensor([1.0, 2.0])
    before = p.numpy()
    p.data -= 1.0
    after = p.numpy()
    del p
    gc.collect()
    assert before.tolist() == [1.0, 2.0] and after.tolist() == [0.0, 1.0]


@pytest.mark.parametrize(
    "view",
    [
        lambda a: a,
        lambda a: a.T,
        lambda a: a[::2, ::-1],
        lambda a: a[1:, 2:3],
        lambda a: a[:, None, 1],
        lambda a: np.broadcast_to(a[:, :1], (4, 7)),
        lambda a: a[::-1, ::-3],
    ],
)
def test_what_is_read_only_comes_in_where_it_lies(view):
    base = np.arange(24.0)
    base.flags.writeable = False  # of the array that has the memory: a view of a writable one may change
    array = view(base.reshape(4, 6))
    x = Tensor(array)
    assert x.numpy().tolist() == array.tolist()
    assert address(x.numpy()) == address(array)
    assert [s for s, n in zip(x.numpy().strides, x.shape) if n > 1] == [s for s, n in zip(array.strides, x.shape) if n > 1]
    (x * x).sum().backward()
    assert np.array_equal(x.grad, 2 * array)
    where = address(array)
    del base, array
    gc.collect()
    assert address(x.numpy()) == where and np.isfinite(x.numpy()).all()


def test_what_is_writable_comes_in_as_a_copy_unless_told_otherwise():
    array = np.arange(3.0)
    copied, shared = Tensor(array), Tensor(array, copy=False)
    assert address(copied.numpy()) != address(array) == address(shared.numpy())
    array[0] = 7.0
    assert copied.tolist() == [0.0, 1.0, 2.0] and shared.tolist() == [7.0, 1.0, 2.0]
    # A read-only view of what is writable can change all the same.
    view = array[:]
    view.flags.writeable = False
    assert address(Tensor(view).numpy()) != address(array)
    fixed = np.arange(3.0)
    fixed.flags.writeable = False
    assert address(Tensor(fixed, copy=True).numpy()) != address(fixed)


def test_an_update_of_shared_numbers_leaves_them():
    array = np.arange(3.0)
    array.flags.writeable = False
    p = Tensor(array)
    (p * p).sum().backward()
    p.data -= 0.5 * p.grad
    assert p.tolist() == [0.0, 0.0, 0.0] and array.tolist() == [0.0, 1.0, 2.0]


@pytest.mark.parametrize(
    "array, dtype",
    [
        (np.arange(3, dtype="int8"), "float64"),
        (np.array([True, False]), "float64"),
        (np.array([1.5], dtype="float16"), "float32"),
        (np.array([1.0, 2.0], dtype=">f8"), "float64"),
        (np.array([1.0, 2.0], dtype=">f4"), "float32"),
        (np.float32(2.5), "float32"),
        (np.zeros((0, 3), "float32"), "float32"),
        (np.array(3.0), "float64"),
        (np.frombuffer(b"\0" * 17, dtype="u1")[1:].view("float64"), "float64"),  # not aligned
    ],
)
def test_types(array, dtype):
    x = Tensor(array)
    assert x.dtype == dtype and x.shape == np.shape(array)
    assert np.array_equal(x, array)


class Shown:
    def __array__(self, dtype=None, copy=None):
        return np.array([1.0, 2.0], dtype=dtype)


def test_what_shows_an_array():
    assert Tensor(Shown()).tolist() == [1.0, 2.0]
    assert (Tensor([1.0, 1.0]) + Shown()).tolist() == [2.0, 3.0]
    import array

    assert Tensor(array.array("f", [1, 2])).dtype == "float32"
    assert Tensor(memoryview(np.ones(2))).tolist() == [1.0, 1.0]
    assert Tensor(range(3)).tolist() == [0.0, 1.0, 2.0]


@pytest.mark.parametrize("what", ["1", None, 1j, object(), [1.0, "2"], [[1.0], None], np.array(["a"]), {}, np.array([1j]), {1.0}])
def test_what_is_no_number(what):
    with pytest.raises(TypeError):
        Tensor(what)


@pytest.mark.parametrize("what", [[[1.0], [1.0, 2.0]], [1.0, [2.0]], [[1.0], 2.0], [np.ones(2), np.ones(3)]])
def test_what_makes_no_array(what):
    with pytest.raises(ValueError):
        Tensor(what)


def test_variables_in_a_list_are_not_cut_off():
    with pytest.raises(TypeError, match="stack"):
        Tensor([Tensor(1.0), Tensor(2.0)])
    assert Tensor([constant(1.0), constant(2.0)]).tolist() == [1.0, 2.0]


def test_dlpack_with_numpy():
    x = Tensor([[1.0, 2.0]])
    shared = np.from_dlpack(x)
    assert address(shared) == address(x.numpy()) and not shared.flags.writeable
    assert x.__dlpack_device__() == (1, 0)
    fixed = np.arange(3.0)
    fixed.flags.writeable = False
    assert address(from_dlpack(fixed).numpy()) == address(fixed)
    assert address(from_dlpack(np.arange(3.0)).numpy()) != address(fixed)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_leaves_are_pickled_with_gradient_and_name(dtype, protocol):
    w = Tensor([1.0, 2.0], dtype=dtype, label="w")
    (w * w).sum().backward()
    again = pickle.loads(pickle.dumps(w, protocol))
    assert again.tolist() == [1.0, 2.0] and again.dtype == dtype and again.label == "w"
    assert again.requires_grad and again.grad.tolist() == [2.0, 4.0]
    fixed = pickle.loads(pickle.dumps(constant(2.0), protocol))
    assert not fixed.requires_grad and not fixed.has_grad and fixed == 2.0 and fixed.shape == ()


class Parameter(Tensor):
    pass


def test_copies():
    w = Tensor([1.0, 2.0], label="w")
    (w * w).sum().backward()
    for again in (copy.copy(w), copy.deepcopy(w)):
        assert again is not w and again.label == "w" and again.grad.tolist() == [2.0, 4.0]
        again.data += 1.0
        assert w.tolist() == [1.0, 2.0] and again.tolist() == [2.0, 3.0]
    net = {"a": w, "b": [w]}
    again = copy.deepcopy(net)
    assert again["a"] is again["b"][0] and again["a"] is not w
    p = Parameter(3.0)
    p.note = ["kept"]
    for again in (copy.copy(p), copy.deepcopy(p), pickle.loads(pickle.dumps(p))):
        assert type(again) is Parameter and again == 3.0 and again.note == ["kept"]
    assert copy.copy(p).note is p.note and copy.deepcopy(p).note is not p.note


def test_a_history_stays():
    y = Tensor(2.0) * 3.0
    for attempt in (copy.copy, copy.deepcopy, pickle.dumps):
        with pytest.raises(RuntimeError, match=r"mul at .*test_interop.py:\d+"):
            attempt(y)
    assert pickle.loads(pickle.dumps(y.detach())) == 6.0


def test_torch():
    torch = pytest.importorskip("torch")
    x = Tensor(np.arange(6, dtype="float32").reshape(2, 3))
    assert torch.from_dlpack(x).tolist() == x.tolist()
    theirs = torch.arange(4.0)
    assert from_dlpack(theirs).tolist() == [0.0, 1.0, 2.0, 3.0]
    assert from_dlpack(theirs, copy=False).numpy().__array_interface__["data"][0] == theirs.data_ptr()
    assert Tensor(theirs).dtype == "float32"

    # A function of ours inside a graph of PyTorch's.
    class Cube(torch.autograd.Function):
        @staticmethod
        def forward(context, x):
            ours = from_dlpack(x.detach())
            y = (ours**3).sum()
            context.ours, context.y = ours, y
            return torch.tensor(y.item())

        @staticmethod
        def backward(context, g):
            context.y.backward(float(g))
            return torch.from_dlpack(context.ours.grad)

    theirs = torch.tensor([1.0, 2.0], requires_grad=True)
    (2 * Cube.apply(theirs)).backward()
    assert theirs.grad.tolist() == [6.0, 24.0]


def test_jax():
    jax = pytest.importorskip("jax")
    x = Tensor(np.arange(3, dtype="float32"))
    assert jax.numpy.from_dlpack(x).tolist() == x.tolist()
    assert from_dlpack(jax.numpy.arange(3.0)).tolist() == [0.0, 1.0, 2.0]

    def ours(x):
        x = from_dlpack(x) if not isinstance(x, np.ndarray) else Tensor(x)
        return (x**3).sum(), x

    def value(x):
        return np.float32(ours(x)[0].item())

    def slope(x):
        y, x = ours(x)
        y.backward()
        return np.array(x.grad)

    @jax.custom_vjp
    def cube(x):
        return jax.pure_callback(value, jax.ShapeDtypeStruct((), "float32"), x)

    cube.defvjp(
        lambda x: (cube(x), x),
        lambda x, g: (g * jax.pure_callback(slope, jax.ShapeDtypeStruct(x.shape, x.dtype), x),),
    )
    g = jax.grad(lambda x: 2 * cube(x))(jax.numpy.array([1.0, 2.0], dtype="float32"))
    assert g.tolist() == [6.0, 24.0]
