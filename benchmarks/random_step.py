"""The library's train step with random weights, as a function of a batch."""

from collections.abc import Callable
from types import SimpleNamespace

import jax
import jax.numpy as jnp
from jax.sharding import Mesh

from optical_jax.config import Config
from optical_jax.models import bert, retriever
from optical_jax.models.head import HeadConfig
from optical_jax.training import sharding
from optical_jax.training import step as step_lib


def encoder(
    width: int, layers: int, heads: int, inner: int, *, vocabulary: int
) -> bert.BertConfig:
    """Describe a BERT."""
    return bert.BertConfig(
        vocab_size=vocabulary,
        hidden_size=width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        intermediate_size=inner,
    )


def make(
    config: Config, encoder: bert.BertConfig, head: HeadConfig
) -> tuple[Callable[[dict], dict], Mesh]:
    """Return a step that keeps its state and returns metrics, and where batches lie.

    Teacher and student are one architecture with the same first weights.
    """
    mesh = sharding.make_mesh(config.mesh)
    params = retriever.init_params(encoder, head, key=jax.random.key(0))
    model = SimpleNamespace(encoder=encoder, head=head)
    tx, init = step_lib.initial(config, params)
    shardings = sharding.of_state(jax.eval_shape(init, params), mesh)
    frozen = step_lib.Frozen(teacher=jax.tree.map(jnp.copy, params))
    state = [jax.jit(init, out_shardings=shardings, donate_argnums=0)(params)]
    run = step_lib.make_step(
        config,
        model,
        model,
        tx,
        shardings=shardings,
        frozen_shardings=step_lib.Frozen(teacher=shardings.params),
        mesh=mesh,
    )
    key = jax.random.key(0)

    def step(batch: dict) -> dict:
        state[0], metrics = run(state[0], frozen, batch, key)
        return metrics

    return step, mesh
