"""Attention against a loop in numpy, and what it must not depend on."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from optical_jax.models.attention import Attention

LENGTHS = (9, 6, 1)


def by_hand(
    kind: Attention, query: np.ndarray, key: np.ndarray, mask: np.ndarray, bias
) -> np.ndarray:
    """Weights [b h l l] in float64, place by place."""
    b, l, h, k = query.shape
    weights = np.zeros((b, h, l, l))
    for n, head, i in np.ndindex(b, h, l):
        left, right = kind.window or (l, l)
        group = head // (h // key.shape[2])
        seen = [
            j
            for j in range(l)
            if mask[n, j] and -left <= j - i <= (0 if kind.causal else right)
        ]
        if not seen:
            continue
        logits = np.array([query[n, i, head] @ key[n, j, group] for j in seen], float)
        logits *= k**-0.5 if kind.scale is None else kind.scale
        if bias is not None:
            logits += bias[0, head, i, seen]
        if kind.softcap is not None:
            logits = kind.softcap * np.tanh(logits / kind.softcap)
        shares = np.exp(logits - logits.max())
        weights[n, head, i, seen] = shares / shares.sum()
    return weights


@pytest.mark.parametrize(
    ("kind", "with_bias"),
    [
        (Attention(), False),
        (Attention(causal=True), False),
        (Attention(window=(2, 1)), False),
        (Attention(window=(3, 0), causal=True, scale=0.7), False),
        (Attention(scale=1.0), True),
        (Attention(softcap=2.0, causal=True), False),
        (Attention(softcap=2.0, window=(3, 3)), True),
    ],
)
def test_equals_a_loop(kind: Attention, with_bias: bool) -> None:
    rng = np.random.default_rng(0)
    query = rng.normal(size=(3, 9, 4, 8)).astype(np.float32) * 2
    key, value = rng.normal(size=(2, 3, 9, 2, 8)).astype(np.float32) * 2
    bias = rng.normal(size=(1, 4, 9, 9)).astype(np.float32) if with_bias else None
    mask = np.arange(9) < np.array(LENGTHS)[:, None]
    expected = by_hand(kind, query, key, mask, bias)
    given = [jnp.asarray(x) for x in (query, key, mask)]
    bias_ = None if bias is None else jnp.asarray(bias)
    apply, received = (jax.jit(f) for f in (kind.__call__, kind.received))
    out = apply(*given[:2], jnp.asarray(value), given[2], bias_)
    wanted = np.einsum("bhqk,bkhd->bqhd", expected, np.repeat(value, 2, axis=2))
    # Rows that see nothing have no right answer; they are padding.
    rows = expected.sum(-1).min(1) > 0
    assert rows.sum() >= sum(LENGTHS)
    np.testing.assert_allclose(np.asarray(out)[rows], wanted[rows], atol=1e-5)
    received = np.asarray(received(given[0], given[1], given[2], bias_))
    for n, length in enumerate(LENGTHS):
        share = expected[n, :, :length].mean(axis=(0, 1))
        np.testing.assert_allclose(received[n], share, atol=1e-5)
    assert np.isfinite(np.asarray(out)).all()
