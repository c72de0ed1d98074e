"""The least that must work on every version of Python: run by itself, without pytest."""

import pickle

import numpy as np

from femtograd import Tensor

a, b = Tensor(2.0), Tensor(3.0)
c = a * b + b**2
c.backward()
assert (a.grad, b.grad) == (3.0, 8.0)
assert c.location.startswith(__file__), c.location
x = Tensor(np.arange(6.0).reshape(2, 3))
assert np.shares_memory(x.numpy(), x.numpy())
(x @ x.T).sum().backward()
assert np.allclose(x.grad, 2 * np.asarray(x).sum(axis=0))
try:
    x @ x
except ValueError as error:
    assert __file__ in str(error)
else:
    raise AssertionError("shapes that do not fit")
assert pickle.loads(pickle.dumps(x)).tolist() == x.tolist()
print("ok")
