"""Command lines, environments, JSON bodies and paths, before any service looks at them."""

import sys

import pytest

from localcloud.emulation.json_bodies import NotJsonError, merge_patch, read_json
from localcloud.emulation.programs import base_environment, on_this_machine, read_environment_file, split_command
from localcloud.emulation.routing import Operation, Router, ServiceError, query_of


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("python -m gpu_worker", ("python", "-m", "gpu_worker")),
        ("/bin/sh -c 'echo $HOME; exit 3'", ("/bin/sh", "-c", "echo $HOME; exit 3")),
        ('a "b c" d\\ e', ("a", "b c", "d e")),
    ],
)
def test_a_command_line_is_split_without_a_shell(line, words):
    assert split_command(line) == words


@pytest.mark.parametrize("line", ["", "   ", "echo 'open"])
def test_a_command_line_without_words_or_with_an_open_quote_is_refused(line):
    with pytest.raises(ValueError):
        split_command(line)


def test_python_means_the_emulators_own_interpreter_and_nothing_else_changes():
    assert on_this_machine(("python", "-V")) == (sys.executable, "-V")
    assert on_this_machine(("/usr/bin/python", "python")) == ("/usr/bin/python", "python")


def test_programs_see_what_lets_them_start_and_none_of_the_emulators_settings():
    own = {
        "PATH": "/bin",
        "HOME": "/root",
        "CUDA_VISIBLE_DEVICES": "0",
        "DataStorage": "secret",
        "BatchAccountKey": "k",
    }
    seen = base_environment(own)
    assert set(seen) == {"PATH", "HOME", "CUDA_VISIBLE_DEVICES"}
    assert seen["PATH"].endswith(":/bin")


def test_an_environment_file_has_names_values_and_comments(tmp_path):
    path = tmp_path / "env"
    path.write_text("# comment\n\nA=1\nB = x=y \n")
    assert read_environment_file(path) == {"A": "1", "B": " x=y "}
    path.write_text("A=1\nnonsense\n")
    with pytest.raises(ValueError, match="line 2"):
        read_environment_file(path)


@pytest.mark.parametrize(
    "body", [b"", b"{", b'{"a": NaN}', b'{"a": 1, "a": 2}', b"[" * 100_000, b"\xff\xfe{", b'{"a": Infinity}']
)
def test_a_body_that_is_not_plain_json_is_refused(body):
    with pytest.raises(NotJsonError):
        read_json(body)


def test_a_merge_patch_replaces_removes_and_merges():
    target = {"a": 1, "b": {"c": 2, "d": 3}, "e": [1]}
    assert merge_patch(target, {"a": None, "b": {"c": None, "x": 4}, "e": [2]}) == {"b": {"d": 3, "x": 4}, "e": [2]}


async def answer(call):
    raise NotImplementedError


ROUTER = Router(
    [
        Operation(method="GET", template="/jobs/{jobId}", handler=answer),
        Operation(method="GET", template="/jobs/{jobId}/tasks/{taskId}/files/{filePath}", handler=answer),
        Operation(method="POST", template="/jobs/{jobId}/users"),
    ]
)


def test_parameters_are_decoded_after_matching():
    match = ROUTER.find("GET", "/jobs/j/tasks/t/files/wd%2Fa%20b.txt")
    assert match.parameters == {"jobId": "j", "taskId": "t", "filePath": "wd/a b.txt"}


def test_literal_parts_match_in_any_case_and_parameters_keep_theirs():
    assert ROUTER.find("GET", "/JOBS/MyJob").parameters == {"jobId": "MyJob"}


def test_an_unknown_path_and_a_wrong_method_are_told_apart():
    with pytest.raises(ServiceError) as unknown:
        ROUTER.find("GET", "/nothing")
    with pytest.raises(ServiceError) as wrong:
        ROUTER.find("DELETE", "/jobs/j")
    assert (unknown.value.status, wrong.value.status) == (404, 405)


def test_the_first_of_two_query_values_counts():
    assert query_of("a=1&a=2&b=%20&c=") == {"a": "1", "b": " ", "c": ""}
