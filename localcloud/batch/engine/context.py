"""What every part of the engine works with."""

from dataclasses import dataclass

from localcloud.batch.engine.folders import Folders
from localcloud.batch.engine.signals import Signals
from localcloud.batch.settings import Settings
from localcloud.batch.state.account import Account
from localcloud.emulation.children import Keeper
from localcloud.emulation.clock import Clock
from localcloud.emulation.ledger import Ledger


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """The surroundings of one engine."""

    settings: Settings
    account: Account
    keeper: Keeper
    folders: Folders
    ledger: Ledger
    clock: Clock
    signals: Signals
