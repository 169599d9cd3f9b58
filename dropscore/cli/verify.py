"""Hold what a run published, and what it was made of, to the digests in its receipt."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from rich.text import Text

from dropscore.cli.client import Api
from dropscore.cli.exits import Exit
from dropscore.cli.finding import find_run
from dropscore.cli.run_files import LinkedFile, RunFiles
from dropscore.cli.session import Session
from dropscore.contracts.base import Contract, Json
from dropscore.contracts.codec import decode
from dropscore.contracts.errors import FailedError, NotFoundError, PreconditionError
from dropscore.contracts.failures import Code
from dropscore.contracts.receipt import OutputManifest, Receipt
from dropscore.contracts.request import ModelRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that was looked at. `problem` is empty when it is what the receipt says."""

    what: str
    name: str
    problem: str = ""


def verify_run(session: Session, run: str) -> Exit:
    """Read outputs, inputs and model again. Exit code 4 when anything is not what the receipt says."""
    run_id = find_run(session.api(), run).state.run_id
    checks = []
    for check in run_checks(session.api(), run_id):
        checks.append(check)
        _tell(session, check)
    bad = sum(1 for check in checks if check.problem)
    if session.screen.as_json:
        told: list[Json] = [
            {"what": check.what, "name": check.name, "ok": not check.problem, "problem": check.problem or None}
            for check in checks
        ]
        session.screen.document({"run_id": run_id, "ok": bad == 0, "checks": told})
    elif bad:
        session.screen.show(Text(f"{bad} of {len(checks)} are not what the receipt says.", style="bold red"))
    else:
        session.screen.show(f"All {len(checks)} are what the receipt says.")
    return Exit.FAILED if bad else Exit.OK


def run_checks(api: Api, run_id: str) -> Iterator[Check]:
    """Everything that a receipt names, compared with what is there. Raises `FailedError` when there is no receipt."""
    files = RunFiles(api, run_id)
    documents = files.documents()
    receipt = _document(Receipt, documents, "receipt.json")
    if receipt is None:
        raise FailedError.of(Code.OUTPUT_MISSING, f"the run {run_id} has no receipt: it has not ended")
    yield _manifest(documents, receipt)
    published = {one.name: one for one in files.outputs()}
    for output in receipt.outputs:
        yield Check(what="output", name=output.name, problem=_problem(published.get(output.name), output.sha256))
    sources = {one.name: one for one in files.inputs()} if receipt.input_digests else {}
    for name, sha256 in receipt.input_digests.items():
        yield Check(what="input", name=name, problem=_problem(sources.get(name), sha256))
    if receipt.model is not None:
        yield _model(api, receipt.model)


def _document[C: Contract](contract: type[C], documents: Mapping[str, LinkedFile], name: str) -> C | None:
    if name not in documents:
        return None
    return decode(contract, b"".join(documents[name].read()))


def _manifest(documents: Mapping[str, LinkedFile], receipt: Receipt) -> Check:
    """The manifest publishes what the receipt names, and nothing else."""
    manifest = _document(OutputManifest, documents, "manifest.json")
    published = () if manifest is None else manifest.outputs
    same = {one.name: one.sha256 for one in published} == {one.name: one.sha256 for one in receipt.outputs}
    return Check(what="manifest", name="manifest.json", problem="" if same else "it names other outputs")


def _model(api: Api, model: ModelRef) -> Check:
    """The API knows the version by the digest that the receipt has."""
    versions = [version for one in api.models() if one.name == model.name for version in one.versions]
    known = {version.version: version.digest for version in versions}
    problem = _difference(known.get(model.version, ""), model.digest)
    return Check(what="model", name=f"{model.name}@{model.version}", problem=problem)


def _problem(file: LinkedFile | None, sha256: str) -> str:
    """What is wrong with a file that should have this digest; empty when nothing is."""
    try:
        return _difference("" if file is None else file.digest(), sha256)
    except (NotFoundError, PreconditionError):
        return _difference("", sha256)


def _difference(found: str, expected: str) -> str:
    if found == expected:
        return ""
    return "its digest differs" if found else "it is gone, or another version of it"


def _tell(session: Session, check: Check) -> None:
    if session.screen.as_json:
        return
    mark, style = ("✕", "bold red") if check.problem else ("✓", "green")
    line = Text.assemble((mark, style), f" {check.what:9}{check.name}", (f"  {check.problem}", "red"))
    session.screen.show(line)
