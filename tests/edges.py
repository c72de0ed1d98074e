#!/usr/bin/env python3
"""Puts the edge contract, tests/edges.json, to PyTorch and JAX: who gives the value, gradient and second derivative that
mathematics asks for?

    pip install torch jax
    python tests/edges.py                               # a table of the rows on which somebody differs, and the counts
    python tests/edges.py --all                         # of every row
    python tests/edges.py --record tests/edges-peers.json   # what the book's page shows
    python tests/edges.py --json                        # the answers in numbers

Everything is in 64-bit floats. Second derivatives are by double backward (PyTorch) and grad of grad (JAX). What is not
installed is left out, and said so.
"""

import argparse
import datetime
import json
import math
import pathlib
import sys
import warnings

ROUNDING = 1e-9
SYSTEMS = ("torch", "jax")


def numbers(v):
    """A number or nested lists of them, from the contract's notation."""
    if isinstance(v, list):
        return [numbers(a) for a in v]
    return float(v)


def flat(v):
    return [b for a in v for b in flat(a)] if isinstance(v, list) else [v]


def same(got, want):
    """Equal to rounding, shapes aside; the sign of a zero matters where the contract asks for −0."""
    got, want = flat(got), flat(want)
    if len(got) != len(want):
        return False
    size = max((abs(w) for w in want if math.isfinite(w)), default=0.0)
    allowed = ROUNDING * size if size else 1e-15
    for a, b in zip(got, want):
        if math.isnan(a) != math.isnan(b):
            return False
        if not (math.isnan(b) or a == b or abs(a - b) <= allowed):
            return False
        if b == 0 and math.copysign(1, b) < 0 and not (a == 0 and math.copysign(1, a) < 0):
            return False
    return True


class Torch:
    name = "torch"

    def __init__(self):
        import torch

        torch.set_default_dtype(torch.float64)
        self.torch = torch
        self.version = torch.__version__.split("+")[0]
        self.names = {"torch": torch, "F": torch.nn.functional, "math": math}

    def leaf(self, v):
        torch = self.torch
        a = torch.zeros(v["shape"]) if isinstance(v, dict) else torch.tensor(numbers(v))
        return a.to(torch.float64).requires_grad_()

    @staticmethod
    def plain(a):
        return a.detach().clone().tolist()  # a copy: some gradients are zeros without memory

    def answers(self, expression, row):
        torch = self.torch
        x = {name: self.leaf(v) for name, v in row["inputs"].items()}
        y = eval(expression, {**self.names, **x})
        yield "value", None, self.plain(y)
        cotangent = self.leaf(row["cotangent"]).detach() if "cotangent" in row else torch.ones_like(y)
        zeros = {name: torch.zeros_like(a) for name, a in x.items()}

        def gradient(y, cotangent, name):
            if not y.requires_grad:
                return zeros[name]
            (g,) = torch.autograd.grad(y, x[name], cotangent, create_graph=True, allow_unused=True)
            return zeros[name] if g is None else g

        for name in x:
            g = gradient(y, cotangent, name)
            yield "gradient", name, self.plain(g)
            along = row.get("along", {})
            v = self.leaf(along[name]).detach() if name in along else torch.ones_like(x[name])
            yield "second", name, self.plain(gradient(g, v, name))


class Jax:
    name = "jax"

    def __init__(self):
        import jax
        import jax.numpy as jnp

        jax.config.update("jax_enable_x64", True)
        jax.config.update("jax_platforms", "cpu")
        self.jax, self.jnp = jax, jnp
        self.version = jax.__version__
        self.names = {"jax": jax, "jnp": jnp, "math": math}

    def leaf(self, v):
        shape = v["shape"] if isinstance(v, dict) else None
        return self.jnp.zeros(shape) if shape else self.jnp.array(numbers(v), dtype=float)

    def answers(self, expression, row):
        jax, jnp = self.jax, self.jnp
        x = {name: self.leaf(v) for name, v in row["inputs"].items()}
        function = eval(f"lambda {', '.join(x)}: {expression}", dict(self.names))
        y = function(**x)
        yield "value", None, y.tolist()
        cotangent = self.leaf(row["cotangent"]) if "cotangent" in row else jnp.ones_like(y)
        for name in x:
            along = row.get("along", {})
            v = self.leaf(along[name]) if name in along else jnp.ones_like(x[name])

            def gradient(a):
                return jax.vjp(lambda a: function(**{**x, name: a}), a)[1](cotangent)[0]

            yield "gradient", name, gradient(x[name]).tolist()
            yield "second", name, jax.vjp(gradient, x[name])[1](v)[0].tolist()


