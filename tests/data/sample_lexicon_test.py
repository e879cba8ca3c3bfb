from optical_jax.data import sample_lexicon


def test_nouns_name_one_relation_each():
    nouns = [
        noun
        for relations in sample_lexicon.RELATIONS.values()
        for relation in relations
        for noun in relation.nouns
    ]
    assert len(nouns) == len(set(nouns)) == 2 * (34 + 24)


def test_a_clause_that_does_not_begin_with_its_value_has_a_question():
    for relations in sample_lexicon.RELATIONS.values():
        for relation in relations:
            for statement in relation.statements:
                assert statement.clause.count("{h}") == 1
                assert statement.clause.count("{v}") == 1
                assert bool(statement.question) != statement.clause.startswith("{v}")
                assert "{v}" not in statement.question


def test_values_are_names_years_or_listed_nouns():
    kinds = {r.value for rs in sample_lexicon.RELATIONS.values() for r in rs}
    assert kinds - set(sample_lexicon.VALUES) == {"thing", "person", "place", "year"}
