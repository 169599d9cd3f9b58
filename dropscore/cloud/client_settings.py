"""Settings of the command line: from the environment, or from what the local cloud wrote down."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from dropscore.cloud.connection import StorageSettings, has_storage, read_storage
from dropscore.cloud.environment import Environment
from dropscore.cloud.settings import DATA, SYSTEM
from dropscore.contracts.errors import SettingsError
from dropscore.contracts.names import Account

URL, KEY, TOKEN = "DROPSCORE_URL", "DROPSCORE_KEY", "DROPSCORE_TOKEN"
_VARIABLES = {Account.DATA: DATA, Account.SYSTEM: SYSTEM}


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSettings:
    """The app's address and what opens it, and the storage that the user may touch without it, if any."""

    api_url: str
    key: str | None = field(repr=False)
    """A key of the Functions host."""
    token: str | None = field(repr=False)
    """A token of Entra ID."""
    storages: Mapping[Account, StorageSettings]
    """Needed for trigger files (data) and for storing models (system) alone."""

    @classmethod
    def load(cls, variables: Mapping[str, str], local_file: Path) -> Self:
        """Read the settings from the environment if it has `DROPSCORE_URL`, else from `local_file`, which the local
        cloud writes when it is up: a key of the environment belongs to the address beside it, and goes nowhere else.
        Raises `SettingsError`.
        """
        return cls.from_env(variables if variables.get(URL, "").strip() else _local_variables(local_file))

    @classmethod
    def from_env(cls, variables: Mapping[str, str]) -> Self:
        """Read `DROPSCORE_URL`, and `DROPSCORE_KEY`, `DROPSCORE_TOKEN`, `DataStorage` and `SystemStorage` if they are
        there. Raises `SettingsError`.
        """
        environment = Environment(variables)
        settings = cls(
            api_url=environment.endpoint(URL, fix="Set it to the address of the Function app."),
            key=environment.secret(KEY, fix="Set it to a key of the Function app, as the portal shows it."),
            token=environment.secret(TOKEN, fix="Set it to an access token of Entra ID, without 'Bearer'."),
            storages={
                account: read_storage(environment, name)
                for account, name in _VARIABLES.items()
                if has_storage(environment, name)
            },
        )
        environment.check()
        return settings

    def storage(self, account: Account) -> StorageSettings:
        """The settings of an account. Raises `SettingsError` that names what to set."""
        if account in self.storages:
            return self.storages[account]
        name = _VARIABLES[account]
        fix = f"Set {name} to a connection string, or {name}__accountName to the name of the {account} account."
        raise SettingsError(((name, f"is not set; this needs the {account} account itself. {fix}"),))


def _local_variables(local_file: Path) -> dict[str, str]:
    """What the local cloud wrote down, as variables."""
    try:
        written: Any = json.loads(local_file.read_bytes())
    except FileNotFoundError:
        raise SettingsError(
            (("DROPSCORE_URL", f"is not set, and there is no {local_file}. Start the local cloud, or set it."),)
        ) from None
    except (OSError, ValueError) as error:
        raise SettingsError(((str(local_file), f"cannot be read ({error}). Start the local cloud again."),)) from None
    if not isinstance(written, dict) or not isinstance(written.get("settings"), dict) or "api_url" not in written:
        raise SettingsError(((str(local_file), "has no 'api_url' and 'settings'. Start the local cloud again."),))
    settings = {str(name): str(value) for name, value in written["settings"].items()}
    return settings | {"DROPSCORE_URL": str(written["api_url"])}
