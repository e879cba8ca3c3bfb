"""What an objective sees of a batch: token vectors, and how it asks for them."""

from typing import Literal, NamedTuple, Protocol, runtime_checkable

from jaxtyping import Array, Bool, Float

# Texts of an example of bitext: a sentence in the teacher's language and its translation.
BITEXT_FIELDS = ("source", "target")
# Texts of an example of relevance: a query; its positive document, then negatives.
RANKING_FIELDS = ("query", "document")
# Passages in the teacher's language that belong to a batch, not to one of its examples.
PASSAGE_FIELD = "passage"

# Extras that the encoder gives with its vectors; others are arrays beside a text.
WEIGHED = frozenset({"norm", "attention"})


class Use(NamedTuple):
    """An objective lets the student or the teacher encode a field, as query or document.

    Extras name what the objective needs besides the vectors: those of WEIGHED come with the
    TokenBatch, others are arrays that the data makes (training.extras).
    """

    who: Literal["student", "teacher"]
    field: str
    kind: Literal["query", "document"]
    extras: tuple[str, ...] = ()


class TokenBatch(NamedTuple):
    """Unit vectors [b t p]; which slots hold text [b t]; which are scored [b t].

    Slots of a query's [MASK] expansion are scored and hold no text; documents' skip-listed
    tokens hold text and are not scored. Norms of the vectors before they became unit
    vectors and the attention that tokens received (models.retriever.Weighed) are there for
    uses with the extras of these names.
    """

    vectors: Float[Array, "b t p"]
    mask: Bool[Array, "b t"]
    scored: Bool[Array, "b t"]
    norm: Float[Array, "b t"] | None = None
    attention: Float[Array, "b t"] | None = None


@runtime_checkable
class Encode(Protocol):
    """Encode fields of the batch at hand with the model that is trained or its teacher.

    What was encoded once is kept: objectives that add up share one forward pass. The part
    of the run that is done, in [0, 1], is `progress`, a scalar.
    """

    progress: Float[Array, ""]

    def student(self, field: str) -> TokenBatch:
        """Encode a field with the trained parameters; gradients flow."""

    def teacher(self, field: str) -> TokenBatch:
        """Encode a field with the frozen teacher, or take its vectors from the batch."""

    def array(self, key: str, name: str) -> Array:
        """Return an array that the data put beside a text: ("student/target", "ids")."""
