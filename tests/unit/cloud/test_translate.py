"""Azure's exceptions become ours by the service's code and status."""

from xml.etree.ElementTree import fromstring

import pytest
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    IncompleteReadError,
    ResourceExistsError,
    ResourceModifiedError,
    ServiceRequestError,
    ServiceResponseError,
)

from dropscore.cloud.translate import error_code, translated
from dropscore.contracts.errors import (
    AccessDeniedError,
    ContainerGoneError,
    DropscoreError,
    LeaseLostError,
    NotFoundError,
    PermanentCloudError,
    PreconditionError,
    StorageFullError,
    TransientCloudError,
)


class Answer:
    """What azure-core keeps of an answer, as far as errors look at it."""

    reason = "reason"
    content_type = "text/plain"

    def __init__(self, status, headers=()):
        self.status_code = status
        self.headers = dict(headers)

    def text(self, encoding=None):
        return ""


def answered(status, code="", headers=(), kind=HttpResponseError, message="The service said no."):
    error = kind(message=message, response=Answer(status, headers))
    error.error_code = code or None
    return error


def caught(error) -> DropscoreError:
    with pytest.raises(DropscoreError) as info, translated("read runs/r1/state.json"):
        raise error
    assert info.value.__cause__ is error
    return info.value


@pytest.mark.parametrize(
    ("error", "ours"),
    [
        (answered(404, "BlobNotFound"), NotFoundError),
        (answered(404), NotFoundError),
        (answered(409, "BlobAlreadyExists"), PreconditionError),
        (answered(409, "TaskExists"), PreconditionError),
        (answered(409, "JobExists", kind=ResourceExistsError), PreconditionError),
        (answered(412, "ConditionNotMet"), PreconditionError),
        (answered(304, "ConditionNotMet"), PreconditionError),
        (answered(409, "TaskCompleted", kind=ResourceExistsError), PermanentCloudError),
        (answered(409, "JobBeingDeleted", kind=ResourceExistsError), TransientCloudError),
        (answered(409, "PoolBeingResized", kind=ResourceExistsError), TransientCloudError),
        (answered(503, "ServerBusy", kind=ResourceModifiedError), TransientCloudError),
        (answered(404, "TaskNotFound", kind=ResourceModifiedError), NotFoundError),
        (answered(409, "ContainerGroupTransitioning"), TransientCloudError),
        (answered(400, "PopReceiptMismatch"), LeaseLostError),
        (answered(404, "MessageNotFound"), LeaseLostError),
        (answered(404, "QueueNotFound"), ContainerGoneError),
        (answered(404, "ContainerNotFound"), ContainerGoneError),
        (answered(404, "PoolNotFound"), NotFoundError),
        (answered(507, "InsufficientStorage"), StorageFullError),
        (answered(400, "InvalidResourceName"), PermanentCloudError),
        (answered(413, "RequestBodyTooLarge"), PermanentCloudError),
        (answered(401), AccessDeniedError),
        (answered(403, "AuthorizationPermissionMismatch"), AccessDeniedError),
        (answered(408), TransientCloudError),
        (answered(429), TransientCloudError),
        (answered(500, "InternalError"), TransientCloudError),
        (answered(500), TransientCloudError),
        (answered(502), TransientCloudError),
        (answered(504), TransientCloudError),
        (ServiceRequestError("refused"), TransientCloudError),
        (ServiceResponseError("reset"), TransientCloudError),
        (IncompleteReadError("half"), TransientCloudError),
        (ClientAuthenticationError("nobody is logged in"), AccessDeniedError),
    ],
    ids=lambda value: getattr(value, "__name__", None) or f"{getattr(value, 'status_code', '')} {error_code(value)}",
)
def test_each_error_becomes_the_most_exact_of_ours(error, ours):
    assert type(caught(error)) is ours


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"Retry-After": "7"}, 7.0),
        ({"retry-after-ms": "250"}, 0.25),
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:05 GMT", "Date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 5.0),
        ({"Retry-After": "Wed, 21 Oct 2026 07:27:00 GMT", "Date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 0.0),
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:05 GMT"}, None),
        ({"Retry-After": "later"}, None),
    ],
)
def test_the_wait_a_service_asks_for_is_kept(headers, seconds):
    error = caught(answered(503, "ServerBusy", headers))

    assert isinstance(error, TransientCloudError)
    assert error.retry_after_s == seconds


def test_the_message_says_what_was_tried_and_what_the_service_said():
    error = caught(answered(404, "BlobNotFound", message="The specified blob does not exist.\nRequestId:1\nTime:2"))

    assert str(error) == (
        "could not read runs/r1/state.json: HTTP 404 BlobNotFound: The specified blob does not exist."
    )


@pytest.mark.fault(56)
def test_a_signature_in_an_address_is_not_repeated():
    error = caught(ServiceRequestError("cannot reach https://x.blob.core.windows.net/a/b?sv=1&sig=c2VjcmV0 now"))

    assert "sig" not in str(error)
    assert "https://x.blob.core.windows.net/a/b" in str(error)


def test_errors_that_are_not_azures_pass_untouched():
    with pytest.raises(ValueError, match="mine"), translated("x"):
        raise ValueError("mine")


def test_an_answer_that_is_no_text_of_the_service_is_transient():
    with (
        pytest.raises(TransientCloudError, match="could not receive: the answer could not be read"),
        translated("receive"),
    ):
        fromstring("")


def test_an_answer_that_cannot_be_read_is_no_refusal_when_its_status_is_success():
    assert type(caught(answered(201))) is TransientCloudError
