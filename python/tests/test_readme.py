"""The README's blocks of Python run as they stand."""

import re
from pathlib import Path

README = Path(__file__).parents[2] / "README.md"


def test_the_first_example_word_for_word(capsys):
    blocks = re.findall(r"^```python\n(.*?)^```$", README.read_text(encoding="utf-8"), re.M | re.S)
    assert blocks[0].startswith("from femtograd import Tensor\n")
    for block in blocks:
        exec(compile(block, "README.md", "exec"), {})
    assert capsys.readouterr().out == "3.0\n8.0\n"
