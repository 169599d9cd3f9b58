"""Puts this process under the weather that a line asks for, for as long as it lives."""

from localcloud.weather.schedule import Schedule, role_of_this_process
from localcloud.weather.spec import Spec
from localcloud.weather.wire import put_under


def install(text: str) -> None:
    """Put every session of this process under the weather. Raises `SpecError`."""
    put_under(Schedule(Spec.parse(text), role=role_of_this_process()))
