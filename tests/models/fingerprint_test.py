import dataclasses

import jax
import jax.numpy as jnp

from optical_jax.models import fingerprint
from tests.models import tiny


def test_covers_all_that_vectors_depend_on():
    model = tiny.make(tiny.TOKENWISE)
    accented = tiny.make(tiny.TOKENWISE, tokenizer=tiny.wordpiece(accents=True))
    others = [
        model.with_params(jax.tree.map(lambda x: x + 1e-6, model.params)),
        dataclasses.replace(accented, params=model.params),
        tiny.with_head(model, query_length=20),
        dataclasses.replace(model, dtype=jnp.bfloat16),
    ]
    assert len({fingerprint.of(other) for other in (model, *others)}) == 5
    assert fingerprint.of(tiny.make(tiny.TOKENWISE)) == fingerprint.of(model)
