"""What the processes of a local cloud see of the user's environment."""

import os

import pytest

from localcloud.home import Home, choose_ports
from localcloud.services import containers_service, prepare


def test_folders_on_the_users_python_path_stand_behind_the_apps(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["/of/my/own", "", str(tmp_path)]))
    home = Home(tmp_path / "home")
    cloud = prepare(home, tmp_path, choose_ports(home), nodes=1, overrides={})
    first, *others = containers_service(cloud).environment["PYTHONPATH"].split(os.pathsep)
    assert first == str(tmp_path)
    assert others[1:] == ["/of/my/own"]
