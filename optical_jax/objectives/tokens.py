"""What an objective sees of a batch: token vectors, and how it asks for them."""

from typing import NamedTuple, Protocol, runtime_checkable

from jaxtyping import Array, Bool, Float


class TokenBatch(NamedTuple):
    """Unit vectors [b t p]; which slots hold text [b t]; which are scored [b t].

    Slots of a query's [MASK] expansion are scored and hold no text; documents' skip-listed
    tokens hold text and are not scored.
    """

    vectors: Float[Array, "b t p"]
    mask: Bool[Array, "b t"]
    scored: Bool[Array, "b t"]


@runtime_checkable
class Encode(Protocol):
    """Encode fields of the batch at hand with the model that is trained or its teacher."""

    def student(self, field: str) -> TokenBatch:
        """Encode a field with the trained parameters; gradients flow."""

    def teacher(self, field: str) -> TokenBatch:
        """Encode a field with the frozen teacher, or take its vectors from the batch."""
