"""PyTorch: eager with fused optimizers, and the whole step compiled."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..cases import Array, Case
from . import System

LAYERS = {"relu": nn.ReLU, "tanh": nn.Tanh, "sigmoid": nn.Sigmoid}
LOSSES = {
    "cross_entropy": F.cross_entropy,
    "binary_cross_entropy": F.binary_cross_entropy_with_logits,
    "mse": F.mse_loss,
}
OUTPUTS = {
    "cross_entropy": nn.Softmax(1),
    "binary_cross_entropy": nn.Sigmoid(),
    "mse": nn.Identity(),
}


class _Net(System):
    def __init__(self, case: Case, threads: int) -> None:
        super().__init__(case, threads)
        torch.set_num_threads(threads)
        torch.manual_seed(0)
        self.loss = LOSSES[case.loss]
        layers: list[nn.Module] = []
        for n_in, n_out in pairwise(case.widths):
            layers += [nn.Linear(n_in, n_out), LAYERS[case.hidden]()]
        self.model = nn.Sequential(*layers[:-1]).to(getattr(torch, case.dtype))
        self.parameters = list(self.model.parameters())
        self.first = [torch.from_numpy(p.T.copy()) for p in case.parameters()]
        self.x, self.t = torch.from_numpy(self.x), torch.from_numpy(self.t)
        self.reset()

    def reset(self) -> None:
        with torch.no_grad():
            for mine, first in zip(self.parameters, self.first, strict=True):
                mine.copy_(first)

    def result(self) -> list[Array]:
        return [p.detach().numpy().T.copy() for p in self.parameters]

    def run(self, n: int) -> None:
        case = self.case
        for _ in range(n):
            if case.steps == 1:
                self.step(self.x, self.t)
                continue
            for rows in torch.randperm(case.rows).split(case.batch):
                self.step(self.x[rows], self.t[rows])

    def step(self, x: Tensor, t: Tensor) -> None:
        raise NotImplementedError


class Eager(_Net):
    def __init__(self, case: Case, threads: int) -> None:
        super().__init__(case, threads)
        kind = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}[case.optimizer]
        self.optimizer = kind(self.parameters, lr=case.learning_rate, fused=True)

    def step(self, x: Tensor, t: Tensor) -> None:
        self.optimizer.zero_grad()
        self.loss(self.model(x), t).backward()
        self.optimizer.step()


class Compiled(_Net):
    """Forward, backward and update in one graph, which spares it the calls between them."""

    def __init__(self, case: Case, threads: int) -> None:
        super().__init__(case, threads)
        self.m = [torch.zeros_like(p) for p in self.parameters]
        self.v = [torch.zeros_like(p) for p in self.parameters]
        self.count = torch.zeros((), dtype=self.x.dtype)
        self.compiled = torch.compile(self._step, fullgraph=True, dynamic=False)

    def _gradients(self, x: Tensor, t: Tensor) -> list[Tensor]:
        names = [name for name, _ in self.model.named_parameters()]

        def loss(parameters: list[Tensor]) -> Tensor:
            named = dict(zip(names, parameters, strict=True))
            return self.loss(torch.func.functional_call(self.model, named, (x,)), t)

        gradients: list[Tensor] = torch.func.grad(loss)([p.detach() for p in self.parameters])
        return gradients

    def _step(self, x: Tensor, t: Tensor) -> None:
        gradients = self._gradients(x, t)
        rate = self.case.learning_rate
        with torch.no_grad():
            if self.case.optimizer == "sgd":
                for p, g in zip(self.parameters, gradients, strict=True):
                    p.sub_(rate * g)
                return
            self.count.add_(1)
            scale = rate / (1 - 0.9**self.count)
            correction = (1 - 0.999**self.count).rsqrt()
            slots = zip(self.parameters, gradients, self.m, self.v, strict=True)
            for p, g, m, v in slots:
                m.lerp_(g, 0.1)
                v.mul_(0.999).addcmul_(g, g, value=0.001)
                p.sub_(scale * m / (v.sqrt() * correction + 1e-8))

    def step(self, x: Tensor, t: Tensor) -> None:
        self.compiled(x, t)


class EagerGradient(_Net):
    def step(self, x: Tensor, t: Tensor) -> None:
        for p in self.parameters:
            p.grad = None
        self.loss(self.model(x), t).backward()

    def result(self) -> list[Array]:
        return [p.grad.numpy() for p in self.parameters if p.grad is not None]


class CompiledGradient(Compiled):
    def __init__(self, case: Case, threads: int) -> None:
        super().__init__(case, threads)
        self.compiled = torch.compile(self._gradients, fullgraph=True, dynamic=False)

    def step(self, x: Tensor, t: Tensor) -> None:
        self.gradients = self.compiled(x, t)

    def result(self) -> list[Array]:
        return [g.numpy() for g in self.gradients]


class _Predict(_Net):
    """From a numpy array to a numpy array."""

    mode = torch.no_grad

    def __init__(self, case: Case, threads: int) -> None:
        super().__init__(case, threads)
        self.rows = np.asarray(self.x)
        self.call = nn.Sequential(self.model, OUTPUTS[case.loss]).eval()

    def run(self, n: int) -> None:
        with self.mode():
            for _ in range(n):
                self.output = self.call(torch.from_numpy(self.rows)).numpy()

    def result(self) -> list[Array]:
        return [self.output]


class PredictNoGrad(_Predict):
    pass


class PredictInference(_Predict):
    mode = torch.inference_mode


class PredictCompiled(_Predict):
    mode = torch.no_grad

    def __init__(self, case: Case, threads: int) -> None:
        super().__init__(case, threads)
        self.call = torch.compile(self.call, fullgraph=True, dynamic=False)
