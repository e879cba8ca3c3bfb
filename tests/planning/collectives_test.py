import jax
import jax.numpy as jnp
import pytest
from jax.sharding import NamedSharding
from jax.sharding import PartitionSpec as P

from optical_jax.config import MeshConfig
from optical_jax.planning import collectives, hlo
from optical_jax.training import sharding
from tests.planning import snippets

MESH = {"data": 2, "fsdp": 2, "tensor": 1}


def _found(text: str) -> list[collectives.Collective]:
    return collectives.find(hlo.parse(text), MESH)


def test_collectives_of_a_tpu_program():
    found = collectives.find(hlo.parse(snippets.TPU), MESH)
    kernel = 1024 * 1024 * 2
    rows = {(c.kind, c.axes): (c.count, c.payload, c.sent) for c in found}
    assert rows == {
        # Spread over two fusions, and in a loop of eight turns.
        ("all-gather", ("fsdp",)): (8, 8 * kernel, 8 * kernel / 2),
        ("all-reduce", ("data",)): (1, kernel, kernel),
        # A sum of which each keeps a slice.
        ("reduce-scatter", ("fsdp",)): (1, kernel, kernel / 2),
    }
    assert [c.sent for c in found] == sorted((c.sent for c in found), reverse=True)


@pytest.mark.parametrize(
    ("groups", "axes", "size"),
    [
        ("replica_groups={{0,1},{2,3},{4,5},{6,7}}", ("tensor",), 2),
        ("replica_groups=[4,2]<=[8]", ("tensor",), 2),
        ("replica_groups=[2,4]<=[4,2]T(1,0)", ("data", "fsdp"), 4),
        ("replica_groups=[4,2]<=[2,2,2]T(0,2,1)", ("fsdp",), 2),
        ("replica_groups=mesh['a'=8] {'a':(2)2}", ("fsdp",), 2),
        ("replica_groups=mesh['a'=2,'b'=4] {'a','b':(1)2}", ("data", "fsdp"), 4),
        ("replica_groups={}", ("data", "fsdp", "tensor"), 8),
    ],
)
def test_groups_lie_along_axes(groups, axes, size):
    text = f"""
ENTRY %main (a: f32[16]) -> f32[16] {{
  %a = f32[16]{{0}} parameter(0)
  ROOT %r = f32[16]{{0}} all-reduce(%a), {groups}, to_apply=%add
}}
"""
    mesh = {"data": 2, "fsdp": 2, "tensor": 2}
    (found,) = collectives.find(hlo.parse(text), mesh)
    assert (found.axes, found.group) == (axes, size)
    assert found.sent == 64 * 2 * (size - 1) / size


def test_starts_count_and_ends_do_not():
    pairs = "source_target_pairs={{0,2},{2,0},{1,3},{3,1}}"
    text = """
ENTRY %main (a: f32[16]) -> f32[16] {
  %a = f32[16]{0} parameter(0)
  %s = (f32[16]{0}, f32[16]{0}, u32[], u32[]) collective-permute-start(%a), PAIRS
  %d = f32[16]{0} collective-permute-done(%s)
  %g = (f32[16]{0}, f32[32]{0}) all-gather-start(%d), replica_groups={{0,1},{2,3}}, dimensions={0}
  ROOT %e = f32[32]{0} all-gather-done(%g)
}
"""
    found = {c.kind: c for c in _found(text.replace("PAIRS", pairs))}
    assert found["collective-permute"].axes == ("data",)
    assert found["collective-permute"].sent == pytest.approx(64, abs=8)
    assert (found["all-gather"].payload, found["all-gather"].sent) == (128, 64)


def test_a_compiled_sum_is_found_on_its_axis():
    mesh = sharding.make_mesh(MeshConfig(data=4, fsdp=1, tensor=2))
    cut = NamedSharding(mesh, P("data", None))
    whole = NamedSharding(mesh, P())
    total = jax.jit(lambda x: x.sum(axis=0), in_shardings=cut, out_shardings=whole)
    text = total.lower(jax.ShapeDtypeStruct((8, 128), jnp.float32)).compile().as_text()
    (found,) = collectives.find(hlo.parse(text), dict(mesh.shape))
    assert (found.kind, found.axes, found.group) == ("all-reduce", ("data",), 4)
    assert (found.payload, found.sent) == (512, 2 * 512 * 3 / 4)
