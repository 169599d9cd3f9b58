"""What is made for the product before it runs."""

import pytest
from azure.batch.models import BatchPoolCreateOptions
from azure.core.exceptions import (
    HttpResponseError,
    ResourceExistsError,
    ServiceRequestError,
    ServiceResponseError,
)

from localcloud.provision import _make, pool_body


def test_the_pool_has_its_nodes_and_takes_one_worker_on_each():
    pool = BatchPoolCreateOptions(pool_body("local", nodes=3))
    assert (pool.id, pool.target_dedicated_nodes, pool.task_slots_per_node) == ("local", 3, 1)
    assert pool.virtual_machine_configuration.node_agent_sku_id == "batch.node.ubuntu 22.04"


class Answers:
    """Stands where a service is: gives these errors, then makes what is asked for."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.made = 0

    def __call__(self) -> None:
        if self.errors:
            raise self.errors.pop(0)
        self.made += 1


def refused(status: int) -> HttpResponseError:
    error = HttpResponseError("no")
    error.status_code = status
    return error


def test_a_service_that_does_not_answer_now_is_asked_again():
    answers = Answers(ServiceRequestError("nobody listens"), refused(503), refused(429), ServiceResponseError("cut"))
    _make(answers)
    assert answers.made == 1


@pytest.mark.parametrize("error", [ResourceExistsError("there"), refused(409)])
def test_what_exists_is_left_as_it_is(error):
    _make(answers := Answers(error))
    assert answers.made == 0


def test_a_refusal_for_good_is_raised():
    with pytest.raises(HttpResponseError):
        _make(Answers(refused(403)))
