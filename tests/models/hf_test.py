"""Weights of every family on their way in and out: shards, dtypes, spellings, complaints."""

import json
import shutil
from pathlib import Path

import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
import safetensors.numpy
from flax import nnx

from optical_jax.config import MeshConfig
from optical_jax.models import families, folder, hf, weights
from optical_jax.training import sharding
from tests.models import tiny

GOLDEN = Path(__file__).parent / "golden"
FOLDERS = sorted(path.name for path in GOLDEN.iterdir())


def tensors(path: Path) -> dict[str, np.ndarray]:
    return {name: weights.read(entry) for name, entry in weights.entries(path).items()}


def copy(name: str, target: Path, change=None, **fields: object) -> Path:
    """A golden folder with its tensors changed by a function, its config by fields."""
    target.mkdir()
    config = json.loads((GOLDEN / name / "config.json").read_text()) | fields
    (target / "config.json").write_text(json.dumps(config))
    made = tensors(GOLDEN / name)
    made = made if change is None else change(made)
    safetensors.numpy.save_file(made, target / "model.safetensors")
    return target


def read(path: Path, **options: object) -> nnx.State:
    return hf.read_params(path, hf.read_config(path), **options)


def flat(params: nnx.State) -> dict:
    return {path: leaf[...] for path, leaf in nnx.to_flat_state(params)}


@pytest.mark.parametrize("name", FOLDERS)
def test_written_as_read_in_one_file_and_in_several(name: str, tmp_path: Path) -> None:
    config = hf.read_config(GOLDEN / name)
    params = read(GOLDEN / name)
    family = families.of(config)
    given = {hf.canonical(k, family): v for k, v in tensors(GOLDEN / name).items()}
    for folder_name, limit in (("one", 10**9), ("several", 4000)):
        out = tmp_path / folder_name
        out.mkdir()
        hf.write_params(params, config, out, shard_bytes=limit)
        written = tensors(out)
        assert written.keys() == given.keys()
        for key, tensor in given.items():
            np.testing.assert_array_equal(written[key], tensor)
        files = sorted(out.glob("*.safetensors"))
        assert (len(files) > 3) == (folder_name == "several")
        assert all(
            sum(len(f.read_bytes()) for f in [file]) < 9000 for file in files[1:]
        )
    index = json.loads((tmp_path / "several" / weights.INDEX).read_text())
    assert index["metadata"]["total_size"] == sum(t.nbytes for t in given.values())
    assert set(index["weight_map"].values()) == {f.name for f in files}


def test_bfloat16_stays_bfloat16_if_asked(tmp_path: Path) -> None:
    halve = lambda made: {k: v.astype(ml_dtypes.bfloat16) for k, v in made.items()}
    source = copy("modernbert", tmp_path / "bf16", halve)
    config = hf.read_config(source)
    kept, widened = read(source, dtype=None), read(source)
    assert {leaf.dtype for leaf in jax.tree.leaves(kept)} == {jnp.dtype("bfloat16")}
    assert {leaf.dtype for leaf in jax.tree.leaves(widened)} == {jnp.dtype("float32")}
    for path, leaf in flat(kept).items():
        np.testing.assert_array_equal(leaf.astype(jnp.float32), flat(widened)[path])
    (tmp_path / "out").mkdir()
    hf.write_params(kept, config, tmp_path / "out")
    for name, tensor in tensors(source).items():
        found = tensors(tmp_path / "out")[name]
        assert found.dtype == tensor.dtype
        np.testing.assert_array_equal(found.view(np.uint16), tensor.view(np.uint16))


def test_a_retriever_keeps_its_dtype_on_disk(tmp_path: Path) -> None:
    model = tiny.make(tiny.POOLED, family="t5")
    half = model.with_params(
        jax.tree.map(lambda p: p.astype(jnp.bfloat16), model.params)
    )
    folder.save(half, tmp_path / "out")
    assert json.loads((tmp_path / "out/config.json").read_text())["dtype"] == "bfloat16"
    found = folder.load(tmp_path / "out", dtype=None)
    assert flat(found.params).keys() == flat(half.params).keys()
    for path, leaf in flat(half.params).items():
        np.testing.assert_array_equal(flat(found.params)[path], leaf)


@pytest.mark.parametrize("name", ["modernbert", "mt5", "qwen3"])
def test_tensors_go_to_their_shards(name: str) -> None:
    mesh = sharding.make_mesh(MeshConfig(data=2, fsdp=2, tensor=2))
    config = hf.read_config(GOLDEN / name)
    abstract = nnx.from_flat_state(hf.abstract_params(config))
    wanted = sharding.of_state(abstract, mesh)
    placed = flat(read(GOLDEN / name, shardings=wanted))
    whole = flat(read(GOLDEN / name))
    cut = 0
    for path, leaf in nnx.to_flat_state(wanted):
        assert placed[path].sharding == jax.tree.leaves(leaf)[0]
        cut += placed[path].addressable_shards[0].data.size < placed[path].size
        np.testing.assert_array_equal(placed[path], whole[path])
    assert cut > 8


def test_a_folder_is_loaded_to_its_shards(tmp_path: Path) -> None:
    model = tiny.make(tiny.COLBERT, family="modernbert")
    folder.save(model, tmp_path / "out")
    mesh = sharding.make_mesh(MeshConfig(data=1, fsdp=4, tensor=2))
    place = lambda abstract: sharding.of_state(abstract, mesh)
    found = folder.load(tmp_path / "out", place=place)
    wanted = jax.tree.leaves(place(jax.eval_shape(lambda: model.params)))
    leaves = jax.tree.leaves(found.params)
    assert [leaf.sharding for leaf in leaves] == wanted
    for leaf, before in zip(leaves, jax.tree.leaves(model.params), strict=True):
        np.testing.assert_array_equal(leaf, before)


