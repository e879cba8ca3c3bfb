import dataclasses

import pytest

from optical_jax.config import DataConfig, StudentConfig
from optical_jax.data import tokenize
from optical_jax.models import subwords
from optical_jax.models.vocabulary import VocabularyConfig
from optical_jax.objectives import tokens
from optical_jax.training import fields
from tests.models import tiny
from tests.training import tiny_run

STEMS, ENDINGS = ("habo", "kine", "rowa", "beho"), ("nie", "kwa", "rhe", "bio")
SENTENCE = " ".join(stem + ending for stem in STEMS for ending in ENDINGS)
WHOLE = VocabularyConfig(size=100, whole_words=True, word_parts=100)


@pytest.fixture(scope="module")
def teacher():
    return tiny.make(tiny.TOKENWISE)


@pytest.fixture(scope="module")
def student(teacher):
    tokenizer = subwords.train(
        teacher.text.tokenizer,
        SENTENCE.split(),
        size=WHOLE.size,
        min_frequency=2,
        replace=False,
        copied={},
        whole_words=True,
        parts=WHOLE.word_parts,
    )
    # The encoder is not run: only its text is read.
    text = tokenize.TextEncoder(tokenizer, tiny.TOKENWISE)
    return dataclasses.replace(teacher, text=text)


def _config(tmp_path, **data):
    return tiny_run.config(
        tmp_path,
        tmp_path / "run",
        student=StudentConfig(vocabulary=WHOLE),
        data=DataConfig(**data),
    )


def test_the_students_words_are_split_and_the_teachers_are_not(
    tmp_path, student, teacher
):
    config = _config(tmp_path, split_words=0.5)
    found = fields.fields_of(config, tokens.BITEXT_FIELDS, student, teacher, {})
    ours, theirs = found["student/target"], found["teacher/source"]
    assert theirs.splits is None
    assert ours.splits.probability == 0.5
    names = ours.text.tokenizer.id_to_token
    for word, parts in ours.splits.parts.items():
        spelled = "".join(names(part).removeprefix("##") for part in parts)
        assert spelled == names(word)
    whole = ours.encode([SENTENCE])[0].ids.tolist()
    assert len(ours.splits.parts.keys() & set(whole)) > len(whole) / 2


def test_no_word_is_split_unless_that_is_asked(tmp_path, student, teacher):
    found = fields.fields_of(
        _config(tmp_path), tokens.BITEXT_FIELDS, student, teacher, {}
    )
    assert found["student/target"].splits is None


def test_without_a_teacher_no_piece_is_known_for_a_part(tmp_path, student):
    config = _config(tmp_path, split_words=0.5)
    with pytest.raises(ValueError, match=r"data\.split_words must be 0 .* no teacher"):
        fields.fields_of(config, tokens.BITEXT_FIELDS, student, None, {})


def test_expanded_queries_have_no_room(tmp_path, student, teacher):
    head = dataclasses.replace(tiny.TOKENWISE, expansion=True)
    expanded = dataclasses.replace(
        student, head=head, text=tokenize.TextEncoder(student.text.tokenizer, head)
    )
    config = _config(tmp_path, split_words=0.5)
    with pytest.raises(ValueError, match=r"split_words must be 0 with head\.expansion"):
        fields.fields_of(config, tokens.BITEXT_FIELDS, expanded, teacher, {})
