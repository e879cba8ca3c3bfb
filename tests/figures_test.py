import matplotlib.image
import numpy as np
import pytest

from optical_jax import figures


def pixels(path):
    return matplotlib.image.imread(path)


def test_plan_must_fit_its_tokens():
    with pytest.raises(
        ValueError, match=r"each of the 1 student tokens .* got \(2, 2\)"
    ):
        figures.SentencePlan(
            plan=np.eye(2), student_tokens=["a"], teacher_tokens=["b", "c"]
        )


def test_heat_map_is_dark_where_the_mass_is(tmp_path):
    names = {"student_tokens": ["a", "b"], "teacher_tokens": ["c", "d"]}
    images = []
    for number, plan in enumerate((np.eye(2), np.eye(2)[::-1], np.zeros((2, 2)))):
        path = tmp_path / f"{number}.png"
        figures.draw_plan(figures.SentencePlan(plan=plan, **names), path)
        images.append(pixels(path))
    assert images[0].shape == images[1].shape
    assert np.abs(images[0] - images[1]).max() > 0.5
    # A plan without mass is drawn, and is lighter than one with it.
    assert images[2].mean() > images[0].mean()


def test_large_plans_are_drawn_without_labels(tmp_path):
    tokens = [str(i) for i in range(30)]
    pair = figures.SentencePlan(
        plan=np.eye(30), student_tokens=tokens, teacher_tokens=tokens
    )
    figures.draw_plan(pair, tmp_path / "plan.png")
    assert pixels(tmp_path / "plan.png").shape[0] > 500


def test_no_runs_are_refused(tmp_path):
    with pytest.raises(ValueError, match="at least one training run"):
        figures.draw_curves({}, tmp_path / "curves.png")


def test_a_run_without_validation_is_drawn(tmp_path):
    figures.draw_curves({"teacher": {"loss": ([1, 2], [1.0, 0.5])}}, tmp_path / "c.png")
    assert pixels(tmp_path / "c.png").std() > 0


def test_no_rows_are_refused():
    with pytest.raises(ValueError, match="at least one row"):
        figures.group_rows([])
