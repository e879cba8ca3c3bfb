"""What an objective is given of a batch: its texts, encoded when they are asked for."""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
from flax import nnx

from optical_jax.models import retriever
from optical_jax.objectives import tokens
from optical_jax.objectives.tokens import TokenBatch

# Arrays of a field with an entry a token; others have an entry an example.
_TOKEN_ARRAYS = ("ids", "mask", "scored", "vectors", *sorted(tokens.WEIGHED))


@dataclasses.dataclass(frozen=True)
class BatchEncoder:
    """Encodes the fields of one batch: what an objective is given."""

    batch: dict[str, Any]
    student_graph: nnx.GraphDef
    student_params: nnx.State
    teacher_graph: nnx.GraphDef | None
    teacher_params: nnx.State | None
    key: jax.Array | None
    progress: jax.Array
    # Texts that are encoded with norm and attention.
    weighed: frozenset[str]
    encoded: dict[str, TokenBatch] = dataclasses.field(default_factory=dict)

    def student(self, field: str) -> TokenBatch:
        """Encode a field with the trained parameters."""
        key = f"student/{field}"
        if key not in self.encoded:
            values = flat(self.batch[key])
            found = self.student_texts(key, values, self.student_params)
            self.encoded[key] = token_batch(found, values)
        return self.encoded[key]

    def student_texts(
        self,
        key: str,
        values: dict[str, jax.Array],
        params: nnx.State,
        chunk: jax.Array | int = 0,
    ) -> dict[str, jax.Array]:
        """Encode rows of a field; dropout depends on the field and on the rows' chunk."""
        rngs = None
        if self.key is not None:
            field = jax.random.fold_in(self.key, sorted(self.batch).index(key))
            rngs = nnx.Rngs(dropout=jax.random.fold_in(field, chunk))
        model = nnx.merge(self.student_graph, params)
        return self._forward(model, key, values, rngs)

    def teacher(self, field: str) -> TokenBatch:
        """Encode a field with the frozen teacher, or take its cached vectors."""
        key = f"teacher/{field}"
        if key not in self.encoded:
            values = flat(self.batch[key])
            if "vectors" in values:
                kept = {"vectors", *tokens.WEIGHED} & values.keys()
                found = {name: values[name].astype(jnp.float32) for name in kept}
            else:
                model = nnx.merge(self.teacher_graph, self.teacher_params)
                found = self._forward(model, key, values, None)
                found = jax.lax.stop_gradient(found)
            self.encoded[key] = token_batch(found, values)
        return self.encoded[key]

    def _forward(
        self,
        model: retriever.RetrievalModel,
        key: str,
        values: dict[str, jax.Array],
        rngs: nnx.Rngs | None,
    ) -> dict[str, jax.Array]:
        if key in self.weighed:
            return model.weighed(values["ids"], values["mask"], rngs=rngs)._asdict()
        return {"vectors": model(values["ids"], values["mask"], rngs=rngs)}

    def array(self, key: str, name: str) -> jax.Array:
        """Return an array beside a text."""
        return self.batch[key][name]


def flat(values: dict[str, jax.Array]) -> dict[str, jax.Array]:
    """Bring a field of several texts an example, [b texts l], to [b * texts, l]."""
    if values["mask"].ndim == 2:
        return values
    kept = {k: v for k, v in values.items() if k in _TOKEN_ARRAYS}
    return {k: v.reshape(-1, *v.shape[2:]) for k, v in kept.items()}


def token_batch(
    found: dict[str, jax.Array], values: dict[str, jax.Array]
) -> TokenBatch:
    """Put what the encoder gave together with which slots hold text, which are scored."""
    mask, scored = values["mask"], values["scored"]
    if found["vectors"].shape[1] != mask.shape[1]:  # a single-vector head
        mask = scored = jnp.ones(found["vectors"].shape[:2], bool)
    return TokenBatch(mask=mask, scored=scored, **found)
