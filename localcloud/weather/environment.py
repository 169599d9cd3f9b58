"""Hands the weather on to the processes of a local cloud."""

from collections.abc import Mapping
from pathlib import Path

from localcloud.weather.spec import VARIABLE, Spec

ONSTART = Path(__file__).parent / "onstart"


def weather_environment(own: Mapping[str, str], python_path: str, folder: Path) -> dict[str, str]:
    """Variables that put a process, started with this `PYTHONPATH`, under the weather that our own environment asks
    for; none where it asks for none. Where the line names no folder, processes write into `folder`.

    Raises `SpecError` for a line that nobody understands.
    """
    text = own.get(VARIABLE)
    if not text:
        return {}
    if Spec.parse(text).folder is None:
        text += f",folder={folder}"
    return {VARIABLE: text, "PYTHONPATH": f"{ONSTART}:{python_path}"}
