import matplotlib.image
import numpy as np
import pytest

from optical_jax import heatmap
from optical_jax.data import sample, sample_files
from optical_jax.models import folder
from optical_jax.models.head import HeadConfig
from optical_jax.objectives import transport

HEAD = HeadConfig(document_length=64, query_marker="[Q] ", document_marker="[D] ")


@pytest.fixture(scope="module")
def encoder(tmp_path_factory):
    world = sample.generate(
        pairs=50, triples=50, towns=4, persons=4, questions=10, dev_questions=10
    )
    path = tmp_path_factory.mktemp("demo") / "untrained"
    sample_files.write_untrained_encoder(
        world, path, hidden_size=16, layers=1, heads=2, vocabulary=300
    )
    return folder.load(path, head=HEAD)


def pixels(path):
    return matplotlib.image.imread(path)


def test_plan_must_fit_its_tokens():
    with pytest.raises(
        ValueError, match=r"each of the 1 student tokens .* got \(2, 2\)"
    ):
        heatmap.SentencePlan(
            plan=np.eye(2), student_tokens=["a"], teacher_tokens=["b", "c"]
        )


def test_heat_map_is_dark_where_the_mass_is(tmp_path):
    names = {"student_tokens": ["a", "b"], "teacher_tokens": ["c", "d"]}
    images = []
    for number, plan in enumerate((np.eye(2), np.eye(2)[::-1], np.zeros((2, 2)))):
        path = tmp_path / f"{number}.png"
        heatmap.draw_plan(heatmap.SentencePlan(plan=plan, **names), path)
        images.append(pixels(path))
    assert images[0].shape == images[1].shape
    assert np.abs(images[0] - images[1]).max() > 0.5
    # A plan without mass is drawn, and is lighter than one with it.
    assert images[2].mean() > images[0].mean()


def test_large_plans_are_drawn_without_labels(tmp_path):
    tokens = [str(i) for i in range(30)]
    pair = heatmap.SentencePlan(
        plan=np.eye(30), student_tokens=tokens, teacher_tokens=tokens
    )
    heatmap.draw_plan(pair, tmp_path / "plan.png")
    assert pixels(tmp_path / "plan.png").shape[0] > 500


def test_plan_of_a_pair_has_its_tokens_and_even_marginals(encoder):
    pair = heatmap.solve(
        encoder,
        encoder,
        source="Who governs Marun?",
        target="Marun nöpi",
        config=transport.TransportConfig(),
    )
    assert pair.student_tokens[:2] == ["[CLS]", "[Q] "]
    assert pair.plan.shape == (len(pair.student_tokens), len(pair.teacher_tokens))
    np.testing.assert_allclose(pair.plan.sum(), 1, atol=1e-5)
    np.testing.assert_allclose(
        pair.plan.sum(axis=0), 1 / len(pair.teacher_tokens), atol=1e-3
    )
