import pytest
from activity_bench import RUN, Bench

from dropscore.contracts import layout
from dropscore.contracts.codec import encode_bytes
from dropscore.contracts.failures import Code, failure
from dropscore.contracts.names import ActivityName, Role
from dropscore.contracts.orchestration import ContainerCheck, ContainerPhase, ContainerRef, RunRef

PLAN = ContainerRef(run_id=RUN, role=Role.PLAN, attempt=2)
NAME = f"plan-2-{RUN}"


def start(bench: Bench) -> None:
    bench.call(ActivityName.START_CONTAINER, PLAN, RunRef)


def check(bench: Bench, ref: ContainerRef = PLAN) -> ContainerCheck:
    return bench.call(ActivityName.CHECK_CONTAINER, ref, ContainerCheck)


def test_container_gets_its_command_and_keeps_secrets_apart(bench: Bench) -> None:
    start(bench)
    spec = bench.memory.containers.specs[NAME]
    assert spec.command == ("python", "-m", "cpu_worker", "plan", "--run", RUN)
    assert (dict(spec.environment), dict(spec.secrets)) == ({"A": "1"}, {"KEY": "secret"})
    assert (spec.image, dict(spec.tags)) == ("dropscore/cpu:1", {"run": RUN, "role": "plan", "attempt": "2"})


def test_starting_twice_is_starting_once(bench: Bench) -> None:
    start(bench)
    bench.memory.containers.become(NAME, ContainerPhase.RUNNING)
    start(bench)
    assert check(bench).phase is ContainerPhase.RUNNING


@pytest.mark.parametrize(("role", "product"), [(Role.PLAN, layout.plan_index), (Role.STITCH, layout.stitch_result)])
def test_product_counts_whatever_became_of_the_container(bench: Bench, role: Role, product: object) -> None:
    ref = ContainerRef(run_id=RUN, role=role)
    assert not check(bench, ref).product_ready
    bench.memory.blobs.put(product(RUN), b"{}")
    seen = check(bench, ref)
    assert (seen.product_ready, seen.phase) == (True, ContainerPhase.MISSING)


@pytest.mark.fault(30)
def test_exit_code_and_detail_come_with_the_phase(bench: Bench) -> None:
    start(bench)
    bench.memory.containers.become(NAME, ContainerPhase.FAILED, exit_code=137, detail="OOMKilled")
    seen = check(bench)
    assert (seen.phase, seen.exit_code, seen.detail) == (ContainerPhase.FAILED, 137, "OOMKilled")


def test_failure_that_the_container_wrote_is_told_once_it_has_ended(bench: Bench) -> None:
    why = failure(Code.INPUT_UNREADABLE, input="a.mp4")
    start(bench)
    bench.memory.blobs.put(layout.stage_failure(RUN, Role.PLAN), encode_bytes(why))
    bench.memory.containers.become(NAME, ContainerPhase.FAILED, exit_code=3)
    assert check(bench).failure == why


def test_cancellation_is_told(bench: Bench) -> None:
    assert not check(bench).cancelled
    bench.memory.blobs.create(layout.cancel_mark(RUN), b"{}")
    assert check(bench).cancelled


@pytest.mark.fault(30)
def test_output_is_kept_before_the_group_is_deleted(bench: Bench) -> None:
    start(bench)
    bench.memory.containers.become(NAME, ContainerPhase.FAILED, log="Traceback: größer\n")
    bench.call(ActivityName.REMOVE_CONTAINER, PLAN, RunRef)
    assert bench.memory.containers.names() == ()
    assert bench.memory.blobs.get(layout.log(RUN, "plan-2.console")).data.decode() == "Traceback: größer\n"


def test_removing_what_is_gone_is_no_failure(bench: Bench) -> None:
    bench.call(ActivityName.REMOVE_CONTAINER, PLAN, RunRef)
    assert bench.memory.blobs.head(layout.log(RUN, "plan-2.console")) is None
