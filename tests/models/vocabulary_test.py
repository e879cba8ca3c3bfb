from pathlib import Path

import numpy as np
import pytest
import safetensors.numpy
import tokenizers
import transformers
from tokenizers import models

from optical_jax.data.sources import Pair
from optical_jax.models import folder, vocabulary, vocabulary_folder
from optical_jax.models.vocabulary import VocabularyConfig
from tests.models import tiny

ENGLISH = ("the", "book", "who", "word", "habari")
FOREIGN = {"the": "kile", "book": "kitabu", "who": "nani", "word": "neno"}
TEXTS = (
    *tiny.TEXTS,
    "Kitabu kile kimeandikwa na Dvořák",
    "kitabu nani neno, habari? 1984",
)


@pytest.fixture(scope="module")
def pairs() -> list[Pair]:
    rng = np.random.default_rng(0)
    made = []
    for _ in range(150):
        words = list(rng.choice(ENGLISH, size=rng.integers(2, 7)))
        # Names stand as they are.
        target = [FOREIGN.get(word, word) for word in words]
        made.append(Pair(" ".join(words), " ".join(target)))
    return made


@pytest.fixture(scope="module")
def rows() -> np.ndarray:
    size = tiny.wordpiece().get_vocab_size()
    return np.random.default_rng(1).normal(size=(size, 8)).astype(np.float32)


def make(
    pairs: list[Pair], rows: np.ndarray, **fields: object
) -> vocabulary.Transplant:
    config = VocabularyConfig(**{"size": 200, **fields})
    return vocabulary.transplant(tiny.wordpiece(), rows, pairs, config, seed=0)


def row(made: vocabulary.Transplant, piece: str) -> np.ndarray:
    return made.embeddings[made.tokenizer.token_to_id(piece)]


def test_keep_changes_nothing(pairs: list[Pair], rows: np.ndarray) -> None:
    made = make(pairs, rows, mode="keep")
    assert made.embeddings is rows
    assert made.tokenizer.to_str() == tiny.wordpiece().to_str()
    assert made.report == {"kept": len(rows), "added": 0}


