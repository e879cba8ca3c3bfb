import pytest

from optical_jax.data import links
from optical_jax.data.links import GoldLinks


def _gold(sure, possible=()):
    return GoldLinks(frozenset(sure), frozenset(sure) | frozenset(possible))


def test_alignment_error_by_hand():
    # S = {00, 11}, P = S + {12}; A = {00, 12, 22}: |A & S| = 1, |A & P| = 2.
    gold = [_gold({(0, 0), (1, 1)}, {(1, 2)})]
    found = links.score([{(0, 0), (1, 2), (2, 2)}], gold)
    assert found.precision == pytest.approx(2 / 3)
    assert found.recall == pytest.approx(1 / 2)
    assert found.aer == pytest.approx(1 - (1 + 2) / (3 + 2))
    assert (found.found, found.sure) == (3, 2)


def test_links_of_all_pairs_are_counted_together():
    gold = [_gold({(0, 0)}), _gold({(0, 0), (1, 1), (2, 2)})]
    found = links.score([[], [(0, 0), (1, 1), (2, 2)]], gold)
    assert (found.precision, found.recall) == (1, 0.75)
    # Without possible links it is 1 - F1.
    assert found.aer == pytest.approx(1 - 2 * 0.75 / 1.75)


def test_all_sure_links_and_some_possible_ones_make_no_error():
    gold = [_gold({(0, 0), (1, 1)}, {(1, 2), (2, 1)})]
    assert links.score([[(0, 0), (1, 1), (1, 2)]], gold).aer == 0
    assert links.score([[]], gold).aer == 1
    assert links.score([[(5, 5)]], gold).aer == 1


def test_pharaoh_lines(tmp_path):
    path = tmp_path / "gold.txt"
    path.write_text("0-0 1?2 10p3\n\n2-1\n")
    first, second, third = links.read_pharaoh(path)
    assert first.sure == {(0, 0)}
    assert first.possible == {(0, 0), (1, 2), (10, 3)}
    assert second == _gold(())
    assert third.sure == {(2, 1)}


@pytest.mark.parametrize("item", ["0:1", "a-b", "1-", "-1-2"])
def test_malformed_links_are_named(tmp_path, item):
    path = tmp_path / "gold.txt"
    path.write_text(f"0-0\n0-0 {item}\n")
    with pytest.raises(ValueError, match=r"gold\.txt:2: a link is i-j .* got"):
        links.read_pharaoh(path)


def test_gold_of_other_pairs_is_refused():
    with pytest.raises(ValueError, match=r"same pairs, got 1 and 2"):
        links.score([[]], [_gold({(0, 0)})] * 2)
    with pytest.raises(ValueError, match=r"must hold a sure link"):
        links.score([[(0, 0)]], [_gold((), {(0, 0)})])
