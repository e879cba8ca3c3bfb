import pytest

from optical_jax.models import retriever
from tests.models import tiny


@pytest.fixture(scope="session")
def colbert() -> retriever.Retriever:
    return tiny.make(tiny.COLBERT)


@pytest.fixture(scope="session")
def pooled() -> retriever.Retriever:
    return tiny.make(tiny.POOLED)
