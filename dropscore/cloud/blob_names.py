"""Which blob names are refused before any request is made."""

from dropscore.contracts.errors import PermanentCloudError
from dropscore.contracts.layout import BlobPath

MAX_NAME_CHARACTERS = 1024


def check_name(path: BlobPath) -> None:
    """Raise `PermanentCloudError` for a name that could reach another blob than it says, or none at all.

    HTTP libraries fold `.` and `..` segments of an address, so `inputs/../../other/x` would leave its container.
    """
    name = path.name
    if not name or len(name) > MAX_NAME_CHARACTERS:
        raise PermanentCloudError(f"a blob name has 1 to {MAX_NAME_CHARACTERS} characters, got {len(name)}")
    if any(segment in (".", "..") for segment in name.replace("\\", "/").split("/")):
        raise PermanentCloudError(f"a blob name has no '.' or '..' segment, got {name!r}")
    if any(ord(character) < 0x20 or ord(character) == 0x7F for character in name):
        raise PermanentCloudError(f"a blob name has no control characters, got {name!r}")
