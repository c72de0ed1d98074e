"""The workloads of benches/ through this library's own Python package.

usage: python package.py python WORKLOAD THREADS

A worker: it runs its one workload whenever standard input says so. src/worker.rs describes what it reads and answers.
"""

import json
import statistics
import sys
import time

from importlib.metadata import version

import numpy as np

from femtograd import Rng, Tensor, constant, nn, optim, set_threads

WORK, THREADS = sys.argv[2], int(sys.argv[3])
# So slow that the networks stay as they are: src/training.rs says why.
LEARNING_RATE = 1e-10
LAYERS = {"mlp_s": [784, 128, 10], "mlp_l": [1024, 4096, 4096, 10]}
BATCH = {"mlp_s": 64, "mlp_l": 128, "cnn": 64}


def memory(field):
    """What Linux says of this process's memory, in bytes."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith(field))


def serve(run):
    """What `serve` in src/worker.rs does."""
    before = memory("VmRSS:")
    print(json.dumps({"ready": f"femtograd {version('femtograd')} in Python {sys.version.split()[0]}"}), flush=True)
    for line in sys.stdin:
        if line.strip() == "peak":
            answer = {"peak": max(memory("VmHWM:") - before, 0)}
        else:
            seconds, times, begin = float(line.split()[1]), [], time.perf_counter()
            while not times or time.perf_counter() - begin < seconds:
                start = time.perf_counter()
                run()
                times.append((time.perf_counter() - start) * 1e6)
            answer = {"us": min(times), "median": statistics.median(times), "runs": len(times)}
        print(json.dumps(answer), flush=True)


def multiply():
    a, b = Tensor(2.0), Tensor(3.0)

    def run():
        for _ in range(1000):
            (a * b).backward()

    return run


def chain():
    def run():
        a, b = Tensor(2.0), Tensor(3.0)
        x = a
        for _ in range(1000):
            x = (x * b + a).tanh()
        x.backward()

    return run


def elem():
    rng = np.random.default_rng(0)
    x, w, b = (rng.random(1 << 20, dtype=np.float32) for _ in range(3))
    x, w, b = constant(x), Tensor(w), Tensor(b)

    def run():
        w.zero_grad()
        b.zero_grad()
        (((x * w + b).tanh() - x) ** 2 * w.sigmoid()).mean().backward()

    return run


def training():
    rng = np.random.default_rng(0)
    n = BATCH[WORK]
    classes = rng.integers(0, 10, n)
    if WORK == "cnn":
        examples = constant(rng.random((n, 1, 28, 28), dtype=np.float32))
        seed = Rng(0)
        first, second = nn.Conv2d(1, 16, 3, seed, padding=1), nn.Conv2d(16, 32, 3, seed, padding=1)
        head = nn.Linear(32 * 7 * 7, 10, seed)
        parameters = [*first.parameters(), *second.parameters(), *head.parameters()]

        def forward(x):
            for layer in (first, second):
                x = layer(x).relu().max_pool2d(2)
            return head(x.reshape(n, -1))
    else:
        examples = constant(rng.random((n, LAYERS[WORK][0]), dtype=np.float32))
        forward = nn.Mlp(LAYERS[WORK], Rng(0))
        parameters = list(forward.parameters())
    adam = optim.Adam(parameters, lr=LEARNING_RATE)

    def run():
        forward(examples).cross_entropy(classes).backward()
        adam.step()

    return run


set_threads(THREADS)
serve({"small_multiply": multiply, "chain": chain, "elem": elem}.get(WORK, training)())
