"""What is said of graphs: checks of derivatives, reports, and what is alive."""

import gc

import numpy as np
import pytest

import femtograd
from femtograd import Tensor, constant


def test_gradcheck():
    result = femtograd.gradcheck(
        lambda p, k: (p["w"] @ p["b"]).tanh() * k, {"w": np.eye(2), "b": np.array([0.5, 2.0])}, 3.0
    )
    assert result and result.checks > 10 and not result.wrong and result.blame is None
    assert str(result).startswith(f"gradcheck: of {result.checks} checks 0 failed")
    single = femtograd.gradcheck(lambda x: x * x, np.array([1.0, 2.0], np.float32))
    assert single, str(single)
    kink = femtograd.gradcheck(lambda x: x.relu(), constant([0.0, 1.0]))
    assert kink and any("kink" in why for why in kink.unchecked)


def test_gradcheck_finds_a_cut():
    """Half of the dependence is cut off: reverse and forward mode agree, differences do not."""
    result = femtograd.gradcheck(lambda x: x * x.detach(), constant([1.0, 2.0]))
    assert not result
    worst = result.wrong[0]
    assert worst.input == 0 and "differences" in worst.check and worst.allowed > 0
    assert str(worst) in str(result)
    with pytest.raises(ValueError, match="another value"):
        femtograd.gradcheck(lambda x: x * np.random.rand(), 1.0)
    with pytest.raises(TypeError, match="function is wanted"):
        femtograd.gradcheck(3, 1.0)
    with pytest.raises(TypeError, match="one tensor"):
        femtograd.gradcheck(lambda x: (x, x), 1.0)


def test_verify():
    found = femtograd.verify((Tensor([0.0, 2.0]).relu() * 3).tanh())
    assert found and found.nodes == 3 and [node.op for node in found.unchecked] == ["relu"]
    assert "kink" in found.unchecked[0].why and "test_inspect.py:" in str(found.unchecked[0])
    assert str(found).startswith("verify: of 3 nodes 0 are wrong, 1 not fully checked")


def test_report():
    a, b, c = Tensor(2.0, label="a"), Tensor(-3.0), Tensor(4.0)
    loss = (a * b).relu() + (c * 2).detach() + a
    found = femtograd.report(loss, {"first": a, "second": b, "third": c})
    assert not found
    one, two, three = found.parameters
    assert (one.name, one.reach, one.norm, one.places) == ('"a"', "gradient", 1.0, [])
    assert (two.name, two.reach, two.norm) == ("second", "zero", 0.0) and "test_inspect.py:" in two.places[0]
    assert (three.name, three.reach, three.norm) == ("third", "disconnected", None)
    lines = str(found).splitlines()
    assert lines == [str(fate) for fate in found.parameters]
    assert lines[1].startswith("second []: zero because of relu at ")
    assert femtograd.report(a * 2, [a]) and femtograd.report(a, [a]).strong_zeros == ()
    assert str(femtograd.report(a * 2, [b])).startswith("parameter 0 []: disconnected")
    root = Tensor([0.0, 4.0])
    zeros = femtograd.report((root**0.5 * [0.0, 1.0]) @ [1.0, 1.0], [root]).strong_zeros
    assert zeros and zeros[0].count > 0 and "test_inspect.py:" in zeros[0].place


def test_diagnose():
    x, unused = Tensor(0.0, label="x"), Tensor(1.0, label="unused")
    (x * 2).backward()
    loss = x * 3
    loss.backward()
    found = femtograd.diagnose(loss, {"x": x, "unused": unused})
    assert not found
    assert {finding.kind for finding in found.findings} == {"stale gradient", "unused parameter"}
    assert [finding.kind for finding in femtograd.diagnose(x / 0).findings] == ["nonfinite"]
    assert all(str(finding) in str(found) and finding.cure for finding in found.findings)
    assert any("test_inspect.py:" in place for finding in found.findings for place in finding.places)
    fine = femtograd.diagnose(Tensor(1.0) * 2)
    assert fine and str(fine) == "diagnose: nothing looks wrong"


def test_nonfinite():
    x = Tensor([4.0, 0.0], label="x")
    assert femtograd.nonfinite(x * 2) is None
    found = femtograd.nonfinite(x**0.5)
    assert (found.direction, found.origin.index) == ("backward", [1]) and found.turned is None
    found = femtograd.nonfinite((1 / x) - (1 / x))
    assert (found.direction, found.origin.op, found.origin.value, found.turned.op) == ("forward", "div", np.inf, "sub")
    assert "test_inspect.py:" in found.origin.place and '"x"' in str(found)


def test_trace_nonfinite():
    femtograd.trace_nonfinite()
    try:
        x = Tensor(0.0, label="x")
        with pytest.raises(ValueError, match=r"made by div(.|\n)*test_inspect\.py"):
            (x / 0).backward()
        assert not x.has_grad
    finally:
        femtograd.trace_nonfinite(False)
    (x / 0).backward()


def test_live():
    gc.collect()
    before = femtograd.live().nodes
    losses = [Tensor(1.0) * 2 for _ in range(10)]
    assert femtograd.live().nodes == before + 30
    del losses
    assert femtograd.live().nodes == before
    femtograd.keep_register()
    try:
        x = Tensor(2.0, label="x")
        kept = ((x * x) * x).named("kept")
        live = femtograd.live()
        mine = [held for held in live.held if held.label == "kept"]
        assert len(mine) == 1 and mine[0].keeps == 3 and mine[0].op == "mul"
        assert "test_inspect.py:" in mine[0].oldest and str(mine[0]) in str(live)
        del kept
    finally:
        femtograd.keep_register(False)


def test_only_tensors():
    for call in (femtograd.verify, femtograd.nonfinite, femtograd.diagnose, lambda x: femtograd.report(x, [])):
        with pytest.raises(TypeError, match="a tensor is wanted, not float"):
            call(1.0)
    with pytest.raises(TypeError, match="a tensor is wanted, not float"):
        femtograd.report(Tensor(1.0), [1.0])
    with pytest.raises(TypeError, match="float32"):
        femtograd.report(Tensor(1.0), [Tensor(1.0, dtype="float32")])
