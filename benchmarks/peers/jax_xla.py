"""JAX on the CPU: a jitted step, and a jitted scan over all steps of an epoch."""

from __future__ import annotations

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from ..cases import Array, Case
from . import System

FUNCTIONS = {"relu": jax.nn.relu, "tanh": jnp.tanh, "sigmoid": jax.nn.sigmoid}
OUTPUTS = {
    "cross_entropy": jax.nn.softmax,
    "binary_cross_entropy": jax.nn.sigmoid,
    "mse": lambda z: z,
}
State = Any  # parameters, m, v, number of steps


class _Net(System):
    def __init__(self, case: Case, threads: int) -> None:
        super().__init__(case, threads)
        jax.config.update("jax_enable_x64", case.dtype == "float64")
        self.x, self.t = jnp.asarray(self.x), jnp.asarray(self.t)
        self.random = np.random.default_rng(0)
        self.m, self.v, self.count = self._zeros(), self._zeros(), jnp.zeros((), case.dtype)
        self.reset()

    def _zeros(self) -> list[Any]:
        return [jnp.zeros_like(p) for p in self.case.parameters()]

    def reset(self) -> None:
        self.parameters = [jnp.array(p) for p in self.case.parameters()]

    def result(self) -> list[Array]:
        return [np.asarray(p) for p in self.parameters]

    def logits(self, parameters: list[Any], x: Any) -> Any:
        *hidden, last = zip(parameters[::2], parameters[1::2], strict=True)
        for w, b in hidden:
            x = FUNCTIONS[self.case.hidden](x @ w + b)
        return x @ last[0] + last[1]

    def loss(self, parameters: list[Any], x: Any, t: Any) -> Any:
        z = self.logits(parameters, x)
        if self.case.loss == "cross_entropy":
            return -jnp.take_along_axis(jax.nn.log_softmax(z), t[:, None], axis=1).mean()
        if self.case.loss == "binary_cross_entropy":
            return (jax.nn.softplus(z) - t * z).mean()
        return ((z - t) ** 2).mean()

    def step(self, state: State, x: Any, t: Any) -> State:
        parameters, m, v, count = state
        gradients = jax.grad(self.loss)(parameters, x, t)
        rate = self.case.learning_rate
        if self.case.optimizer == "sgd":
            return jax.tree.map(lambda p, g: p - rate * g, parameters, gradients), m, v, count
        count = count + 1
        m = jax.tree.map(lambda m, g: m + 0.1 * (g - m), m, gradients)
        v = jax.tree.map(lambda v, g: v + 0.001 * (g * g - v), v, gradients)
        scale, correction = rate / (1 - 0.9**count), jax.lax.rsqrt(1 - 0.999**count)
        parameters = jax.tree.map(
            lambda p, m, v: p - scale * m / (jnp.sqrt(v) * correction + 1e-8), parameters, m, v
        )
        return parameters, m, v, count

    @property
    def state(self) -> State:
        return self.parameters, self.m, self.v, self.count

    @state.setter
    def state(self, state: State) -> None:
        self.parameters, self.m, self.v, self.count = state

    def order(self) -> Array:
        """Of the rows: one line a batch."""
        case = self.case
        return self.random.permutation(case.rows).reshape(case.steps, case.batch).astype(np.int32)


class Steps(_Net):
    """One call a step."""

    def __init__(self, case: Case, threads: int) -> None:
        super().__init__(case, threads)

        @partial(jax.jit, donate_argnums=0)
        def step(state: State, x: Any, t: Any, rows: Any) -> State:
            return self.step(state, x[rows], t[rows])

        self.jitted = step
        self.whole = jax.jit(self.step, donate_argnums=0)

    def run(self, n: int) -> None:
        state = self.state
        for _ in range(n):
            if self.case.steps == 1:
                state = self.whole(state, self.x, self.t)
                continue
            for rows in self.order():
                state = self.jitted(state, self.x, self.t, rows)
        self.state = jax.block_until_ready(state)


class Scan(_Net):
    """One call an epoch."""

    def __init__(self, case: Case, threads: int) -> None:
        super().__init__(case, threads)

        @partial(jax.jit, donate_argnums=0)
        def epoch(state: State, x: Any, t: Any, order: Any) -> State:
            if case.steps == 1:
                return self.step(state, x, t)
            return jax.lax.scan(
                lambda state, rows: (self.step(state, x[rows], t[rows]), None), state, order
            )[0]

        self.epoch = epoch

    def run(self, n: int) -> None:
        state = self.state
        for _ in range(n):
            state = self.epoch(state, self.x, self.t, self.order())
        self.state = jax.block_until_ready(state)


class Vmap(_Net):
    """One call an epoch for all networks."""

    def __init__(self, case: Case, threads: int) -> None:
        super().__init__(case, threads)
        self.m, self.v = self._many(self.m), self._many(self.v)
        self.count = jnp.zeros(case.networks, case.dtype)

        def epoch(state: State, order: Any) -> State:
            return jax.lax.scan(
                lambda state, rows: (self.step(state, self.x[rows], self.t[rows]), None),
                state,
                order,
            )[0]

        self.epoch = jax.jit(jax.vmap(epoch), donate_argnums=0)

    def _many(self, arrays: list[Any]) -> list[Any]:
        return [jnp.stack([array] * self.case.networks) for array in arrays]

    def reset(self) -> None:
        self.parameters = self._many([jnp.array(p) for p in self.case.parameters()])

    def result(self) -> list[Array]:
        return [np.asarray(p[0]) for p in self.parameters]

    def run(self, n: int) -> None:
        state = self.state
        for _ in range(n):
            orders = np.stack([self.order() for _ in range(self.case.networks)])
            state = self.epoch(state, orders)
        self.state = jax.block_until_ready(state)


class Gradient(_Net):
    def __init__(self, case: Case, threads: int) -> None:
        super().__init__(case, threads)
        self.gradient = jax.jit(jax.grad(self.loss))

    def run(self, n: int) -> None:
        for _ in range(n):
            self.gradients = self.gradient(self.parameters, self.x, self.t)
            jax.block_until_ready(self.gradients)

    def result(self) -> list[Array]:
        return [np.asarray(g) for g in self.gradients]


class Predict(_Net):
    """From a numpy array to a numpy array."""

    def __init__(self, case: Case, threads: int) -> None:
        super().__init__(case, threads)
        self.rows = np.asarray(self.x)
        output = OUTPUTS[case.loss]
        self.call = jax.jit(lambda parameters, x: output(self.logits(parameters, x)))

    def run(self, n: int) -> None:
        for _ in range(n):
            self.output = np.asarray(self.call(self.parameters, self.rows))

    def result(self) -> list[Array]:
        return [self.output]
