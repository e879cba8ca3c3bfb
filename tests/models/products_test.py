import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
from flax import nnx

from optical_jax.models import products, retriever
from optical_jax.models.stack import EncoderOptions
from tests.models import tiny

_LAST_BY_FIRST = (((2,), (0,)), ((), ()))


def _factors(rng):
    x, kernel = rng.normal(size=(3, 5, 40)), rng.normal(size=(40, 7))
    return x.astype(np.float32), kernel.astype(np.float32)


def _round(x):
    return np.asarray(x).astype(ml_dtypes.bfloat16).astype(np.float64)


def test_factors_are_rounded_and_sums_are_not(rng):
    x, kernel = _factors(rng)
    found = products.bfloat16(jnp.asarray(x), jnp.asarray(kernel), _LAST_BY_FIRST)
    assert found.dtype == jnp.float32
    np.testing.assert_allclose(found, _round(x) @ _round(kernel), atol=2e-5)
    assert np.abs(found - x @ kernel).max() > 1e-3


def test_gradients_are_products_of_rounded_factors(rng):
    x, kernel = _factors(rng)
    weights = rng.normal(size=(3, 5, 7)).astype(np.float32)

    def loss(x, kernel):
        return (products.bfloat16(x, kernel, _LAST_BY_FIRST) * weights).sum()

    by_x, by_kernel = jax.grad(loss, (0, 1))(jnp.asarray(x), jnp.asarray(kernel))
    g = _round(weights)
    np.testing.assert_allclose(by_x, g @ _round(kernel).T, atol=2e-5)
    expected = np.einsum("abn,abm->nm", _round(x), g)
    np.testing.assert_allclose(by_kernel, expected, atol=2e-5)
    assert by_x.dtype == by_kernel.dtype == jnp.float32


def test_other_types_are_multiplied_as_they_are(rng):
    x, kernel = (jnp.asarray(a, jnp.float16) for a in _factors(rng))
    found = products.bfloat16(x, kernel, _LAST_BY_FIRST)
    np.testing.assert_array_equal(found, jax.lax.dot_general(x, kernel, _LAST_BY_FIRST))


@pytest.mark.parametrize(
    "family", ["bert", pytest.param("modernbert", marks=pytest.mark.long)]
)
def test_an_encoder_computes_the_same_but_for_rounding(rng, family):
    made = tiny.make(tiny.TOKENWISE, family=family)
    ids = jnp.asarray(rng.integers(5, 40, (4, 9)), jnp.int32)
    mask = jnp.arange(9) < jnp.array([9, 4, 1, 6])[:, None]

    def vectors(dtype=jnp.float32, **options):
        graph = retriever.graphdef(
            made.encoder, made.head, dtype=dtype, options=EncoderOptions(**options)
        )
        encode = jax.jit(lambda params: nnx.merge(graph, params)(ids, mask))
        return np.asarray(encode(made.params))

    plain, rounded = vectors(), vectors(matmul="bfloat16")
    far = lambda found: np.abs(plain - found)[np.asarray(mask)].mean()
    # Less is rounded than where everything is bfloat16.
    assert 1e-5 < far(rounded) < far(vectors(jnp.bfloat16)) < 0.1
    np.testing.assert_allclose(np.linalg.norm(rounded, axis=-1), 1.0, atol=1e-5)


@pytest.mark.parametrize(
    ("flags", "platform", "faster"),
    [
        ("flags\t: fma avx2 avx512_bf16 amx_tile", "cpu", True),
        ("flags\t: amx_bf16 avx512f", "cpu", True),
        ("Features\t: fp asimd bf16", "cpu", True),
        ("flags\t: fma avx2 avx512f avx512_vnni", "cpu", False),
        ("flags\t: avx512_bf16", "gpu", False),
        ("flags\t: avx512_bf16", "tpu", False),
    ],
)
def test_factors_are_rounded_where_a_cpu_has_instructions_for_it(
    tmp_path, flags, platform, faster
):
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(f"processor\t: 0\n{flags}\n")
    assert products.rounding_is_faster(platform, cpuinfo) is faster


def test_where_nothing_is_known_of_a_cpu_products_are_jax_s(tmp_path):
    assert not products.rounding_is_faster("cpu", tmp_path / "cpuinfo")


def test_auto_is_settled_by_the_devices(monkeypatch):
    auto = EncoderOptions(matmul="auto", remat="dots")
    for faster, chosen in ((True, "bfloat16"), (False, "default")):
        monkeypatch.setattr(products, "rounding_is_faster", lambda _, f=faster: f)
        assert auto.on("cpu") == EncoderOptions(matmul=chosen, remat="dots")
    assert EncoderOptions(matmul="bfloat16").on("tpu").matmul == "bfloat16"
