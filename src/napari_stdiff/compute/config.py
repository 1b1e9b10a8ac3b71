"""The base of every config: frozen, strict, validated; the dock and the shell are made from it."""

from __future__ import annotations

from typing import Any, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .errors import StdiffError, sentence_of


class Config(BaseModel):
    """A frozen declaration of parameters that refuses names it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @classmethod
    def of(cls, **values: Any) -> Self:
        """Build the config, or raise one plain sentence about what is wrong with ``values``."""
        try:
            return cls(**values)
        except ValidationError as error:
            raise StdiffError(sentence_of(error)) from error

    def but(self, **changes: Any) -> Self:
        """Return a copy with ``changes`` applied and validated.

        Only the fields that were said before, or are said now, count as said in the copy, so
        that a preset still knows what the user left alone.
        """
        said = {name: getattr(self, name) for name in self.model_fields_set}
        return type(self).of(**{**said, **changes})

    def filled(self, **preset: Any) -> Self:
        """Return a copy where fields the user did not say take the values of ``preset``."""
        values = {k: v for k, v in preset.items() if k not in self.model_fields_set}
        return self.model_copy(update=values)


def setting(
    default: Any,
    title: str,
    description: str,
    *,
    unit: str = "",
    advanced: bool = False,
    **bounds: Any,
) -> Any:
    """Declare one field of a :class:`Config`.

    Parameters
    ----------
    default
        The default value; never None (a Literal says "automatic" better, and widgets need it).
    title
        Label in the dock.
    description
        Tooltip in the dock and help text on the shell.
    unit
        Shown behind the value, for example ``"um"``.
    advanced
        Folded away in the dock.
    **bounds
        pydantic bounds such as ``ge=0, le=1``.
    """
    extra: dict[str, Any] = {"unit": unit, "advanced": advanced}
    return Field(default, title=title, description=description, json_schema_extra=extra, **bounds)
