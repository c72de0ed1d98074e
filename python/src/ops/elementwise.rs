//! Functions of one number, element by element.

use crate::unary;
use pyo3::prelude::*;

unary! {
    /// `y = tanh(x)`; slope `1 − y²`.
    ///
    /// >>> x = Tensor(0.5)
    /// >>> y = x.tanh()
    /// >>> y.backward()
    /// >>> print(f"{y:.4f} {x.grad:.4f}")
    /// 0.4621 0.7864
    tanh => |x| x.tanh();

    /// `y = max(x, 0)`; slope 1 where x > 0, else 0 (0 at 0 too).
    ///
    /// >>> Tensor([-1.0, 2.0]).relu().tolist()
    /// [0.0, 2.0]
    relu => |x| x.relu();
}
