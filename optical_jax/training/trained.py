"""What a run trains of its student: all of it, or adapters beside weights that stay.

What stays is an argument of the train step as the teacher is: it has no gradient and no
optimizer state, and no checkpoint holds it, because the run's folder has it already.
"""

import jax
import jax.numpy as jnp
from flax import nnx
from jax.sharding import Mesh

from optical_jax.config import Config
from optical_jax.models import lora, retriever
from optical_jax.models.retriever import Architecture, Retriever
from optical_jax.training import sharding


def start(config: Config, student: Retriever) -> tuple[nnx.State, nnx.State | None]:
    """Return what is trained of the student's parameters, and what stays as it is.

    Raises:
        ValueError: if a pattern of student.lora matches nothing.
    """
    adapters = config.student.lora
    if not adapters.rank:
        return student.params, None

    # Only the adapters leave this, so that no layer is made a second time.
    @jax.jit
    def make() -> nnx.State:
        key = jax.random.fold_in(jax.random.key(config.seed), 1)
        made = retriever.init_params(
            student.encoder, student.head, key=key, adapters=adapters
        )
        return lora.adapters(made)

    values = dict(nnx.to_flat_state(student.params)) | dict(nnx.to_flat_state(make()))
    fixed = lora.fixed(student.params, adapters, dtype=jnp.dtype(config.dtype))
    learned = lora.learned(nnx.from_flat_state(values), adapters)
    # The step overwrites what it trains; the student's own, `whole` needs as they were.
    return jax.tree.map(jnp.copy, learned), fixed


def abstract(config: Config, student: Retriever | Architecture) -> nnx.State:
    """Return shapes and logical axes of what is trained."""
    adapters = config.student.lora
    found = retriever.abstract_params(student.encoder, student.head, adapters)
    return lora.learned(found, adapters) if adapters.rank else found


def whole(
    config: Config, student: Retriever, trained: nnx.State, mesh: Mesh | None = None
) -> nnx.State:
    """Return the student's parameters with what was trained merged into them.

    Args:
        config: the run's.
        student: as the run started from it.
        trained: what is trained, now.
        mesh: where that lies; None: on one device.
    """
    adapters, params = config.student.lora, student.params
    if not adapters.rank:
        return trained
    if mesh is not None:
        params = sharding.place(
            params, sharding.of_state(jax.eval_shape(lambda: params), mesh)
        )
    return jax.jit(lora.merged, static_argnums=2)(params, trained, adapters)
