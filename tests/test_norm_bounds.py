"""Error bounds of the normalisations: what inputs that are a little off do to the results stays
within them, and they are no larger than need be. (That rounding does is tested in tests/ops.)"""

import numpy as np
import pytest

from deltarule import _bounds, _norm_bounds, reference
from deltarule._bounds import Near

EPS = 1e-5
KINDS = {"batch_norm": (0, True), "layer_norm": (1, True), "rms_norm": (1, False)}


def _results(kind, x, w, b, dy):
    parameters = (w,) if kind == "rms_norm" else (w, b)
    y = getattr(reference, f"{kind}_forward")(x, *parameters, eps=EPS)
    y = y[0] if isinstance(y, tuple) else y
    return y, *getattr(reference, f"{kind}_backward")(x, w, dy, eps=EPS)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [1e-9, 1e-3, 0.1, 3.0])
@pytest.mark.parametrize("shape", [(40, 9), (7, 33), (1, 5), (5, 1)])
def test_errors_of_inputs(kind, size, shape):
    rng = np.random.default_rng(1)
    deviation = rng.choice([1e-3, 1.0], shape)  # with size 0.1, some lose all that they are
    x, dy = rng.normal(2, 1, shape) * deviation, rng.normal(size=shape)
    w, b = rng.normal(size=(2, shape[1]))
    errors = [size * rng.uniform(size=a.shape) for a in (x, w, b, dy)]
    p = _bounds.precision("float64")
    near_x, near_w, near_b, near_dy = map(Near, (x, w, b, dy), errors)
    axis, centred = KINDS[kind]
    normal = _norm_bounds.normal(p, near_x, EPS, axis, centred)
    limits = (
        _norm_bounds.forward(p, normal, near_w, near_b if centred else None),
        *_norm_bounds.backward(p, normal, near_w, near_dy),
    )
    exact = _results(kind, x, w, b, dy)
    worst = np.zeros(len(exact))
    for _ in range(50):
        signs = [rng.choice([-1.0, 1.0], a.shape) for a in (x, w, b, dy)]
        moved = [a + e * s for a, e, s in zip((x, w, b, dy), errors, signs, strict=True)]
        for i, (a, c, limit) in enumerate(zip(_results(kind, *moved), exact, limits, strict=False)):
            worst[i] = max(worst[i], np.max(np.abs(a - c) / limit))
    assert (worst <= 1).all(), worst
    if size < 1e-6 and min(shape) > 1:
        assert (worst > 0.02).all(), worst
