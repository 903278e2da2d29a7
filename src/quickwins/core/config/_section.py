"""What a section of the configuration is made of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from quickwins.core.config._layer import INSTANCES
from quickwins.core.config._words import refusals
from quickwins.core.errors import ConfigError
from quickwins.core.knobs import knobs

if TYPE_CHECKING:  # where a type checker sees a `__call__`, it no longer checks the arguments
    from pydantic._internal._model_construction import ModelMetaclass as _Made
else:

    class _Made(type(BaseModel)):
        """Makes a model that is built in Python refuse wrong values by an error of ours; `model_validate` keeps pydantic's."""

        def __call__(cls, *args: Any, **values: Any) -> Any:
            try:
                return super().__call__(*args, **values)
            except ValidationError as error:
                lines = refusals(error, cls, cls.__name__)
            raise ConfigError("\n".join(lines))


class Section(BaseModel, metaclass=_Made):
    """Base of every settings model: frozen, and a key it does not know is an error.

    Raises:
        ConfigError: It was built with values that it does not allow, a line for each: which one, what it was, what is allowed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)

    env_aliases: ClassVar[Mapping[str, str]] = {}
    """Other names for keys in the environment. A `QUICKWINS_*` variable for the same key wins over one; with `_<NAME>` at
    its end it sets that key of the instance `names.<name>`."""


def _no_boolean(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("Input should be a number, not true or false")  # noqa: TRY004 -- what pydantic expects; until=never
    return value


Number = Annotated[float, BeforeValidator(_no_boolean)]
"""A float. `true` and `false` are refused."""
Whole = Annotated[int, BeforeValidator(_no_boolean)]
"""An integer. `true` and `false` are refused."""


def setting(owner: type, name: str) -> Any:
    """A key with the default, the bounds and the words of the knob `name` of the dataclass `owner`.

    Example: `threshold: Number = setting(Rule, "threshold")`
    """
    knob = knobs(owner)[name]
    return Field(default=knob.default, description=knob.words, **knob.bounds)


def inherited(values: Any, instance: type[Section]) -> Any:
    """`values` of a section, with what each of its instances leaves out taken from it; for a validator of mode `before`.

    Args:
        values: As they were given; what is not shaped like a section is left to validation.
        instance: The model of an instance, whose keys the section has, too.
    """
    if not isinstance(values, dict) or not isinstance(values.get(INSTANCES), dict):
        return values
    common = {key: values[key] for key in instance.model_fields if key in values}
    names = {
        name: {**common, **own} if isinstance(own, dict) else own for name, own in values[INSTANCES].items()
    }
    return {**values, INSTANCES: names}


class AnyLayerWins:
    """Marks a boolean field that is true as soon as any layer says so, whatever the others say."""
