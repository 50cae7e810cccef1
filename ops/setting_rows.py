"""Settings as they are shown: name, value, default and what each means; secrets are masked."""

import re
from dataclasses import dataclass
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

PREFIX = "RHAPSODE_"
MASK = "********"

_user_and_password = re.compile(r"(?<=://)\S*@")


@dataclass(frozen=True, slots=True)
class SettingRow:
    """One setting as it is shown; secrets are masked."""

    name: str
    variable: str
    value: str
    """Empty where nothing is set."""
    default: str
    help: str


def describe(settings: BaseSettings) -> list[SettingRow]:
    """Return every setting with its value and what it means, fit to be shown to anybody."""
    return [
        SettingRow(
            name=name,
            variable=variable_of(name),
            value=shown(field, getattr(settings, name)),
            default=shown(field, field.get_default(call_default_factory=True)),
            help=" ".join((field.description or "").replace("``", "").split()),
        )
        for name, field in type(settings).model_fields.items()
    ]


def shown(field: FieldInfo, value: Any) -> str:
    """Return a value fit to be shown: secrets, and passwords in URLs, are masked."""
    text = "" if value is None else str(value)
    if not field.repr:
        return MASK if text else ""
    return _user_and_password.sub(MASK + "@", text)


def variable_of(name: str) -> str:
    """Return the environment variable of a setting."""
    return PREFIX + name.upper()
