import jax
import jax.numpy as jnp
import numpy as np
import pytest

from optical_jax.objectives import word_links
from optical_jax.objectives.tokens import Use
from optical_jax.objectives.word_links import WordLinksConfig
from tests.objectives import given


@jax.jit
def _loss(student, teacher, links):
    encode = given.encode(
        student={"target": student},
        teacher={"source": teacher},
        arrays={("student/target", "links"): links},
    )
    return word_links.loss(encode, WordLinksConfig())


def test_linked_tokens_alone_are_moved(rng):
    student, teacher = given.clouds(rng)
    # Three columns more than the teacher's batch has: sources may be cut to a bucket.
    links = np.zeros((5, 9, 10), bool)
    links[:, 0, 1] = links[:, 2, 0] = True
    value, metrics = _loss(student, teacher, jnp.asarray(links))
    pairs = zip(given.real(student), given.real(teacher), strict=True)
    expected = np.mean([1 - (x[0] @ y[1] + x[2] @ y[0]) / 2 for x, y in pairs])
    assert float(value) == pytest.approx(expected, abs=1e-6)
    lengths = np.asarray(student.mask.sum(axis=1))
    assert float(metrics["linked_student"]) == pytest.approx(np.mean(2 / lengths))


def test_padding_changes_neither_loss_nor_gradient(rng):
    links = jnp.asarray(rng.integers(0, 2, (5, 15, 11)), bool)
    given.check_padding(
        lambda s, t: _loss(s, t, links[:, : s.vectors.shape[1]])[0], *given.clouds(rng)
    )


def test_links_are_asked_for():
    student, teacher = WordLinksConfig(side="document").uses
    assert student == Use("student", "target", "document", ("links",))
    assert teacher == Use("teacher", "source", "document")
    with pytest.raises(ValueError, match=r"threshold must be above 0 .* got 1\.5"):
        WordLinksConfig(threshold=1.5)
