"""Azure Batch's error codes with their HTTP status."""

from localcloud.emulation.routing import ServiceError

_CODES = {
    400: """InvalidPropertyValue MissingRequiredProperty UnsupportedProperty InvalidRequestBody InvalidHeaderValue
        InvalidAuthenticationInfo InvalidQueryParameterValue OutOfRangeQueryParameterValue MissingRequiredQueryParameter
        UnsupportedRequestVersion InvalidAutoScalingSettings AutoScalingFormulaSyntaxError AutoScalingFormulaTooLong
        TaskDependenciesNotSpecifiedOnJob TaskDependencyListTooLong""",
    401: "Unauthorized",
    403: "AuthenticationFailed",
    404: """PoolNotFound JobNotFound TaskNotFound NodeNotFound FileNotFound ApplicationNotFound
        VirtualMachineExtensionNotFound""",
    409: """PoolExists JobExists TaskExists PoolBeingDeleted PoolBeingResized JobBeingDeleted JobBeingTerminated
        JobCompleted JobDisabled JobNotActive TaskCompleted TaskNotCompleted TaskSucceeded TaskFilesUnavailable
        TaskFilesCleanedup NodeStateUnusable OperationInvalidForCurrentState""",
    412: "ConditionNotMet",
    413: "RequestBodyTooLarge",
    416: "InvalidRange",
    501: "NotImplemented",
}
STATUS = {code: status for status, codes in _CODES.items() for code in codes.split()}


def refuse(code: str, message: str, **values: str) -> ServiceError:
    """The error to raise for a code; `values` name the property and why it was refused."""
    return ServiceError(STATUS[code], code, message, values=values)


def property_error(name: str, value: object, reason: str) -> ServiceError:
    """The error for a property whose value is not allowed."""
    message = f"The value provided for one of the properties in the request body is invalid: {name}: {reason}"
    shown = str(value)[:200]
    return refuse("InvalidPropertyValue", message, PropertyName=name, PropertyValue=shown, Reason=reason)


def not_emulated(what: str) -> ServiceError:
    """The error for something that Azure has and the emulator does not."""
    return refuse("NotImplemented", f"The emulator does not implement {what}.")
