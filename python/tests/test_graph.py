"""The graph as text and as a picture."""

import re
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest

import femtograd
from femtograd import Tensor, constant

SVG = "{http://www.w3.org/2000/svg}"


def drawn(graph):
    """The texts of each box, and how many arrows there are."""
    root = ElementTree.fromstring(graph.svg)
    boxes = [
        (box.get("class"), box.find(f"{SVG}title").text, [text.text for text in box.iter(f"{SVG}text")])
        for box in root.iter(f"{SVG}g")
    ]
    return boxes, len(list(root.iter(f"{SVG}path"))) // 2


def example():
    a, b = Tensor(2.0, label="a"), Tensor(3.0, label="b")
    c = (a * b + b**2).named("c")
    c.backward()
    return c


def test_text():
    text = str(example().graph())
    assert text.splitlines()[0] == "c = add  value 15  gradient 1"
    assert "├─ mul   value 6   gradient 1" in text and "└─ b  (above)" in text


def test_picture():
    graph = example().graph()
    boxes, arrows = drawn(graph)
    texts = [texts for _, _, texts in boxes]
    assert ["a", "value 2", "grad 3"] in texts and ["c = add", "value 15", "grad 1"] in texts
    assert len(boxes) == 5 and arrows == 5
    assert {kind for kind, _, _ in boxes} == {"leaf", "op"}
    assert all("float64" in hint and "test_graph.py:" in hint for _, hint, _ in boxes)
    again = example().graph().svg
    assert graph._repr_svg_() == graph.svg and len(again) == len(graph.svg)
    assert repr(graph) == "<graph of 5 tensors: print it, or look at its svg>"


def boxes_of(graph):
    return [
        tuple(float(rect.get(key)) for key in ("x", "y", "width", "height"))
        for box in ElementTree.fromstring(graph.svg).iter(f"{SVG}g")
        for rect in box.iter(f"{SVG}rect")
    ]


@pytest.mark.parametrize("direction", ["right", "down"])
def test_boxes_lie_apart(direction):
    x = Tensor(0.5, label="a name that is rather long, too long to be shown")
    y = x
    for i in range(12):
        y = (y * x + i).tanh() + 123456.0 * y
    graph = y.graph(direction=direction)
    boxes = boxes_of(graph)
    root = ElementTree.fromstring(graph.svg)
    width, height = float(root.get("width")), float(root.get("height"))
    for i, (x0, y0, w, h) in enumerate(boxes):
        assert 0 <= x0 and 0 <= y0 and x0 + w <= width and y0 + h <= height
        for x1, y1, w1, h1 in boxes[:i]:
            assert x0 >= x1 + w1 or x1 >= x0 + w or y0 >= y1 + h1 or y1 >= y0 + h
    assert (width > height) == (direction == "right")


def test_arrows_lead_on():
    right, down = (boxes_of((Tensor(1.0) * 2).graph(direction=d)) for d in ("right", "down"))
    (a, b, c), (d, e, f) = right, down
    assert c[0] > a[0] + a[2] and c[0] > b[0] + b[2] and f[1] > d[1] + d[3] and f[1] > e[1] + e[3]
    with pytest.raises(ValueError, match="direction"):
        Tensor(1.0).graph(direction="up")


def test_what_is_shown_of_numbers():
    numbers = {1e-9: "1.000e-9", 0.0: "0", 123456.7: "123457", 1e7: "1.000e7", np.nan: "NaN", -0.5: "-0.5", 1 / 3: "0.3333"}
    for number, text in numbers.items():
        assert drawn(Tensor(number).graph())[0][0][2] == ["leaf", f"value {text}"]
    ((kind, hint, texts),), _ = drawn(constant(np.ones((2, 3), np.float32)).graph())
    assert kind == "constant" and texts == ["constant", "value [2, 3]"] and hint.startswith("[2, 3] float32 at ")


def test_names_are_escaped():
    label = "<b> & \"c\"\n\x00d"
    ((_, _, texts),), _ = drawn(Tensor(1.0, label=label).graph())
    assert texts[0] == '<b> & "c"  d'


def test_twice_the_same_argument():
    x = Tensor(3.0)
    boxes, arrows = drawn((x * x).graph())
    assert len(boxes) == 2 and arrows == 1


def test_large_graphs(tmp_path):
    x = Tensor(0.5)
    for _ in range(199):
        x = (x * 1.5).tanh() if _ % 2 else (x * x).tanh()
    large = x.graph()
    assert large._repr_svg_() is None and "more than 400" in repr(large)
    with pytest.raises(ValueError, match="more than 400 tensors"):
        large.svg
    with pytest.raises(ValueError, match="more than 400 tensors"):
        large.save(tmp_path / "graph.svg")
    assert str(large).count("value") > 400


def test_deep_graphs():
    x = Tensor(1.0)
    for _ in range(100_000):
        x = x * 1
    graph = x.graph()
    assert graph._repr_svg_() is None
    assert len(boxes_of(network().graph())) > 200


def network():
    """A small MLP of single numbers, as micrograd's users draw it."""
    h = [Tensor(0.1 * i) for i in range(3)]
    for _ in range(2):
        h = [sum((x * Tensor(0.5) for x in h), Tensor(0.1)).tanh() for _ in range(8)]
    return sum(h, Tensor(0.0))


def test_save(tmp_path):
    for path in (tmp_path / "a.svg", str(tmp_path / "b.svg")):
        example().graph().save(path)
        assert re.match("<svg ", open(path, encoding="utf-8").read())
    with pytest.raises(OSError):
        example().graph().save(tmp_path / "no" / "such" / "folder.svg")
    with pytest.raises(TypeError):
        femtograd.Graph()
