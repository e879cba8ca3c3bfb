"""The mesh and the one table that maps logical axes of parameters onto it."""

from collections.abc import Sequence
from typing import Any

import jax
import numpy as np
from flax import nnx
from jax.experimental import mesh_utils
from jax.sharding import AxisType, Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

from optical_jax.config import MeshConfig
from optical_jax.models.stack import BATCH_AXES

# Parameters: width over "fsdp", the other dimension over "tensor". Megatron's pairing
# (arXiv 1909.08053): heads and mlp are cut where one product ends and the next begins.
AXIS_RULES = (
    ("vocab", "tensor"),
    ("embed", "fsdp"),
    ("heads", "tensor"),
    ("mlp", "tensor"),
    ("projection", None),
)
BATCH = P(BATCH_AXES)


def make_mesh(
    config: MeshConfig,
    devices: Sequence[Any] | None = None,
) -> Mesh:
    """Build the mesh.

    Args:
        config: see MeshConfig.
        devices: that it is made of; None: all devices of all hosts.

    Raises:
        ValueError: if the axes do not multiply to the number of devices, or slices are not
            those that these lie in.
    """
    axes = {"data": config.data, "fsdp": config.fsdp, "tensor": config.tensor}
    given = int(np.prod([n for n in axes.values() if n != -1]))
    count = jax.device_count() if devices is None else len(devices)
    open_axes = [name for name, n in axes.items() if n == -1]
    if len(open_axes) > 1 or any(n < 1 and n != -1 for n in axes.values()):
        raise ValueError(
            f"mesh axes must be positive, one of them may be -1, got {axes}"
        )
    if open_axes and count % given == 0:
        axes[open_axes[0]] = count // given
    if int(np.prod(list(axes.values()))) != count:
        raise ValueError(
            f"mesh {axes} must multiply to the {count} devices there are; change "
            "mesh.data, mesh.fsdp or mesh.tensor"
        )
    kinds = (AxisType.Auto,) * len(axes)
    devices = jax.devices() if devices is None else devices
    if config.slices == 1:
        grid = _in_one_slice(tuple(axes.values()), devices)
    else:
        grid = _across_slices(axes, config.slices, devices)
    return Mesh(grid, tuple(axes), axis_types=kinds)


def own_mesh() -> Mesh:
    """Return the mesh of this process's devices alone, all along "fsdp".

    For what each process does by itself, so that no device of it holds an encoder whole.
    """
    own = jax.local_devices()
    return make_mesh(MeshConfig(data=1, fsdp=len(own)), own)


def _in_one_slice(sizes: tuple[int, ...], devices: Sequence[Any]) -> np.ndarray:
    """Return the grid of devices whose axes lie along those of their torus, if they can."""
    try:
        return mesh_utils.create_device_mesh(sizes, devices)
    except NotImplementedError:
        # 8 of 4 x 4 x 4 chips, say: an axis may be a part of the torus's.
        return mesh_utils.create_device_mesh(
            sizes, devices, allow_split_physical_axes=True
        )


def _across_slices(
    axes: dict[str, int], slices: int, devices: Sequence[Any]
) -> np.ndarray:
    """Return the grid of devices in which only the first axis leaves a slice."""
    if slices < 1 or axes["data"] % slices:
        raise ValueError(
            f"mesh.slices must divide mesh.data, {axes['data']}, got {slices}"
        )
    # Elsewhere than on TPUs a host is what the network joins.
    counted = {
        of: len({getattr(device, of, 0) for device in devices})
        for of in ("slice_index", "process_index")
    }
    of = next((of for of, count in counted.items() if count == slices), None)
    if of is None:
        raise ValueError(
            f"mesh.slices must be the slices, {counted['slice_index']}, or the hosts, "
            f"{counted['process_index']}, that the devices lie in, got {slices}"
        )
    return mesh_utils.create_hybrid_device_mesh(
        (axes["data"] // slices, axes["fsdp"], axes["tensor"]),
        (slices, 1, 1),
        devices,
        process_is_granule=of == "process_index",
    )


def check_batch(
    batch_size: int, accumulation: int, mesh: Mesh, *, chunk: int = 0
) -> None:
    """Refuse a batch, or a chunk of it, that the mesh cannot cut evenly.

    Raises:
        ValueError: naming the divisor.
    """
    shards = mesh.shape["data"] * mesh.shape["fsdp"]
    if chunk % shards:
        raise ValueError(
            "optimizer.gradcache_chunk must be divisible by mesh.data * mesh.fsdp = "
            f"{shards}, got {chunk}"
        )
    if batch_size % (shards * accumulation):
        raise ValueError(
            f"data.batch_size must be divisible by mesh.data * mesh.fsdp * "
            f"optimizer.accumulation = {shards * accumulation}, got {batch_size}"
        )


def replicated(mesh: Mesh) -> NamedSharding:
    """Return the sharding of what every device holds whole."""
    return NamedSharding(mesh, P())


def batch_sharding(mesh: Mesh) -> NamedSharding:
    """Return the sharding of a batch: examples over "data" and "fsdp"."""
    return NamedSharding(mesh, BATCH)


def of_state(abstract: Any, mesh: Mesh) -> Any:  # noqa: ANN401
    """Return the NamedSharding of every leaf of an abstract state.

    Axes follow AXIS_RULES; a dimension that its mesh axis does not divide stays whole.
    """
    with nnx.logical_axis_rules(AXIS_RULES):
        specs = nnx.get_partition_spec(abstract)

    def place(spec: P, leaf: jax.ShapeDtypeStruct) -> NamedSharding:
        axes = [
            axis if axis is None or leaf.shape[i] % mesh.shape[axis] == 0 else None
            for i, axis in enumerate(spec)
        ]
        return NamedSharding(mesh, P(*axes))

    return jax.tree.map(place, specs, abstract, is_leaf=lambda s: isinstance(s, P))


def own_rows(config: MeshConfig, total: int) -> np.ndarray:
    """Return which rows of a batch of `total` lie on devices of this process, in order.

    Processes that a row is replicated over (an axis other than "data" and "fsdp" spans
    them) all have it.

    Raises:
        ValueError: if the mesh cannot cut the batch evenly.
    """
    if jax.process_count() == 1:
        return np.arange(total)
    mesh = make_mesh(config)
    check_batch(total, 1, mesh)
    places = batch_sharding(mesh).addressable_devices_indices_map((total,))
    return np.unique([np.arange(total)[rows] for (rows,) in places.values()])


def place(tree: Any, shardings: Any) -> Any:  # noqa: ANN401
    """Put arrays that every process holds whole onto the mesh, each its own shards.

    Those that lie there already stay.
    """
    if jax.process_count() == 1:
        return jax.device_put(tree, shardings)

    def put(leaf: jax.Array, sharding: NamedSharding) -> jax.Array:
        if leaf.sharding.is_equivalent_to(sharding, leaf.ndim):
            return leaf
        # device_put would send every array over the network to compare it.
        whole = np.asarray(leaf)
        return jax.make_array_from_callback(whole.shape, sharding, whole.__getitem__)

    return jax.tree.map(put, tree, shardings)


def to_global(batch: Any, mesh: Mesh) -> Any:  # noqa: ANN401
    """Make global arrays of this host's rows of a batch."""
    sharding = batch_sharding(mesh)
    return jax.tree.map(
        lambda x: jax.make_array_from_process_local_data(sharding, x), batch
    )
