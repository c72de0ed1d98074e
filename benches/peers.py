"""The workloads of benches/ in PyTorch (eager and compiled) and JAX (jit).

usage: python peers.py torch-eager|torch-compile|jax-jit WORKLOAD THREADS

A worker: it runs its one workload whenever standard input says so. src/worker.rs describes what it reads and answers.
"""

import json
import os
import statistics
import sys
import time

PEER, WORK, THREADS = sys.argv[1], sys.argv[2], int(sys.argv[3])
# Before any library starts its threads. XLA heeds none of these, only the cores this process is allowed.
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[variable] = str(THREADS)

# So slow that the networks stay as they are: src/training.rs says why.
LEARNING_RATE = 1e-10
LAYERS = {"mlp_s": [784, 128, 10], "mlp_l": [1024, 4096, 4096, 10]}
BATCH = {"mlp_s": 64, "mlp_l": 128, "cnn": 64}
CHARACTERS, LENGTH, TEXTS, WIDTH, HEADS, BLOCKS = 65, 64, 16, 128, 4, 4  # of gpt


def memory(field):
    """What Linux says of this process's memory, in bytes."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith(field))


def serve(library, prepare):
    """What `serve` in src/worker.rs does."""
    try:  # importing needed more memory than what is left of it
        with open("/proc/self/clear_refs", "w") as marks:
            marks.write("5")
        before = memory("VmRSS:")
    except OSError:
        before = None
    run = prepare()
    print(json.dumps({"ready": library}), flush=True)
    for line in sys.stdin:
        if line.strip() == "peak":
            answer = {"peak": before and max(memory("VmHWM:") - before, 0)}
        else:
            seconds, times, begin = float(line.split()[1]), [], time.perf_counter()
            while not times or time.perf_counter() - begin < seconds:
                start = time.perf_counter()
                run()
                times.append((time.perf_counter() - start) * 1e6)
            answer = {"us": min(times), "median": statistics.median(times), "runs": len(times)}
        print(json.dumps(answer), flush=True)


def with_torch(compiled):
    import torch
    from torch import nn
    from torch.nn import functional as F

    torch.set_num_threads(THREADS)
    torch.manual_seed(0)

    class Block(nn.Module):
        def __init__(self):
            super().__init__()
            self.attention_norm, self.perceptron_norm = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
            self.qkv, self.mix = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
            self.up, self.down = nn.Linear(WIDTH, 4 * WIDTH), nn.Linear(4 * WIDTH, WIDTH)

        def forward(self, x):
            qkv = self.qkv(self.attention_norm(x)).view(*x.shape[:2], 3, HEADS, -1)
            q, k, v = qkv.permute(2, 0, 3, 1, 4)
            seen = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.mix(seen.transpose(1, 2).reshape(x.shape))
            return x + self.down(F.gelu(self.up(self.perceptron_norm(x)), approximate="tanh"))

    class Gpt(nn.Module):
        def __init__(self):
            super().__init__()
            self.characters = nn.Embedding(CHARACTERS, WIDTH)
            self.positions = nn.Parameter(torch.randn(LENGTH, WIDTH) * 0.02)
            self.blocks = nn.Sequential(*(Block() for _ in range(BLOCKS)))
            self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, CHARACTERS, bias=False)

        def forward(self, text):
            x = self.blocks(self.characters(text) + self.positions)
            return self.head(self.norm(x)).flatten(0, 1)

    def network():
        if WORK == "gpt":
            text, following = torch.randint(0, CHARACTERS, (2, TEXTS, LENGTH))
            return Gpt(), text, following.flatten()
        n = BATCH[WORK]
        classes = torch.randint(0, 10, (n,))
        if WORK == "cnn":
            layers = [
                nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
                nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
                nn.Flatten(), nn.Linear(32 * 7 * 7, 10),
            ]
            return nn.Sequential(*layers), torch.rand(n, 1, 28, 28), classes
        sizes = LAYERS[WORK]
        layers = [layer for i, o in zip(sizes, sizes[1:]) for layer in (nn.ReLU(), nn.Linear(i, o))]
        return nn.Sequential(*layers[1:]), torch.rand(n, sizes[0]), classes

    def training():
        model, x, classes = network()
        adam = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE, fused=True)
        forward = torch.compile(model) if compiled else model

        def step():
            adam.zero_grad(set_to_none=True)
            F.cross_entropy(forward(x), classes).backward()
            adam.step()

        return step

    def elem():
        n = 1 << 20
        x, w, b = torch.rand(n), torch.rand(n, requires_grad=True), torch.rand(n, requires_grad=True)

        def formula(x, w, b):
            return ((torch.tanh(x * w + b) - x) ** 2 * torch.sigmoid(w)).mean()

        f = torch.compile(formula) if compiled else formula

        def gradient():
            w.grad = b.grad = None
            f(x, w, b).backward()

        return gradient

    def chain():
        def gradient():
            a, b = (torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in (2.0, 3.0))
            x = a
            for _ in range(1000):
                x = (x * b + a).tanh()
            x.backward()

        return gradient

    def multiply():
        a, b = (torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in (2.0, 3.0))

        def gradient():
            for _ in range(1000):
                (a * b).backward()

        return gradient

    def prepare():
        run = {"chain": chain, "elem": elem, "small_multiply": multiply}.get(WORK, training)()
        run()  # compiles
        return run

    serve(f"torch {torch.__version__}", prepare)


def with_jax():
    import jax
    import jax.numpy as jnp
    import numpy as np

    rng = np.random.default_rng(0)

    def normal(*shape):
        return jnp.asarray(rng.standard_normal(shape, dtype=np.float32) * 0.05)

    def uniform(*shape):
        return jnp.asarray(rng.random(shape, dtype=np.float32))

    def integers(below, *shape):
        return jnp.asarray(rng.integers(0, below, shape))

    def cross_entropy(scores, classes):
        return -jnp.take_along_axis(jax.nn.log_softmax(scores), classes[:, None], 1).mean()

    def layer(inputs, outputs):
        return normal(inputs, outputs), jnp.zeros(outputs)

    def linear(p, x):
        return x @ p[0] + p[1]

    def mlp(p, x):
        for hidden in p[:-1]:
            x = jax.nn.relu(linear(hidden, x))
        return linear(p[-1], x)

    def convolution(p, x):
        y = jax.lax.conv_general_dilated(x, p[0], (1, 1), "SAME", dimension_numbers=("NCHW", "OIHW", "NCHW"))
        return y + p[1][None, :, None, None]

    def halved(x):
        return jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, 1, 2, 2), (1, 1, 2, 2), "VALID")

    def cnn(p, x):
        for c in p[:2]:
            x = halved(jax.nn.relu(convolution(c, x)))
        return linear(p[2], x.reshape(x.shape[0], -1))

    def norm(p, x):
        return (x - x.mean(-1, keepdims=True)) / jnp.sqrt(x.var(-1, keepdims=True) + 1e-5) * p[0] + p[1]

    def block(p, x):
        qkv = linear(p["qkv"], norm(p["attention_norm"], x)).reshape(TEXTS, LENGTH, 3, HEADS, WIDTH // HEADS)
        q, k, v = qkv.transpose(2, 0, 3, 1, 4)
        past = jnp.tril(jnp.ones((LENGTH, LENGTH), bool))
        scores = jnp.where(past, q @ k.swapaxes(-1, -2) / (WIDTH // HEADS) ** 0.5, -jnp.inf)
        seen = jax.nn.softmax(scores, -1) @ v
        x = x + linear(p["mix"], seen.transpose(0, 2, 1, 3).reshape(x.shape))
        hidden = jax.nn.gelu(linear(p["up"], norm(p["perceptron_norm"], x)), approximate=True)
        return x + linear(p["down"], hidden)

    def gpt(p, text):
        x = p["characters"][text] + p["positions"]
        for b in p["blocks"]:
            x = block(b, x)
        return (norm(p["norm"], x) @ p["head"]).reshape(TEXTS * LENGTH, CHARACTERS)

    def network():
        """The scores' function, its parameters, examples and what is right."""
        if WORK == "gpt":
            one = lambda: (jnp.ones(WIDTH), jnp.zeros(WIDTH))
            blocks = [
                {
                    "attention_norm": one(), "qkv": layer(WIDTH, 3 * WIDTH), "mix": layer(WIDTH, WIDTH),
                    "perceptron_norm": one(), "up": layer(WIDTH, 4 * WIDTH), "down": layer(4 * WIDTH, WIDTH),
                }
                for _ in range(BLOCKS)
            ]
            tables = {"characters": normal(CHARACTERS, WIDTH), "positions": normal(LENGTH, WIDTH)}
            parameters = {**tables, "blocks": blocks, "norm": one(), "head": normal(WIDTH, CHARACTERS)}
            return gpt, parameters, integers(CHARACTERS, TEXTS, LENGTH), integers(CHARACTERS, TEXTS * LENGTH)
        n = BATCH[WORK]
        if WORK == "cnn":
            kernels = [(normal(o, i, 3, 3), jnp.zeros(o)) for i, o in ((1, 16), (16, 32))]
            return cnn, [*kernels, layer(32 * 7 * 7, 10)], uniform(n, 1, 28, 28), integers(10, n)
        sizes = LAYERS[WORK]
        return mlp, [layer(*s) for s in zip(sizes, sizes[1:])], uniform(n, sizes[0]), integers(10, n)

    def training():
        scores, p, x, classes = network()

        def step(p, m, v, t, x, classes):
            loss, g = jax.value_and_grad(lambda p: cross_entropy(scores(p, x), classes))(p)
            t = t + 1
            m = jax.tree.map(lambda m, g: 0.9 * m + 0.1 * g, m, g)
            v = jax.tree.map(lambda v, g: 0.999 * v + 0.001 * g * g, v, g)

            def moved(p, m, v):
                return p - LEARNING_RATE * (m / (1 - 0.9**t)) / (jnp.sqrt(v / (1 - 0.999**t)) + 1e-8)

            return jax.tree.map(moved, p, m, v), m, v, t, loss

        step = jax.jit(step, donate_argnums=(0, 1, 2))
        zeros = lambda: jax.tree.map(jnp.zeros_like, p)
        state = [p, zeros(), zeros(), jnp.float32(0)]

        def run():
            results = jax.block_until_ready(step(*state, x, classes))
            state[:] = results[:4]

        return run

    def elem():
        x, w, b = (uniform(1 << 20) for _ in range(3))

        def formula(w, b):
            return ((jnp.tanh(x * w + b) - x) ** 2 * jax.nn.sigmoid(w)).mean()

        gradient = jax.jit(jax.value_and_grad(formula, (0, 1)))
        return lambda: jax.block_until_ready(gradient(w, b))

    def chain():
        jax.config.update("jax_enable_x64", True)

        def end(a, b):
            x = a
            for _ in range(1000):
                x = jnp.tanh(x * b + a)
            return x

        gradient = jax.jit(jax.grad(end, (0, 1)))
        return lambda: jax.block_until_ready(gradient(2.0, 3.0))

    def prepare():
        run = {"chain": chain, "elem": elem}.get(WORK, training)()
        run()  # compiles
        return run

    serve(f"jax {jax.__version__}", prepare)


if PEER == "jax-jit":
    with_jax()
else:
    with_torch(compiled=PEER == "torch-compile")
