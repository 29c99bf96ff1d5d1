"""Frozen models, which can also be made of values that are known to fit."""

from typing import Any, ClassVar, Self

from pydantic import BaseModel, ConfigDict

_NEW, _PUT = object.__new__, object.__setattr__
# What a model has beside its values, each looked up once.
_PUT_FIELDS_SET, _PUT_EXTRA, _PUT_PRIVATE = (
    vars(BaseModel)[f"__pydantic_{name}__"].__set__ for name in ("fields_set", "extra", "private")
)


class Frozen(BaseModel):
    """A model whose values are never set again; unknown ones are refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    # Shared by all that are made unchecked: nothing is set in a frozen model.
    _names: ClassVar[set[str]] = set()

    @classmethod
    def __pydantic_on_complete__(cls) -> None:
        """Note the names of all fields, once they are known."""
        cls._names = set(cls.model_fields)

    @classmethod
    def unchecked(cls, values: dict[str, Any]) -> Self:
        """Return a model of values that fit, which must be all of its fields; it keeps the dict.

        Checking takes three times as long as this, and an answer has four such parts.
        ``model_construct`` fills in defaults, which takes as long as checking.
        """
        part = _NEW(cls)
        _PUT(part, "__dict__", values)
        _PUT_FIELDS_SET(part, cls._names)
        _PUT_EXTRA(part, None)
        _PUT_PRIVATE(part, None)
        return part
