import dataclasses
import re

import pytest

from optical_jax.planning import hlo
from tests.planning import snippets


def test_a_loop_runs_from_its_first_number_to_its_last():
    module = hlo.parse(snippets.TPU)
    assert module.entry == "main.1_spmd"
    assert module.runs["body"] == module.runs["product"] == 8
    assert module.runs["main.1_spmd"] == module.runs["all-reduce-scatter.clone.1"] == 1
    # What adds two numbers is no computation of its own.
    assert "add" not in module.runs
    assert not module.unknown_loops


def test_what_xla_notes_beside_a_loop_counts():
    noted = 'body=%body, backend_config={"known_trip_count":{"n":"22"}}'
    module = hlo.parse(snippets.TPU.replace("body=%body", noted))
    assert module.runs["body"] == 22


def test_a_loop_of_unknown_length_is_told_and_counts_once():
    module = hlo.parse(snippets.TPU.replace("direction=LT", "direction=GT"))
    assert module.runs["body"] == 1
    assert module.unknown_loops == ["while.31"]


def test_a_loop_may_take_several_turns_at_once():
    one = snippets.TPU
    assert "%one = s32[]" in one
    for step, turns in ((2, 4), (3, 3), (8, 1)):
        at_once = re.sub(r"(%one = s32\[\]\S* constant)\(1\)", rf"\1({step})", one)
        assert hlo.parse(at_once).runs["body"] == turns


@pytest.mark.parametrize(
    ("shape", "sizes", "in_hbm"),
    [
        ("bf16[8,128]{1,0:T(8,128)(2,1)}", [2048.0], [True]),
        ("(f32[4]{0:S(1)}, pred[3]{0}, s4[8])", [16.0, 3.0, 4.0], [False, True, True]),
        ("f32[]", [4.0], [True]),
        ("f8e4m3fn[16]{0:S(5)}", [16.0], [False]),
    ],
)
def test_shapes_have_bytes_and_a_place(shape, sizes, in_hbm):
    found = [dataclasses.astuple(a)[1:] for a in hlo.arrays(shape)]
    assert found == list(zip(sizes, in_hbm, strict=True))


def test_what_is_no_program_is_refused():
    with pytest.raises(ValueError, match=r"no ENTRY in 'HloModule x'"):
        hlo.parse("HloModule x")
