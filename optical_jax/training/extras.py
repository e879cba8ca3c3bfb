"""Arrays that objectives ask for beside the texts of sentence pairs.

The table of extras stands here: a line in `make`. They are made of the training pairs
before the first step; each then is a function of a batch's rows.
"""

import functools
from collections.abc import Callable, Mapping, Sequence

import numpy as np
from jaxtyping import Float

from optical_jax.data import frequency, pipeline, token_links, tokenize
from optical_jax.data.sources import Pair
from optical_jax.objectives import tokens
from optical_jax.objectives.mixture import ObjectiveConfig

Extra = Callable[[pipeline.Rows, Mapping[str, np.ndarray]], np.ndarray]

# Sentences that frequencies are counted in and words are aligned in, at most.
_SENTENCES = 200_000


def make(
    objective: ObjectiveConfig,
    fields: Mapping[str, pipeline.Field],
    pairs: Sequence[Pair],
) -> dict[str, dict[str, Extra]]:
    """Return the extras that an objective asks for, by field of the batch and name.

    Args:
        objective: see ObjectiveConfig.extras.
        fields: of the batch, by name.
        pairs: the training bitext.
    """
    makers = {"idf": _idf, "links": _links}
    return {
        key: {
            name: makers[name](objective, fields, key, pairs)
            for name in names - tokens.WEIGHED
        }
        for key, names in objective.extras().items()
        if key in fields
    }


def _encoded(
    fields: Mapping[str, pipeline.Field], key: str, pairs: Sequence[Pair]
) -> list[tokenize.Encoded]:
    # The field's column may be of texts that are changed while training.
    _, name = key.split("/")
    return fields[key].encode([getattr(pair, name) for pair in pairs])


def _idf(
    _: ObjectiveConfig,
    fields: Mapping[str, pipeline.Field],
    key: str,
    pairs: Sequence[Pair],
) -> Extra:
    step = -(-len(pairs) // _SENTENCES)
    ids = fields[key].text.tokenizer.get_vocab(with_added_tokens=True).values()
    table = frequency.inverse(_encoded(fields, key, pairs[::step]), size=1 + max(ids))
    return functools.partial(_weights, table=table)


def _weights(
    _: pipeline.Rows,
    arrays: Mapping[str, np.ndarray],
    *,
    table: Float[np.ndarray, " v"],
) -> np.ndarray:
    """Return each token's weight; what stands at padding is masked by its mass."""
    return table[arrays["ids"]]


def _links(
    objective: ObjectiveConfig,
    fields: Mapping[str, pipeline.Field],
    key: str,
    pairs: Sequence[Pair],
) -> Extra:
    target, source = fields[key], fields["teacher/source"]
    step = -(-len(pairs) // _SENTENCES)
    linker = token_links.train(
        _encoded(fields, key, pairs[::step]),
        _encoded(fields, "teacher/source", pairs[::step]),
        target=target.text,
        source=source.text,
        threshold=objective.word_links.threshold,
    )
    return functools.partial(_matrices, linker=linker, longest=source.longest)


def _matrices(
    rows: pipeline.Rows,
    arrays: Mapping[str, np.ndarray],
    *,
    linker: token_links.TokenLinker,
    longest: int,
) -> np.ndarray:
    """Return links [b m longest]; the source may be padded to fewer columns than these."""
    targets, sources = (
        [row[key][0] for _, row in rows] for key in ("student/target", "teacher/source")
    )
    return linker.matrices(targets, sources, (arrays["mask"].shape[1], longest))
