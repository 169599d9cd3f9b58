"""Ports of a local cloud."""

import json
import socket
from dataclasses import asdict

import pytest

from localcloud.home import Home, Ports, choose_ports


@pytest.fixture
def taken():
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        yield holder.getsockname()[1]


def test_ports_are_kept_between_starts(tmp_path):
    home = Home(tmp_path)
    assert choose_ports(home) == choose_ports(home)


def test_no_port_is_chosen_twice(tmp_path):
    home = Home(tmp_path)
    one = choose_ports(home).host
    home.ports_file.write_text(json.dumps(dict.fromkeys(asdict(Ports()), one)))
    chosen = asdict(choose_ports(home))
    assert len(set(chosen.values())) == len(chosen)


def test_a_port_that_somebody_else_took_meanwhile_is_replaced(tmp_path, taken, monkeypatch):
    home = Home(tmp_path)
    kept = choose_ports(home)
    home.ports_file.write_text(home.ports_file.read_text().replace(f'"blob": {kept.blob}', f'"blob": {taken}'))
    chosen = choose_ports(home)
    assert chosen.blob not in (taken, 0)
    assert (chosen.host, chosen.queue) == (kept.host, kept.queue)


def test_the_port_asked_for_is_the_hosts(tmp_path):
    with socket.socket() as finder:
        finder.bind(("127.0.0.1", 0))
        free = finder.getsockname()[1]
    assert choose_ports(Home(tmp_path), host_port=free).host == free
    assert choose_ports(Home(tmp_path)).host == free


def test_a_taken_port_asked_for_is_an_error(tmp_path, taken):
    with pytest.raises(OSError, match="in use"):
        choose_ports(Home(tmp_path), host_port=taken)


def test_a_ports_file_that_cannot_be_read_is_replaced(tmp_path):
    home = Home(tmp_path)
    home.ports_file.write_text("{")
    assert set(asdict(choose_ports(home))) == set(asdict(Ports()))


@pytest.mark.parametrize(
    ("folder", "variable", "expected"), [("given", "named", "given"), (None, "named", "named"), (None, "", ".local")]
)
def test_the_folder_is_the_one_given_or_named_or_the_default(tmp_path, monkeypatch, folder, variable, expected):
    monkeypatch.chdir(tmp_path)
    home = Home.of(tmp_path / folder if folder else None, {"DROPSCORE_LOCAL": variable})
    assert home.root == tmp_path / expected
