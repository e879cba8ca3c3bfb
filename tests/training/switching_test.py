import dataclasses

import numpy as np
import pytest

from optical_jax.data.code_switch import CodeSwitchConfig
from optical_jax.data.dictionaries import DictionarySource
from optical_jax.data.synthetic import SyntheticSource
from optical_jax.data.texts import TextSource
from optical_jax.retrieval import encode
from optical_jax.training import inputs, switching
from tests.training import tiny_run

# Words that the tiny vocabulary holds, so that they can be read off the ids.
MUSE = DictionarySource(format="muse", path="d.txt")
ALL = CodeSwitchConfig(
    probability=1.0, fields=("target",), dictionaries=(MUSE,), choice="best"
)
HALF = dataclasses.replace(ALL, probability=0.5, monolingual=0.25)
GLOSSED = SyntheticSource(
    name="glossed",
    kind="code-switch",
    texts=TextSource(path="q.txt"),
    dictionaries=(MUSE,),
)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    path = tmp_path_factory.mktemp("switching")
    tiny_run.write_inputs(path, pairs=48)
    (path / "d.txt").write_text("who nani\nword habari\nkitabu book\nna the\n")
    (path / "q.txt").write_text("who a word\nword book who\nthe book na kitabu\n")
    return path


def _make(root, run, **data):
    config = tiny_run.config(root, run, data=tiny_run.data(root, unmarked=0.0, **data))
    run.mkdir(exist_ok=True)
    said = []
    return inputs.make(config, run, say=said.append), said


def _texts(made, batch):
    """The words that the student reads in each row."""
    field = batch["student/target"]
    text = made.student.text
    return [
        " ".join(text.tokens(ids[mask])[1:-1]).replace(" ##", "")
        for ids, mask in zip(field["ids"], field["mask"], strict=True)
    ]


def test_made_pairs_are_trained_on_with_the_teachers_vectors(root, tmp_path):
    made, said = _make(root, tmp_path / "run", synthetic=(GLOSSED,))
    assert any(line.endswith("held out, 3 made") for line in said)
    glosses = {
        "nani a habari": "who a word",
        "habari book nani": "word book who",
        "the book the book": "the book na kitabu",
    }
    seen = {}
    while len(seen) < 3:
        batch = next(made.batches)
        teacher = batch["teacher/source"]
        for i, words in enumerate(_texts(made, batch)):
            if words in glosses:
                seen[words] = teacher["vectors"][i][teacher["mask"][i]]
    expected = encode.encode_queries(made.teacher, list(glosses.values()))
    for i, words in enumerate(glosses):
        np.testing.assert_allclose(seen[words], expected[i], atol=1e-3)


def test_texts_are_switched_for_the_student_alone(root, tmp_path):
    plain, _ = _make(root, tmp_path / "plain")
    switched, _ = _make(root, tmp_path / "switched", code_switch=ALL)
    translations = {"who": "nani", "word": "habari", "kitabu": "book", "na": "the"}
    # A window of two batches has the same examples, sorted by other lengths.
    for _ in range(2):
        texts, vectors = [], []
        for made in (plain, switched):
            batches = [next(made.batches) for _ in range(2)]
            texts.append([text for batch in batches for text in _texts(made, batch)])
            rows = [batch["teacher/source"]["vectors"] for batch in batches]
            vectors.append(np.sort(np.concatenate(rows).sum((1, 2))))
        # Long texts are cut, and not at the same word.
        first, found = ([text.split()[:3] for text in side] for side in texts)
        assert sorted([translations.get(w, w) for w in row] for row in first) == sorted(
            found
        )
        np.testing.assert_array_equal(*vectors)


def test_a_resumed_run_sees_the_same_words_and_another_epoch_others(root, tmp_path):
    made, _ = _make(root, tmp_path / "run", code_switch=HALF)
    next(made.batches)
    state = made.batches.get_state()
    epochs = [
        [t for _ in range(3) for t in _texts(made, next(made.batches))] for _ in "ab"
    ]
    resumed, _ = _make(root, tmp_path / "run", code_switch=HALF)
    resumed.batches.set_state(state)
    again = [t for _ in range(3) for t in _texts(resumed, next(resumed.batches))]
    assert again == epochs[0]
    assert set(epochs[0]) != set(epochs[1])


def test_bad_settings(root, tmp_path):
    source = dataclasses.replace(ALL, fields=("source",))
    config = tiny_run.config(
        root, tmp_path, data=tiny_run.data(root, code_switch=source)
    )
    with pytest.raises(
        ValueError, match=r"must be texts that the student reads.*'source'"
    ):
        switching.make(config, None)
    own = dataclasses.replace(ALL, dictionaries=(DictionarySource(format="bitext"),))
    config = tiny_run.config(root, tmp_path, data=tiny_run.data(root, code_switch=own))
    with pytest.raises(ValueError, match=r"learnt from data.sources, which is empty"):
        switching.make(config, None)