def test_all_that_is_wrong_is_said_at_once(tmp_path: Path) -> None:
    def spoil(made: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        made.pop("layers.1.attn_norm.weight")
        made["layers.0.attn_norm.weight"] = np.ones(16, np.float32)
        made["layers.2.mlp.Wi.weight"] = np.ones((16, 64), np.float32)
        made["model.final_norm.weight"] = made["final_norm.weight"]
        made["decoder.bias"] = np.ones(60, np.float32)
        return made

    with pytest.raises(ValueError, match="do not fit config.json") as caught:
        read(copy("modernbert", tmp_path / "x", spoil))
    said = str(caught.value)
    assert "missing layers.1.attn_norm.weight" in said
    assert "unexpected layers.0.attn_norm.weight" in said
    assert "Wi.weight has shape (16, 64), config.json wants (64, 16)" in said
    assert "final_norm.weight are the same tensor" in said
    assert "decoder.bias" not in said


@pytest.mark.parametrize("names", [("encoder.embed_tokens",), ("shared", "both")])
def test_one_table_under_several_names(names: tuple[str, ...], tmp_path: Path) -> None:
    def rename(made: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        words = made.pop("shared.weight")
        made["decoder.block.0.layer.0.SelfAttention.q.weight"] = np.ones((1, 1), "f4")
        made["lm_head.weight"] = np.ones((1, 1), np.float32)
        if "both" in names:
            made["encoder.embed_tokens.weight"] = words + 1
        return made | {f"{names[0]}.weight": words}

    found = read(copy("mt5", tmp_path / "x", rename))
    wanted = tensors(GOLDEN / "mt5")["shared.weight"]
    np.testing.assert_array_equal(flat(found)[families.WORD], wanted)


@pytest.mark.parametrize("prefix", ["model.", ""])
def test_prefixes_are_accepted_or_not(prefix: str, tmp_path: Path) -> None:
    rename = lambda made: {prefix + name: value for name, value in made.items()}
    found = read(copy("modernbert", tmp_path / "x", rename))
    for path, leaf in flat(read(GOLDEN / "modernbert")).items():
        np.testing.assert_array_equal(flat(found)[path], leaf)


def test_an_index_names_files_of_its_folder_that_are_there(tmp_path: Path) -> None:
    config = hf.read_config(GOLDEN / "bert")
    hf.write_params(read(GOLDEN / "bert"), config, tmp_path, shard_bytes=9000)
    gone = sorted(tmp_path.glob("model-*"))[1]
    shutil.move(gone, tmp_path.parent / gone.name)
    with pytest.raises(FileNotFoundError, match=f"names {gone.name}, which"):
        weights.entries(tmp_path)
    index = json.loads((tmp_path / weights.INDEX).read_text())
    outside = dict.fromkeys(index["weight_map"], f"../{gone.name}")
    (tmp_path / weights.INDEX).write_text(json.dumps({"weight_map": outside}))
    with pytest.raises(FileNotFoundError, match=f"names {gone.name}, which"):
        weights.entries(tmp_path)


@pytest.mark.parametrize(
    ("name", "fields", "message"),
    [
        ("bert", {"model_type": "deberta"}, "must be one of bert, .*got 'deberta'"),
        ("bert", {"model_type": None}, "xlm-roberta-xl, got None"),
        (
            "bert",
            {"position_embedding_type": "relative_key"},
            "must be 'absolute', got",
        ),
        ("bert", {"hidden_act": "mish"}, "hidden_act must be one of gelu.*got 'mish'"),
        ("bert", {"num_attention_heads": 5}, "num_attention_heads, got 16 and 5"),
        ("bert", {"hidden_size": None}, "no bert encoder's config: .*hidden_size"),
        ("mt5", {"feed_forward_proj": "gated-mish"}, "'gated-' aside, .*got 'mish'"),
        ("mt5", {"relative_attention_num_buckets": 2}, "at least 4 .*got 2"),
        ("modernbert", {"rope_scaling": {"type": "yarn"}}, "must be None, got .*yarn"),
        (
            "modernbert",
            {"rope_parameters": {"full_attention": {"rope_type": "linear"}}},
            "must have the rope_type 'default', got 'linear'",
        ),
        (
            "modernbert",
            {"layer_types": ["full_attention", "sliding_attention"] * 2 + ["x"]},
            "every n-th after it .*'x'",
        ),
        (
            "modernbert",
            {"layer_types": None, "global_attn_every_n_layers": 0},
            "global_attn_every_n_layers must be at least 1, got 0",
        ),
    ],
)
def test_configs_that_are_not_computed_are_refused(
    name: str, fields: dict, message: str, tmp_path: Path
) -> None:
    path = copy(name, tmp_path / "x", **fields)
    with pytest.raises(ValueError, match=message) as caught:
        hf.read_config(path)
    assert str(path / "config.json") in str(caught.value)


def test_both_spellings_of_modernbert_settings_are_one_config(tmp_path: Path) -> None:
    new = hf.read_config(GOLDEN / "modernbert")
    assert (new.global_rope_theta, new.local_rope_theta) == (160.0, 10.0)
    old = {"layer_types": None, "rope_parameters": None}
    old |= {"global_rope_theta": 160, "global_attn_every_n_layers": 3}
    path = copy("modernbert", tmp_path / "x", **old, local_rope_theta=10)
    assert hf.read_config(path) == new
    path = copy("modernbert", tmp_path / "y", **old, local_rope_theta=None)
    assert hf.read_config(path).local_rope_theta == 160.0
