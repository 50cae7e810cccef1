"""Settings out of the environment, read once; nothing else reads it."""

import difflib
import os
from collections.abc import Iterator, Mapping
from typing import Any, Literal, cast, get_args, get_origin

import annotated_types
from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import EnvSettingsSource

from .setting_rows import PREFIX, shown, variable_of
from .settings import Settings


class SettingsError(ValueError):
    """One or more settings are wrong; the message names them all."""


class _Environment(EnvSettingsSource):
    """Reads the variables it is given instead of those of this process."""

    def __init__(self, variables: Mapping[str, str]) -> None:
        self._variables = variables
        super().__init__(Settings)

    def _load_env_vars(self) -> Mapping[str, str | None]:
        return {name.lower(): value for name, value in self._variables.items() if value}


def read_settings(environment: Mapping[str, str] | None = None, **chosen: Any) -> Settings:
    """Read ``RHAPSODE_…`` variables; keyword arguments that are not None win over them.

    Raises:
        SettingsError: naming every setting that is wrong, its value and what is allowed.
    """
    variables = os.environ if environment is None else environment
    values = _Environment(variables)()
    values |= {name: value for name, value in chosen.items() if value is not None}
    faults = [*_unknown(variables), *_half_of_a_pair(values)]
    try:
        settings = Settings(**values)
    except ValidationError as error:
        faults += [_fault(str(one["loc"][0]), values, one) for one in error.errors()]
        raise SettingsError("; ".join(faults)) from None
    if faults:
        raise SettingsError("; ".join(faults))
    return settings


def _unknown(variables: Mapping[str, str]) -> Iterator[str]:
    for variable in sorted(variables):
        name = variable.removeprefix(PREFIX).lower()
        if not variable.startswith(PREFIX) or not variables[variable]:
            continue
        if name not in Settings.model_fields:
            near = difflib.get_close_matches(name, Settings.model_fields, 1)
            hint = f" (is {variable_of(near[0])} meant?)" if near else ""
            yield f"{variable} is not a setting{hint}: 'rhapsode settings' lists them"


def _half_of_a_pair(values: Mapping[str, Any]) -> Iterator[str]:
    # not a validator of the model, which would only run once everything else is right
    if bool(values.get("s3_access_key_id")) != bool(values.get("s3_secret_access_key")):
        yield (
            f"{PREFIX}S3_ACCESS_KEY_ID and {PREFIX}S3_SECRET_ACCESS_KEY go together: set both or "
            "neither"
        )


def _fault(name: str, values: Mapping[str, Any], error: Any) -> str:
    field = Settings.model_fields[name]
    value = shown(field, values[name])
    if error["type"] == "value_error":
        return f"{variable_of(name)}={value[:80]!r}: {error['ctx']['error']}"
    return f"{variable_of(name)}={value[:80]!r} is not {_allowed(field)}"


def _allowed(field: FieldInfo) -> str:
    """Return what a setting may be, as the end of a sentence."""
    if get_origin(field.annotation) is Literal:
        return "one of " + ", ".join(get_args(field.annotation))
    kind = {int: "a whole number", float: "a number"}.get(
        cast("type[Any]", field.annotation), "text"
    )
    low = [mark.ge for mark in field.metadata if isinstance(mark, annotated_types.Ge)]
    high = [mark.le for mark in field.metadata if isinstance(mark, annotated_types.Le)]
    return f"{kind} between {low[0]} and {high[0]}" if low and high else kind
