"""Optimisers: a step reads every parameter's gradient and updates the parameters in place.

>>> import femtograd
>>> net = femtograd.nn.Mlp([2, 8, 1], femtograd.Rng(0))
>>> adam = femtograd.optim.Adam(net.parameters(), lr=0.01)
>>> net([[0.5, -0.5]]).mse([[1.0]]).backward()
>>> adam.step()
"""

from femtograd._femtograd import Adam, Sgd

__all__ = ["Adam", "Sgd"]
