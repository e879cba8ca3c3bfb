import jax
import jax.numpy as jnp
import pytest

from optical_jax.planning import counts, hlo, jaxprs
from tests.planning import snippets


def test_products_count_as_often_as_they_are_run():
    loop = 8 * 2 * 128 * 1024 * 1024
    assert counts.flops(hlo.parse(snippets.TPU)) == loop + 2 * 1024 * 128 * 1024


def test_float32_in_full_precision_takes_six_products():
    full = snippets.TPU.replace(
        "dim_labels=fb_io->bf",
        "dim_labels=fb_io->bf, operand_precision={highest,highest}",
    ).replace(
        "%y = bf16[128,1024]{1,0:T(8,128)(2,1)} get", "%y = f32[128,1024]{1,0} get"
    )
    loop = 8 * 2 * 128 * 1024 * 1024
    assert counts.flops(hlo.parse(full)) == loop + 6 * 2 * 1024 * 128 * 1024


def test_a_loop_reads_one_slice_a_turn_and_small_memories_are_free():
    entry_only = counts.bytes_accessed(
        hlo.parse(snippets.TPU.replace("constant(10)", "constant(2)"))
    )
    whole = counts.bytes_accessed(hlo.parse(snippets.TPU))
    scalars = 8 * (4 + 4 + 4)
    assert 0 <= whole - entry_only - 8 * 512 * 1024 * 2 <= scalars


@pytest.mark.parametrize("batch", [3, 16])
def test_a_batched_product_written_as_a_convolution(batch):
    # As TPUs have it: the kernel is as wide as the batch and meets one input each time.
    window = f"size={batch} stride={batch - 1} pad=0_0 lhs_dilate={batch}"
    how = f"window={{{window}}}, dim_labels=0bf_0oi->0bf"
    text = f"""
ENTRY %main (a: f32[{batch},4,8], b: f32[{batch},5,8]) -> f32[{batch},4,5] {{
  %a = f32[{batch},4,8]{{2,1,0}} parameter(0)
  %b = f32[{batch},5,8]{{2,1,0}} parameter(1)
  ROOT %c = f32[{batch},4,5]{{2,1,0}} convolution(%a, %b), {how}
}}
"""
    assert counts.flops(hlo.parse(text)) == 2 * batch * 4 * 5 * 8


def _layers(weights, x, *, scan):
    def layer(x, w):
        return jnp.tanh(x @ w), None

    if scan:
        return jnp.sum(jax.lax.scan(layer, x, weights)[0] ** 2)
    for w in weights:
        x, _ = layer(x, w)
    return jnp.sum(x**2)


@pytest.fixture(scope="module")
def programs():
    """Gradients of six layers, in a loop and one after the other."""
    shapes = [jax.ShapeDtypeStruct(s, jnp.float32) for s in ((6, 64, 64), (32, 64))]
    found = {}
    for scan in (True, False):
        grad = jax.jit(jax.grad(lambda w, x, s=scan: _layers(w, x, scan=s)))
        found[scan] = grad.trace(*shapes)
    return found


def test_flops_of_scanned_layers_are_those_of_layers_in_turn(programs):
    compiled = {k: t.lower().compile() for k, t in programs.items()}
    found = {k: counts.flops(hlo.parse(c.as_text())) for k, c in compiled.items()}
    # Forward, and backward for inputs (but the first layer's) and weights.
    assert found[False] == (6 + 5 + 6) * 2 * 32 * 64 * 64
    # The loop cannot leave out what its first turn does not need.
    assert found[True] == (6 + 6 + 6) * 2 * 32 * 64 * 64
    # XLA's own count has the loop's body once.
    assert compiled[True].cost_analysis()["flops"] < 0.5 * found[True]
    assert compiled[False].cost_analysis()["flops"] == pytest.approx(
        found[False], rel=0.05
    )


def test_traced_flops_count_loops(programs):
    found = {k: jaxprs.flops(traced.jaxpr) for k, traced in programs.items()}
    assert found[True] == 18 * 2 * 32 * 64 * 64
    assert found[False] == 17 * 2 * 32 * 64 * 64


def test_bytes_of_unlooped_layers_are_those_that_xla_counts(programs):
    compiled = programs[False].lower().compile()
    counted = counts.bytes_accessed(hlo.parse(compiled.as_text()))
    assert counted == pytest.approx(compiled.cost_analysis()["bytes accessed"], rel=0.1)
