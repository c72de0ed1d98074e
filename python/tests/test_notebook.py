"""The notebook in examples/ runs from top to bottom, and shows a picture."""

import os
import sys
from pathlib import Path

import pytest

nbformat = pytest.importorskip("nbformat")
nbclient = pytest.importorskip("nbclient")
pytest.importorskip("ipykernel")

NOTEBOOK = Path(__file__).parents[2] / "examples" / "autograd.ipynb"


def test_notebook(tmp_path, monkeypatch):
    import femtograd

    # A kernel of this interpreter, that finds the package where this test has found it.
    kernel = tmp_path / "kernels" / "here"
    kernel.mkdir(parents=True)
    (kernel / "kernel.json").write_text(
        '{"argv": [%s, "-m", "ipykernel_launcher", "-f", "{connection_file}"], "display_name": "here", "language": "python"}'
        % ('"' + sys.executable.replace("\\", "\\\\") + '"'),
        encoding="utf-8",
    )
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    paths = [str(Path(femtograd.__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, paths)))

    notebook = nbformat.read(NOTEBOOK, as_version=4)
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="here").execute()

    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    pictures = [output.data["image/svg+xml"] for output in outputs if "image/svg+xml" in output.get("data", {})]
    assert len(pictures) == 1 and "c = add" in pictures[0]
    text = "".join(output.get("text", "") for output in outputs)
    assert text.startswith("3.0\n8.0\n")
    assert '"w1" [2, 16]: disconnected by detach at ' in text and "0 failed" in text
    accuracy = [output.data["text/plain"] for output in outputs if output.output_type == "execute_result"][-1]
    assert float(accuracy) > 0.95
