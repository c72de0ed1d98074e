"""Layers: compositions of the tensor operations, nothing more.

A layer is a `Module`: a class whose parameters are the tensors found in its attributes, and in the lists, tuples, dicts and
modules among them.

>>> import femtograd
>>> from femtograd import nn, optim
>>> x, xor = [[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], [0, 1, 1, 0]
>>> net = nn.Mlp([2, 16, 2], femtograd.Rng(1))
>>> adam = optim.Adam(net.parameters(), lr=0.05)
>>> for _ in range(100):
...     net(x).cross_entropy(xor).backward()
...     adam.step()
>>> net(x).cross_entropy(xor).item() < 0.05
True
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from femtograd._femtograd import Rng, Tensor, constant

__all__ = ["BatchNorm", "Conv2d", "Dropout", "Embedding", "LayerNorm", "Linear", "Mlp", "Module", "Sequential"]


def _found(name: str, thing: Any) -> Iterator[tuple[str, Tensor]]:
    """The tensors in an attribute, with their names."""
    if isinstance(thing, Tensor):
        yield name, thing
    elif isinstance(thing, Module):
        for key, part in vars(thing).items():
            yield from _found(f"{name}.{key}", part)
    elif isinstance(thing, Mapping):
        for key, part in thing.items():
            yield from _found(f"{name}.{key}", part)
    elif isinstance(thing, (list, tuple)):
        for i, part in enumerate(thing):
            yield from _found(f"{name}.{i}", part)


def _modules(thing: Any) -> Iterator["Module"]:
    """The modules in an attribute."""
    if isinstance(thing, Module):
        yield thing
        for part in vars(thing).values():
            yield from _modules(part)
    elif isinstance(thing, Mapping):
        for part in thing.values():
            yield from _modules(part)
    elif isinstance(thing, (list, tuple)):
        for part in thing:
            yield from _modules(part)


class Module:
    """`y = f(x; parameters)`: what has parameters. A subclass puts tensors into its attributes and defines `__call__`.

    >>> class Scale(femtograd.nn.Module):
    ...     def __init__(self):
    ...         self.factor = Tensor(2.0)
    ...     def __call__(self, x):
    ...         return x * self.factor
    >>> scale = Scale()
    >>> print(scale(Tensor(3.0)), scale.named_parameters())
    6.0 {'factor': Tensor(2.0)}
    """

    training: bool = True

    def __call__(self, x: Any) -> Tensor:
        """The result for an input."""
        raise NotImplementedError(f"{type(self).__name__} does not define __call__")

    def _state(self) -> dict[str, Tensor]:
        """Every leaf that is found, variables and constants, under its first name."""
        names: dict[str, Tensor] = {}
        seen: set[int] = set()
        for key, part in vars(self).items():
            for name, x in _found(key, part):
                if x.is_leaf and id(x) not in seen:
                    seen.add(id(x))
                    names[name] = x
        return names

    def named_parameters(self) -> dict[str, Tensor]:
        """`{name: p}`, every tensor that wants a gradient, under the name of the path to it; once, if it is shared.

        >>> list(femtograd.nn.Mlp([2, 3, 1], femtograd.Rng(0)).named_parameters())
        ['0.weight', '0.bias', '1.weight', '1.bias']
        """
        return {name: x for name, x in self._state().items() if x.requires_grad}

    def parameters(self) -> list[Tensor]:
        """`[p₀, p₁, …]`, the tensors of `named_parameters`: for an optimiser.

        >>> len(femtograd.nn.Linear(2, 3, femtograd.Rng(0)).parameters())
        2
        """
        return list(self.named_parameters().values())

    def zero_grad(self) -> None:
        """`∂p ← 0`: forgets every parameter's gradient. (A step of an optimiser of `femtograd.optim` has done so.)

        >>> femtograd.nn.Linear(2, 3, femtograd.Rng(0)).zero_grad()
        """
        for p in self.parameters():
            p.zero_grad()

    def state_dict(self) -> dict[str, Tensor]:
        """`{name: value}`, constants that share the numbers of every parameter and of what else a layer keeps, such as
        running averages: for `femtograd.save`.

        >>> net = femtograd.nn.Linear(1, 1, femtograd.Rng(0))
        >>> sorted(net.state_dict())
        ['bias', 'weight']
        """
        return {name: x.data for name, x in self._state().items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """`p ← state[name]` for every tensor of `state_dict`, from tensors or arrays.

        Raises ValueError if a name is missing or unknown, or a shape is another; then nothing has changed.

        >>> a, b = femtograd.nn.Linear(1, 1, femtograd.Rng(0)), femtograd.nn.Linear(1, 1, femtograd.Rng(1))
        >>> b.load_state_dict(a.state_dict())
        >>> b.weight.item() == a.weight.item()
        True
        """
        own = self._state()
        if missing := sorted(own.keys() - state.keys()):
            raise ValueError(f"load_state_dict: the state lacks {', '.join(missing)}")
        if unknown := sorted(state.keys() - own.keys()):
            raise ValueError(f"load_state_dict: {type(self).__name__} has no {', '.join(unknown)}")
        new = {name: constant(value) for name, value in state.items()}
        for name, x in own.items():
            if new[name].shape != x.shape:
                raise ValueError(f"load_state_dict: {name} has the shape {x.shape}, not {new[name].shape}")
        for name, x in own.items():
            x.data = new[name]

    def train(self, mode: bool = True) -> Self:
        """`training = mode` for this module and all in it: layers such as `Dropout` do something else in training.

        >>> femtograd.nn.Dropout(0.5, femtograd.Rng(0)).train(False).training
        False
        """
        for module in _modules(self):
            module.training = mode
        return self

    def eval(self) -> Self:
        """`training = False`: as `train(False)`.

        >>> femtograd.nn.Dropout(0.5, femtograd.Rng(0)).eval()([1.0, 2.0]).tolist()
        [1.0, 2.0]
        """
        return self.train(False)


def _tensor(x: Any) -> Tensor:
    """A tensor, or the constant that numbers make."""
    return x if isinstance(x, Tensor) else constant(x)


def _normal(rng: Rng, shape: tuple[int, ...], inputs: int, dtype: npt.DTypeLike) -> Tensor:
    """Weights of variance `2 / inputs`; the product is one of float64, and then rounded."""
    if inputs < 1:
        raise ValueError(f"a layer of {inputs} inputs has no weights")
    scale = float(np.sqrt(2.0 / inputs))
    return Tensor(scale * rng.normal(shape).numpy(), dtype=dtype, label="weight")


class Linear(Module):
    """`y = x·w + b` for each row `x` of `[…, inputs]`; `w` is `[inputs, outputs]`, `b` is `[outputs]`.

    Weights are from a normal distribution of variance `2 / inputs` (He et al. 2015), which keeps the size of signals through
    ReLUs; biases are 0. The same generator gives the same layer as in Rust.

    >>> femtograd.nn.Linear(3, 2, femtograd.Rng(0))([[1.0, 2.0, 3.0]]).shape
    (1, 2)
    """

    def __init__(
        self, inputs: int, outputs: int, rng: Rng, *, bias: bool = True, dtype: npt.DTypeLike = "float32"
    ) -> None:
        self.weight = _normal(rng, (inputs, outputs), inputs, dtype)
        self.bias = Tensor(np.zeros(outputs), dtype=dtype, label="bias") if bias else None

    def __call__(self, x: Any) -> Tensor:
        """`x·w + b`"""
        return _tensor(x).linear(self.weight, self.bias)


class Mlp(Module):
    """`y = (… relu(x·w₀ + b₀) …)·wₙ + bₙ`, a multi-layer perceptron: `Linear` layers of the sizes `[inputs, hidden …,
    outputs]` with a ReLU between each two.

    Raises ValueError for fewer than two sizes.

    >>> net = femtograd.nn.Mlp([4, 8, 3], femtograd.Rng(0))
    >>> net([[0.1, 0.2, 0.3, 0.4]]).shape
    (1, 3)
    """

    def __init__(self, sizes: Sequence[int], rng: Rng, *, dtype: npt.DTypeLike = "float32") -> None:
        if len(sizes) < 2:
            raise ValueError(f"Mlp: {list(sizes)} names no layer: give inputs and outputs at least")
        self.layers = [Linear(m, n, rng, dtype=dtype) for m, n in zip(sizes, sizes[1:])]
        for name, p in self._state().items():
            p.named(name)

    def _state(self) -> dict[str, Tensor]:
        """Under the names that they have in Rust: `0.weight`, `0.bias`, `1.weight`, …"""
        return {name.removeprefix("layers."): x for name, x in super()._state().items()}

    def __call__(self, x: Any) -> Tensor:
        """`[…, inputs] → […, outputs]`"""
        y = self.layers[0](x)
        for layer in self.layers[1:]:
            y = layer(y.relu())
        return y


class Sequential(Module):
    """`y = fₙ(… f₁(f₀(x)))`: modules, or any functions, one after the other.

    >>> net = femtograd.nn.Sequential(femtograd.nn.Linear(2, 3, femtograd.Rng(0)), Tensor.tanh)
    >>> net([[1.0, 2.0]]).shape, list(net.named_parameters())
    ((1, 3), ['layers.0.weight', 'layers.0.bias'])
    """

    def __init__(self, *layers: Any) -> None:
        self.layers = list(layers)

    def __call__(self, x: Any) -> Tensor:
        """Through all of them."""
        y = _tensor(x)
        for layer in self.layers:
            y = layer(y)
        return y


class Conv2d(Module):
    """`y[n, o] = b[o] + Σ x[n, c] ⋆ w[o, c]`, a convolution of `[examples, channels, height, width]` with square or other
    kernels: see `Tensor.conv2d`. Weights as those of `Linear`, of as many inputs as a kernel has numbers.

    >>> layer = femtograd.nn.Conv2d(3, 8, 3, femtograd.Rng(0), padding=1)
    >>> layer(femtograd.Rng(1).normal((2, 3, 5, 5))).shape
    (2, 8, 5, 5)
    """

    def __init__(
        self,
        channels: int,
        outputs: int,
        size: int | tuple[int, int],
        rng: Rng,
        *,
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] = 0,
        dilation: int | tuple[int, int] = 1,
        groups: int = 1,
        bias: bool = True,
        dtype: npt.DTypeLike = "float32",
    ) -> None:
        if groups < 1 or channels % groups != 0:
            raise ValueError(f"Conv2d: {channels} channels do not divide into {groups} groups")
        height, width = (size, size) if isinstance(size, int) else size
        each = channels // groups
        self.weight = _normal(rng, (outputs, each, height, width), each * height * width, dtype)
        self.bias = Tensor(np.zeros(outputs), dtype=dtype, label="bias") if bias else None
        self._options = (stride, padding, dilation, groups)

    def __call__(self, x: Any) -> Tensor:
        """`[examples, channels, height, width] → [examples, outputs, …]`"""
        stride, padding, dilation, groups = self._options
        return _tensor(x).conv2d(
            self.weight, self.bias, stride=stride, padding=padding, dilation=dilation, groups=groups
        )


class LayerNorm(Module):
    """`y = (x − mean) / √(var + ε) · w + b`, mean and variance over the last axes, which have this shape: see
    `Tensor.layer_norm`.

    >>> femtograd.nn.LayerNorm(2, epsilon=0)([[1.0, 3.0]]).tolist()
    [[-1.0, 1.0]]
    """

    def __init__(
        self, shape: int | Sequence[int], *, epsilon: float = 1e-5, dtype: npt.DTypeLike = "float32"
    ) -> None:
        self.weight = Tensor(np.ones(shape), dtype=dtype, label="weight")
        self.bias = Tensor(np.zeros(shape), dtype=dtype, label="bias")
        self.epsilon = epsilon

    def __call__(self, x: Any) -> Tensor:
        """In the shape of `x`."""
        return _tensor(x).layer_norm(self.weight, self.bias, epsilon=self.epsilon)


class BatchNorm(Module):
    """`y = (x − mean) / √(var + ε) · w + b` of each channel of `[examples, channels, …]` (Ioffe & Szegedy 2015): in training
    with the batch's moments, afterwards with a running average of them. The average takes `momentum` of each batch, whose
    variance it corrects by `n / (n − 1)`.

    >>> layer = femtograd.nn.BatchNorm(1, epsilon=0)
    >>> layer([[1.0], [3.0]]).tolist()
    [[-1.0], [1.0]]
    >>> layer.mean.tolist(), layer.var.tolist()  # 0.9·0 + 0.1·2, 0.9·1 + 0.1·2
    ([0.2...], [1.1...])
    """

    def __init__(
        self, channels: int, *, momentum: float = 0.1, epsilon: float = 1e-5, dtype: npt.DTypeLike = "float32"
    ) -> None:
        self.weight = Tensor(np.ones(channels), dtype=dtype, label="weight")
        self.bias = Tensor(np.zeros(channels), dtype=dtype, label="bias")
        self.mean = constant(np.zeros(channels), dtype=dtype, label="mean")
        self.var = constant(np.ones(channels), dtype=dtype, label="var")
        self.momentum = momentum
        self.epsilon = epsilon

    def __call__(self, x: Any) -> Tensor:
        """In the shape of `x`. In training, updates the running average."""
        given = _tensor(x)
        if not self.training:
            return given.batch_norm(self.weight, self.bias, self.mean, self.var, epsilon=self.epsilon)
        mean, var = given.channel_moments()
        y = given.batch_norm(self.weight, self.bias, mean, var, epsilon=self.epsilon)
        n = given.size // max(mean.size, 1)
        if n < 2:
            raise ValueError(f"BatchNorm: {n} numbers of each channel have no variance: train with at least 2")
        part = self.momentum
        self.mean.data = constant((1 - part) * self.mean.numpy() + part * mean.numpy())
        self.var.data = constant((1 - part) * self.var.numpy() + part * n / (n - 1) * var.numpy())
        return y


class Embedding(Module):
    """`y[…, :] = w[indices[…], :]`: a row of a table, standard normal at first, for each index.

    >>> femtograd.nn.Embedding(10, 4, femtograd.Rng(0))([[1, 2, 1]]).shape
    (1, 3, 4)
    """

    def __init__(self, rows: int, size: int, rng: Rng, *, dtype: npt.DTypeLike = "float32") -> None:
        self.weight = Tensor(rng.normal((rows, size)), dtype=dtype, label="weight")

    def __call__(self, x: Any) -> Tensor:
        """The rows at these indices, which are a list or an array of whole numbers."""
        return self.weight.take(x, axis=0)


class Dropout(Module):
    """`y = x / (1 − p)` or, with probability `p` for each element, 0 (Srivastava et al. 2014); after `eval()` it is `x`.

    >>> femtograd.nn.Dropout(0.5, femtograd.Rng(3))([1.0, 1.0, 1.0, 1.0]).tolist()
    [2.0, 0.0, 0.0, 2.0]
    """

    def __init__(self, p: float, rng: Rng) -> None:
        if not 0 <= p <= 1:
            raise ValueError(f"Dropout: the probability {p} does not lie in 0..=1")
        self.p = p
        self.rng = rng

    def __call__(self, x: Any) -> Tensor:
        """In the shape of `x`."""
        given = _tensor(x)
        return given.dropout(self.p, self.rng) if self.training else given