def ask(system, call, row):
    """What a system answers, and in words how that compares: `right`, what it gives instead, `refuses: …`, or nothing
    where it has no such function."""
    if call[system.name] is None:
        return None, None
    got, wrong = {}, []
    try:
        for what, name, answer in system.answers(call[system.name], row):
            got.setdefault(what, {})[name or "y"] = answer
            want = row.get(what) if name is None else row.get(what, {}).get(name)
            if want is not None and not same(answer, numbers(want)):
                by = f" by {name}" if name and len(row["inputs"]) > 1 else ""
                wrong.append(f"{what}{by} {show(answer)}")
    except Exception as error:  # of whatever kind: the system does not answer
        said = str(error).strip().splitlines()
        return got, "; ".join(wrong + [f"refuses: {said[0][:80] if said else type(error).__name__}"])
    return got, "; ".join(wrong) or "right"


def show(v):
    if isinstance(v, list):
        return "[" + ", ".join(show(a) for a in v) + "]"
    if math.isnan(v):
        return "NaN"
    if math.isinf(v):
        return "∞" if v > 0 else "−∞"
    return (f"{v:.4g}" if v else ("−0" if math.copysign(1, v) < 0 else "0")).replace("-", "−")


def place(row):
    """The row's inputs in words."""
    def plain(v):
        return f"none, {v['shape']}" if isinstance(v, dict) else show(numbers(v))

    text = ", ".join(f"{name} = {plain(v)}" for name, v in row["inputs"].items())
    if "cotangent" in row:
        text += f"; cotangent {plain(row['cotangent'])}"
    return text


def counts(rows, verdicts):
    """How many rows are right, without those that a system has no function for."""
    asked = [(row, v) for row, v in zip(rows, verdicts) if v is not None]
    right = sum(v == "right" for _, v in asked)
    strict = [(row, v) for row, v in asked if row["by"] != "choice"]
    agreed = sum(v == "right" for _, v in strict)
    refused = sum("refuses: " in v for _, v in asked)
    return (
        f"{right} of {len(asked)} rows right; {agreed} of {len(strict)} without the rows that are a choice; "
        f"{refused} refused; {len(rows) - len(asked)} not asked, for want of the function"
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--contract", default=pathlib.Path(__file__).with_name("edges.json"), type=pathlib.Path)
    parser.add_argument("--all", action="store_true", help="print the rows on which all agree too")
    parser.add_argument("--json", action="store_true", help="print the answers as JSON instead of a table")
    parser.add_argument("--record", type=pathlib.Path, metavar="FILE", help="write what the book's page shows")
    options = parser.parse_args()
    warnings.simplefilter("ignore")

    contract = json.loads(options.contract.read_text(encoding="utf-8"))
    rows, systems = contract["rows"], []
    for system in (Torch, Jax):
        try:
            systems.append(system())
        except ImportError:
            print(f"{system.name} is not installed: left out", file=sys.stderr)
    found = [{s.name: ask(s, contract["calls"][row["call"]], row) for s in systems} for row in rows]
    summary = {s.name: counts(rows, [answers[s.name][1] for answers in found]) for s in systems}

    if options.json:
        json.dump([{**row, "answers": answers} for row, answers in zip(rows, found)], sys.stdout, indent=1)
    else:
        for row, answers in zip(rows, found):
            verdicts = {name: verdict for name, (_, verdict) in answers.items()}
            if options.all or any(v not in ("right", None) for v in verdicts.values()):
                print(f"{row['call']} at {place(row)} ({row['by']}: {row['why']})")
                want = [f"{what} {show_answer(row[what])}" for what in ("value", "gradient", "second") if what in row]
                print(f"    {'expected':9}{'; '.join(want)}")
                for name, verdict in verdicts.items():
                    print(f"    {name:9}{verdict or 'has no such function'}")
    print(f"rows right: contract {len(rows)} (held by cargo test --test edges)", file=sys.stderr)
    for name, line in summary.items():
        print(f"  {name}: {line}", file=sys.stderr)

    if options.record:
        keys = ("call", "inputs", "cotangent", "along")
        lines = [
            {**{k: row[k] for k in keys if k in row}, "answers": {name: v for name, (_, v) in answers.items()}}
            for row, answers in zip(rows, found)
        ]
        head = {
            "date": datetime.date.today().isoformat(),
            "versions": {s.name: s.version for s in systems},
            "summary": summary,
        }
        text = json.dumps(head, ensure_ascii=False, indent=1)[:-2]
        text += ',\n "rows": [\n' + ",\n".join("  " + json.dumps(a, ensure_ascii=False) for a in lines) + "\n ]\n}\n"
        options.record.write_text(text, encoding="utf-8")


def show_answer(v):
    if isinstance(v, dict):
        return ", ".join(f"{name} {show(numbers(a))}" for name, a in v.items())
    return show(numbers(v))


if __name__ == "__main__":
    main()