@pytest.mark.parametrize("initialization", ["spelling", "random"])
def test_extend_keeps_every_id_and_row(
    pairs: list[Pair], rows: np.ndarray, initialization: str
) -> None:
    made = make(pairs, rows, initialization=initialization)
    old, new = tiny.wordpiece().get_vocab(), made.tokenizer.get_vocab()
    assert new.items() >= old.items()
    np.testing.assert_array_equal(made.embeddings[: len(rows)], rows)
    assert len(new) == len(rows) + made.report["added"]
    assert len(made.embeddings) == -(-len(new) // 128) * 128
    assert made.report["kept"] == len(rows)
    assert made.report["pieces_per_word_after"] == 1.0
    assert made.report["pieces_per_word_before"] > 3


def test_aligned_rows_are_those_of_the_translation(
    pairs: list[Pair], rows: np.ndarray
) -> None:
    made = make(pairs, rows)
    ids = tiny.wordpiece().get_vocab()
    for english, foreign in FOREIGN.items():
        close = rows @ row(made, foreign) / np.linalg.norm(rows, axis=1)
        assert np.argmax(close) == ids[english]
    assert made.report["aligned"] == len(FOREIGN)


def test_false_friends_move_and_names_stay(rows: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    # "book" is a word of both languages, with another meaning.
    friends = {"the": "book", "who": "nani", "habari": "habari"}
    made_pairs = []
    for _ in range(300):
        source = list(rng.choice(list(friends), size=3))
        target = [friends[word] for word in source]
        made_pairs.append(Pair(" ".join(source), " ".join(target)))
    made = make(made_pairs, rows)
    ids = tiny.wordpiece().get_vocab()
    close = rows @ row(made, "book") / np.linalg.norm(rows, axis=1)
    assert np.argmax(close) == ids["the"]
    np.testing.assert_array_equal(row(made, "habari"), rows[ids["habari"]])
    np.testing.assert_array_equal(row(made, "word"), rows[ids["word"]])
    assert made.report["realigned"] == 1


def test_copied_words_go_on_splitting_as_the_teacher_splits_them(
    pairs: list[Pair], rows: np.ndarray
) -> None:
    named = pairs + [Pair("the dunkirk book", "kile dunkirk kitabu")] * 20
    made = make(named, rows)
    text = "dunkirk"
    theirs = tiny.wordpiece().encode(text).tokens
    assert len(theirs) == 9
    assert made.tokenizer.encode(text).tokens == theirs
    assert made.report["names_resplit"] == 0
    replaced = make(named, rows, mode="replace")
    assert replaced.tokenizer.encode(text).tokens == ["[CLS]", "dunkirk", "[SEP]"]


def test_spelled_rows_are_the_mean_of_their_letters(
    pairs: list[Pair], rows: np.ndarray
) -> None:
    made = make(pairs, rows, initialization="spelling")
    spelled = tiny.wordpiece().encode("kitabu", add_special_tokens=False).ids
    np.testing.assert_allclose(row(made, "kitabu"), rows[spelled].mean(0), rtol=1e-5)
    assert "aligned" not in made.report
    assert made.report["spelled"] + made.report["mean"] == made.report["added"]


def test_random_rows_depend_on_the_seed_alone(
    pairs: list[Pair], rows: np.ndarray
) -> None:
    made = make(pairs, rows, initialization="random")
    again = make(pairs, rows, initialization="random")
    np.testing.assert_array_equal(made.embeddings, again.embeddings)
    config = VocabularyConfig(size=200, initialization="random")
    other = vocabulary.transplant(tiny.wordpiece(), rows, pairs, config, seed=1)
    assert not np.array_equal(made.embeddings, other.embeddings)


def test_letters_unknown_to_the_teacher_start_at_the_mean(rows: np.ndarray) -> None:
    made = make([Pair("book", "谁")] * 3 + [Pair("the", "写")], rows, min_frequency=1)
    assert made.report["unknown_before"] > 0
    assert made.report["unknown_after"] == 0
    np.testing.assert_allclose(row(made, "##谁"), rows.mean(0), atol=1e-6)


def test_replace_keeps_the_special_tokens_alone(
    pairs: list[Pair], rows: np.ndarray
) -> None:
    made = make(pairs, rows, mode="replace")
    names = made.tokenizer.get_vocab()
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "[Q] ", "[D] "]
    assert [made.tokenizer.id_to_token(i) for i in range(7)] == special
    np.testing.assert_array_equal(row(made, "[SEP]"), rows[3])
    assert "who" not in names
    assert "nani" in names
    assert made.tokenizer.encode("nani").tokens == ["[CLS]", "nani", "[SEP]"]
    assert made.tokenizer.encode("nani").ids[0] == names["[CLS]"]


def test_training_is_deterministic(pairs: list[Pair], rows: np.ndarray) -> None:
    assert make(pairs, rows).tokenizer.to_str() == make(pairs, rows).tokenizer.to_str()


@pytest.mark.parametrize("mode", ["extend", "replace"])
@pytest.mark.parametrize("family", ["bert", "xlm-roberta"])
def test_folder_opens_here_and_in_transformers(
    pairs: list[Pair], family: str, mode: str, tmp_path: Path
) -> None:
    accented = [Pair("the book", "Ẹ káàárọ̀ ọjọ́ rere नमस्ते दुनिया")] * 4
    folder.save(tiny.make(tiny.TOKENWISE, family=family), tmp_path / "teacher")
    report = vocabulary_folder.transplant(
        tmp_path / "teacher",
        tmp_path / "student",
        pairs + accented,
        VocabularyConfig(mode=mode, size=100),
        seed=0,
        cache=tmp_path / "cache",
    )
    assert sorted(p.name for p in (tmp_path / "student").iterdir()) == [
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    student = folder.load(tmp_path / "student", head=tiny.TOKENWISE)
    pieces = report["kept"] + report["added"]
    assert student.encoder.vocab_size == -(-pieces // 128) * 128
    theirs = transformers.AutoTokenizer.from_pretrained(str(tmp_path / "student"))
    ours = student.text.tokenizer
    for text in TEXTS:
        assert theirs(text)["input_ids"] == ours.encode(text).ids
    before = safetensors.numpy.load_file(tmp_path / "teacher" / "model.safetensors")
    after = safetensors.numpy.load_file(tmp_path / "student" / "model.safetensors")
    assert before.keys() == after.keys()
    for name in before.keys() - {"embeddings.word_embeddings.weight"}:
        np.testing.assert_array_equal(before[name], after[name])


def test_folder_is_whole_or_absent(pairs: list[Pair], tmp_path: Path) -> None:
    teacher = tmp_path / "teacher"
    folder.save(tiny.make(tiny.TOKENWISE), teacher)
    config = VocabularyConfig(size=100)

    def transplant() -> None:
        out, cache = tmp_path / "out", tmp_path / "cache"
        vocabulary_folder.transplant(teacher, out, pairs, config, seed=0, cache=cache)

    transplant()
    with pytest.raises(ValueError, match="exists already"):
        transplant()
    (teacher / "model.safetensors").unlink()
    with pytest.raises(FileNotFoundError, match="has no model.safetensors"):
        transplant()
    safetensors.numpy.save_file({"x": np.ones(1)}, teacher / "model.safetensors")
    with pytest.raises(ValueError, match="no tensor 'embeddings.word_embeddings"):
        transplant()


def test_refuses_byte_level_tokenizers(pairs: list[Pair], rows: np.ndarray) -> None:
    with pytest.raises(ValueError, match="teacher's is BPE; set vocabulary.mode to"):
        vocabulary.transplant(
            tokenizers.Tokenizer(models.BPE()), rows, pairs, VocabularyConfig(), seed=0
        )


def test_refuses_no_pairs_and_no_pieces(rows: np.ndarray) -> None:
    with pytest.raises(ValueError, match="trained on bitext, got 0 pairs"):
        make([], rows)
    with pytest.raises(ValueError, match="vocabulary.size must be at least 1, got 0"):
        VocabularyConfig(size=0)
    with pytest.raises(ValueError, match="min_frequency must be at least 1, got -1"):
        VocabularyConfig(min_frequency=-1)
