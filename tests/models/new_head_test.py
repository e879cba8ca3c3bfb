import dataclasses

import jax
import jax.numpy as jnp
import numpy as np

from optical_jax.models import new_head
from optical_jax.models.head import HeadConfig
from tests.models import tiny


def _plain():
    return tiny.make(tiny.TOKENWISE, tokenizer=tiny.wordpiece(markers=False))


def test_markers_become_tokens_with_the_mean_row():
    plain = _plain()
    fitted = new_head.fit(plain, tiny.COLBERT, key=jax.random.key(0))
    before = plain.params["encoder"]["embeddings"]["word"]["embedding"][...]
    after = fitted.params["encoder"]["embeddings"]["word"]["embedding"][...]
    assert after.shape[0] == before.shape[0] + 2 == fitted.encoder.vocab_size
    np.testing.assert_array_equal(after[:-2], before)
    np.testing.assert_allclose(after[-1], before.mean(axis=0), atol=1e-6)
    (row,) = fitted.text.queries(["who"])
    assert fitted.text.tokens(row.ids)[1] == "[Q] "
    # The encoder that was given is as it was.
    assert plain.text.tokenizer.token_to_id("[Q] ") is None


def test_projection_is_new_or_the_one_given():
    head = dataclasses.replace(tiny.TOKENWISE, projection=4)
    made = new_head.fit(_plain(), head, key=jax.random.key(0))
    assert made.params["projection"]["kernel"][...].shape == (16, 4)
    given = jnp.full((16, 4), 0.5)
    kept = new_head.fit(
        _plain(), head, key=jax.random.key(0), projection={"kernel": given}
    )
    np.testing.assert_array_equal(kept.params["projection"]["kernel"][...], given)
    assert (
        "projection"
        not in new_head.fit(kept, tiny.TOKENWISE, key=jax.random.key(0)).params
    )


def test_bias_starts_at_zero_or_is_the_one_given() -> None:
    head = dataclasses.replace(tiny.TOKENWISE, projection=4, projection_bias=True)
    made = new_head.fit(_plain(), head, key=jax.random.key(0))
    np.testing.assert_array_equal(made.params["projection"]["bias"][...], np.zeros(4))
    given = {"kernel": jnp.full((16, 4), 0.5), "bias": jnp.ones(4)}
    kept = new_head.fit(_plain(), head, key=jax.random.key(0), projection=given)
    np.testing.assert_array_equal(kept.params["projection"]["bias"][...], np.ones(4))


def test_bare_asks_nothing_of_a_vocabulary():
    bare = new_head.bare(tiny.COLBERT)
    assert bare == HeadConfig(query_length=16, document_length=24)
