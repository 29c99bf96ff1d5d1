"""Embeddings in OpenAI's format, by the same model as the search index."""

import base64
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from serving.embedder import Embedder, Vectors
from serving.errors import InvalidArgument

# The longest texts take about 25 ms each on one core.
MOST_INPUTS = 128
MOST_CHARACTERS = 200_000


class EmbeddingsRequest(BaseModel):
    """What OpenAI's clients send; ``user`` is read and not kept."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    input: (
        Annotated[str, Field(min_length=1)]
        | Annotated[list[str], Field(min_length=1, max_length=MOST_INPUTS)]
    )
    model: str | None = None
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: int | None = None
    user: str | None = None

    @property
    def texts(self) -> list[str]:
        """The texts, one or many."""
        return [self.input] if isinstance(self.input, str) else self.input


def parse_request(body: dict[str, Any], embedder: Embedder) -> EmbeddingsRequest:
    """The validated request; InvalidArgument says what this model cannot do."""
    try:
        request = EmbeddingsRequest.model_validate(body)
    except ValidationError as error:
        fields = sorted({str(problem["loc"][0]) for problem in error.errors() if problem["loc"]})
        known = list(EmbeddingsRequest.model_fields)
        wrong = ", ".join(name for name in fields if name in known) or "an unknown argument"
        raise InvalidArgument(
            f"embeddings: {wrong} is not as it should be. Arguments are {', '.join(known)}; "
            f"input is a text or at most {MOST_INPUTS} texts",
            allowed=known,
        ) from None
    if request.model not in (None, embedder.model):
        raise InvalidArgument(f"the model here is {embedder.model}", allowed=[embedder.model])
    if request.dimensions not in (None, embedder.dimensions):
        raise InvalidArgument(f"{embedder.model} has {embedder.dimensions} dimensions")
    if sum(len(text) for text in request.texts) > MOST_CHARACTERS:
        raise InvalidArgument(f"all texts together may have {MOST_CHARACTERS} characters")
    return request


def response(request: EmbeddingsRequest, vectors: Vectors, model: str) -> dict[str, Any]:
    """The body that OpenAI's clients expect; tokens are estimated by length."""
    tokens = sum(len(text) // 4 + 1 for text in request.texts)
    return {
        "object": "list",
        "data": [
            {"object": "embedding", "index": index, "embedding": _encoded(request, vector)}
            for index, vector in enumerate(vectors)
        ],
        "model": model,
        "usage": {"prompt_tokens": tokens, "total_tokens": tokens},
    }


def _encoded(request: EmbeddingsRequest, vector: Vectors) -> list[float] | str:
    if request.encoding_format == "base64":
        return base64.b64encode(vector.astype("<f4").tobytes()).decode()
    return [float(number) for number in np.round(vector.astype(np.float64), 8)]
