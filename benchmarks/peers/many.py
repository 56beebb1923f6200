"""Many networks: side by side in one call, one after the other, and over processes."""

from __future__ import annotations

import deltarule as dr

from ..cases import Array, Case
from . import System
from .own import network


class _Networks(System):
    def __init__(self, case: Case, threads: int) -> None:
        super().__init__(case, threads)
        dr.set_num_threads(threads)
        self.networks = [network(case, seed) for seed in range(case.networks)]
        self.first = dict(zip(self.networks[0].parameters(), case.parameters(), strict=True))
        self.reset()

    def reset(self) -> None:
        for net in self.networks:
            net.set_parameters(self.first)

    def result(self) -> list[Array]:
        return list(self.networks[0].parameters().values())


class FitMany(_Networks):
    def run(self, n: int) -> None:
        if n:
            dr.fit_many(
                self.networks, self.x, self.t, epochs=n, batch_size=self.case.batch, verbose=False
            )


class Loop(_Networks):
    def run(self, n: int) -> None:
        for net in self.networks if n else ():
            net.fit(self.x, self.t, epochs=n, batch_size=self.case.batch, verbose=False)


def train(networks: list[dr.Network], x: Array, t: Array, n: int, batch: int) -> list[dr.Network]:
    dr.set_num_threads(1)
    for net in networks:
        net.fit(x, t, epochs=n, batch_size=batch, verbose=False)
    return networks


class Processes(_Networks):
    """As many networks to each process as to the others; joblib keeps the processes."""

    def __init__(self, case: Case, threads: int) -> None:
        super().__init__(case, threads)
        import joblib

        self.pool = joblib.Parallel(n_jobs=threads)
        self.call = joblib.delayed(train)

    def run(self, n: int) -> None:
        if n:
            shares = (self.networks[i :: self.threads] for i in range(self.threads))
            done = self.pool(self.call(s, self.x, self.t, n, self.case.batch) for s in shares)
            self.networks = [net for share in done for net in share]
