import hashlib
import random

import numpy as np
import pytest
import tokenizers
from tokenizers import models, normalizers, pre_tokenizers

from optical_jax.data import name_pairs, phrases, transliteration
from optical_jax.data.sources import Pair
from optical_jax.models import (
    spelled_names,
    vocabulary,
    vocabulary_cache,
    word_ends,
)
from optical_jax.models.vocabulary import VocabularyConfig

_RESPELT = str.maketrans({"c": "k", "l": "r", "v": "b"})


def _name(rng):
    parts = [rng.choice("bcdfgklmnprstvz") + rng.choice("aeiou") for _ in range(3)]
    return "".join(parts).capitalize() + rng.choice(["n", "s", "ia"])


def _spell(name):
    return name.lower().translate(_RESPELT).replace("ia", "iya")


@pytest.fixture(scope="module", autouse=True)
def learnt_once():
    """Most tests learn from the same words, which takes seconds."""
    kept, learn = {}, transliteration.learn

    def cached(pairs, beside=()):
        key = frozenset(pairs), frozenset(beside)
        if key not in kept:
            kept[key] = learn(pairs, beside)
        return kept[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(transliteration, "learn", cached)
        yield


@pytest.fixture(scope="module")
def names():
    rng = random.Random(0)
    return sorted({_name(rng) for _ in range(180)})


@pytest.fixture(scope="module")
def pairs(names):
    """Two sentences of each of the first 90 names; both sides have words of their own."""
    rng = random.Random(1)
    verbs = {"saw": "liona", "found": "lipata", "left": "liacha", "made": "lifanya"}
    made = []
    for name in names[:90] * 2:
        verb, other = rng.choice(list(verbs)), rng.choice(list(verbs))
        source = f"they {verb} {name} and {other} it"
        made.append(
            Pair(source, f"wao {verbs[verb]} {_spell(name)} na {verbs[other]} ni")
        )
    return made


@pytest.fixture(scope="module")
def teacher(names):
    letters = [chr(c) for c in range(ord("a"), ord("z") + 1)]
    words = [
        "they",
        "and",
        "it",
        "saw",
        "found",
        "left",
        "made",
        *map(str.lower, names),
    ]
    pieces = ["[PAD]", "[UNK]", *letters, *("##" + c for c in letters), *words]
    vocabulary_ = {piece: i for i, piece in enumerate(dict.fromkeys(pieces))}
    made = tokenizers.Tokenizer(models.WordPiece(vocabulary_, unk_token="[UNK]"))
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.add_special_tokens(["[PAD]", "[UNK]"])
    return made


def _find(pairs, **options):
    return spelled_names.find(name_pairs.learn(phrases.link(pairs)), pairs, **options)


def _transplant(teacher, pairs, **fields):
    size = teacher.get_vocab_size()
    rows = np.random.default_rng(0).normal(size=(size, 8)).astype(np.float32)
    config = VocabularyConfig(size=300, **fields)
    return rows, vocabulary.transplant(teacher, rows, pairs, config, seed=0)


def test_names_that_the_bitext_lacks_get_the_teachers_rows(teacher, pairs, names):
    rows, made = _transplant(teacher, pairs, spelled_names=1000)
    missing = [n for n in names[90:] if _spell(n) != n.lower()]
    right = 0
    for name in missing:
        split = made.tokenizer.encode(_spell(name), add_special_tokens=False)
        own = rows[teacher.token_to_id(name.lower())]
        right += len(split.ids) == 1 and np.array_equal(
            made.embeddings[split.ids[0]], own
        )
    assert right >= 0.8 * len(missing)
    assert made.report["spelled_names"] >= right


def test_none_are_made_unless_asked_for(teacher, pairs, names):
    _, made = _transplant(teacher, pairs)
    assert made.report["spelled_names"] == 0
    missing = [n for n in names[90:] if _spell(n) != n.lower()]
    splits = [
        made.tokenizer.encode(_spell(n), add_special_tokens=False) for n in missing
    ]
    assert np.mean([len(split.ids) > 1 for split in splits]) > 0.9


def test_respelt_names_of_the_bitext_come_first_and_its_other_words_are_not_made(
    teacher, pairs, names
):
    found = _find(pairs, teacher=teacher, student=teacher, copied={}, size=1000)
    respelt = {_spell(n): n.lower() for n in names[:90] if _spell(n) != n.lower()}
    first = dict(list(found.items())[: len(respelt) // 2])
    assert first
    assert first.items() <= respelt.items()
    assert not {"wao", "liona", "lipata", "liacha", "lifanya"} & found.keys()


def test_starts_of_copied_words_are_not_made_unless_words_have_ends(teacher, pairs):
    found = _find(pairs, teacher=teacher, student=teacher, copied={}, size=1000)
    some = next(iter(found))
    copied = {some + "ngo": 1}
    without = _find(pairs, teacher=teacher, student=teacher, copied=copied, size=5)
    assert len(without) == 5
    assert some not in without
    assert without.keys() <= found.keys()
    marked = _find(
        pairs,
        teacher=teacher,
        student=teacher,
        copied=copied,
        size=5,
        whole_words=True,
    )
    assert some + word_ends.END in marked


@pytest.mark.long
def test_an_odd_spelling_is_found_beside_a_name_of_one_sentence(teacher, pairs, names):
    # As no other name is spelt.
    odd = {_spell(n)[0] + "y" + _spell(n)[2:]: n for n in names[90:]}
    beside = [
        Pair(f"they saw {n} and left", f"liacha {w.title()}") for w, n in odd.items()
    ]
    given = {"teacher": teacher, "student": teacher, "copied": {}, "size": 1000}
    right = {word: name.lower() for word, name in odd.items()}
    found = _find(pairs + beside, **given)
    assert len(right.items() & found.items()) >= 0.9 * len(right)
    assert not right.keys() & _find(pairs, **given).keys()


def test_bitext_without_respelt_names_gives_none(teacher):
    pairs = [Pair("they saw it", "wao liona ni")] * 20
    assert name_pairs.learn(phrases.link(pairs)) is None
    _, made = _transplant(teacher, pairs, spelled_names=10)
    assert made.report["spelled_names"] == 0


def test_common_words_are_told_last_and_in_letters_of_their_own_alone(
    teacher, pairs, names
):
    common = next(n.lower() for n in names[90:] if _spell(n) != n.lower())
    often = [Pair(f"the {common} it", "ni")] * name_pairs.COMMON
    options = {"teacher": teacher, "student": teacher, "size": 1000}
    # Names are copied that have all letters, or few.
    every = {"abcdefghijklmnopqrstuvwxyz": 9}
    same = _find(pairs + often, copied=every, **options)
    apart = _find(pairs + often, copied={"xyz": 9}, **options)
    assert list(apart.values())[-1] == common
    assert common not in same.values()
    assert same.items() <= apart.items()


def test_another_outcome_needs_another_format(teacher, pairs):
    """If this fails, raise FORMAT: kept vocabularies are no longer what would be made."""
    _, made = _transplant(teacher, pairs, spelled_names=50, whole_words=True)
    assert made.report["spelled_names"] == 50
    digest = hashlib.sha256(made.tokenizer.to_str().encode())
    digest.update(np.rint(made.embeddings * 1000).astype(np.int64).tobytes())
    assert (vocabulary_cache.FORMAT, digest.hexdigest()[:16]) == (4, "96f060f086010ef7")
