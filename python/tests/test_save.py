"""Files: what is saved comes back, what is damaged is refused, and a failure leaves everything as it was."""

import json
import os
import struct

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from femtograd import Rng, Tensor, constant, load, nn, save


def test_what_is_saved_comes_back(tmp_path):
    path = tmp_path / "model.safetensors"
    tensors = {
        "w": Tensor(np.array([[1.5, -0.0], [np.inf, 2.0**-149]], np.float32)),
        "b.ü": Tensor([0.1, 1e-308]),
        "view": Tensor(np.arange(6.0).reshape(2, 3)).T,
        "one": constant(3.0),
        "none": Tensor(np.zeros((0, 3))),
    }
    save(path, tensors)
    found = load(str(path))
    assert sorted(found) == sorted(tensors)
    for name, x in tensors.items():
        y = found[name]
        assert (y.dtype, y.shape, y.label, y.requires_grad) == (x.dtype, x.shape, name, True)
        np.testing.assert_array_equal(y.numpy(), x.numpy())
        assert np.signbit(y.numpy()).tolist() == np.signbit(x.numpy()).tolist()
    assert not load(path, requires_grad=False)["w"].requires_grad
    assert os.listdir(tmp_path) == ["model.safetensors"]


def test_the_file_is_one_that_others_read(tmp_path):
    path = tmp_path / "x"
    save(path, {"a": Tensor([1.0, 2.0]), "b": Tensor(np.float32(3.0))})
    raw = path.read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    header = json.loads(raw[8 : 8 + length])
    assert header["a"] == {"dtype": "F64", "shape": [2], "data_offsets": [0, 16]}
    assert header["b"]["dtype"] == "F32" and header["b"]["shape"] == []
    assert struct.unpack("<ddf", raw[8 + length :]) == (1.0, 2.0, 3.0)


def test_the_same_tensors_give_the_same_file(tmp_path):
    tensors = {f"{i}": Tensor([float(i)]) for i in range(20)}
    save(tmp_path / "a", tensors)
    save(tmp_path / "b", dict(reversed(tensors.items())))
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_network_goes_through_a_file(tmp_path):
    a, b = nn.Mlp([3, 4, 2], Rng(0)), nn.Mlp([3, 4, 2], Rng(1))
    save(tmp_path / "net", a.state_dict())
    b.load_state_dict(load(tmp_path / "net"))
    x = [[1.0, 2.0, 3.0]]
    assert a(x).tolist() == b(x).tolist()
    b(x).mse([[0.0, 0.0]]).backward()
    assert all(p.has_grad for p in b.parameters())


def file_of(header, data=b""):
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(dtype="F32", shape=(1,), start=0, end=4):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": [start, end]}


DAMAGED = {
    "empty": b"",
    "short": b"\x08\0\0",
    "other": b"PK\x03\x04 something else entirely",
    "header beyond the end": struct.pack("<Q", 1 << 60) + b"{}",
    "no json": struct.pack("<Q", 4) + b"{{{{",
    "truncated": file_of({"a": entry()}, b"\0\0\0"),
    "too long": file_of({"a": entry()}, b"\0" * 5),
    "overlap": file_of({"a": entry(), "b": entry(start=2, end=6)}, b"\0" * 6),
    "other size": file_of({"a": entry(shape=(2,))}, b"\0" * 4),
    "overflow": file_of({"a": entry(shape=(1 << 40, 1 << 40))}, b"\0" * 4),
    "negative": file_of({"a": entry(shape=(-1,))}, b"\0" * 4),
    "unknown type": file_of({"a": entry(dtype="F33")}, b"\0" * 4),
    "other type": file_of({"a": entry(dtype="I32")}, b"\0" * 4),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_damaged_files_are_refused(tmp_path, name):
    path = tmp_path / "damaged"
    path.write_bytes(DAMAGED[name])
    with pytest.raises(ValueError) as error:
        load(path)
    assert str(path) in str(error.value)


GOOD = file_of({"a": entry(), "b": entry("F64", (2, 1), 4, 20)}, struct.pack("<fdd", 1.0, 2.0, 3.0))


@settings(max_examples=500, deadline=None)
@given(st.lists(st.tuples(st.integers(0, len(GOOD) - 1), st.integers(0, 255)), min_size=1, max_size=4), st.integers(0, 9))
def test_any_damage_is_refused_or_is_none(tmp_path_factory, changes, cut):
    path = tmp_path_factory.mktemp("damage") / "file"
    raw = bytearray(GOOD[: len(GOOD) - cut])
    for place, value in changes:
        if place < len(raw):
            raw[place] = value
    path.write_bytes(bytes(raw))
    try:
        found = load(path)
    except ValueError:
        return
    # What still is a file: other numbers or names, or the axes of one tensor.
    assert sum(x.size for x in found.values()) == 3


def test_what_cannot_be_written_changes_nothing(tmp_path):
    path = tmp_path / "model"
    save(path, {"a": Tensor([1.0])})
    before = path.read_bytes()
    for bad, kind in [
        ({1: Tensor([1.0])}, TypeError),
        ({"a": "text"}, TypeError),
        ({"a": None}, TypeError),
        ([Tensor([1.0])], TypeError),
        ({"__metadata__": Tensor([1.0])}, ValueError),
    ]:
        with pytest.raises(kind):
            save(path, bad)
    assert path.read_bytes() == before and os.listdir(tmp_path) == ["model"]
    for place in (tmp_path / "no" / "such" / "place", tmp_path):
        with pytest.raises(OSError, match=place.name):
            save(place, {"a": Tensor([1.0])})
    assert sorted(os.listdir(tmp_path)) == ["model"]


def test_what_is_not_there_cannot_be_read(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing"):
        load(tmp_path / "nothing")
    with pytest.raises(OSError):
        load(tmp_path)
    with pytest.raises(TypeError):
        load(5)


def test_a_link_stays_a_link(tmp_path):
    real, link = tmp_path / "real", tmp_path / "link"
    save(real, {"a": Tensor([1.0])})
    link.symlink_to(real)
    save(link, {"a": Tensor([2.0])})
    assert link.is_symlink() and load(real)["a"].tolist() == [2.0]
