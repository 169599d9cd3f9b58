"""What Azure refuses about pools beyond the shape of their bodies."""

from datetime import datetime, timedelta

from localcloud.batch.autoscale.formula import FormulaTooLongError, Targets, compile_formula
from localcloud.batch.autoscale.syntax import FormulaSyntaxError
from localcloud.batch.autoscale.values import DeallocationOption
from localcloud.batch.bodies.pools import PoolBody
from localcloud.batch.http.refusals import not_emulated, property_error, refuse
from localcloud.batch.state.pool import DEFAULT_EVALUATION_INTERVAL, DEFAULT_RESIZE_TIMEOUT, AutoScale, Pool

SHORTEST_INTERVAL, LONGEST_INTERVAL = timedelta(minutes=5), timedelta(hours=168)
SHORTEST_RESIZE_TIMEOUT = timedelta(minutes=5)


def new_pool(body: PoolBody, now: datetime) -> Pool:
    """A pool from the body of its creation, without nodes. Raises ServiceError."""
    check_pool(body)
    targets = Targets(
        dedicated=body.target_dedicated_nodes or 0,
        low_priority=body.target_low_priority_nodes or 0,
        option=DeallocationOption.REQUEUE,
    )
    return Pool(
        body=body.model_copy(update=dict.fromkeys(_KEPT_APART)),
        targets=targets,
        created_at=now,
        modified_at=now,
        state_at=now,
        allocation_at=now,
        autoscale=_autoscale(body, now),
        resize_timeout=check_resize_timeout(body.resize_timeout) or DEFAULT_RESIZE_TIMEOUT,
    )


_KEPT_APART = (
    "resize_timeout",
    "target_dedicated_nodes",
    "target_low_priority_nodes",
    "enable_auto_scale",
    "auto_scale_formula",
    "auto_scale_evaluation_interval",
)
"""Members of a new pool that become its targets and its formula, which change without its body."""


def check_pool(body: PoolBody) -> None:
    """Raise ServiceError for a pool that Azure would refuse, or that has what the emulator lacks."""
    if body.virtual_machine_configuration is None:
        raise refuse(
            "MissingRequiredProperty",
            "A required property was not specified in the request body: virtualMachineConfiguration",
            PropertyName="virtualMachineConfiguration",
        )
    if body.application_package_references:
        raise not_emulated("application packages")


def _autoscale(body: PoolBody, now: datetime) -> AutoScale | None:
    if not body.enable_auto_scale:
        if body.auto_scale_formula is not None:
            raise property_error("autoScaleFormula", body.auto_scale_formula, "enableAutoScale is not true")
        return None
    if body.auto_scale_formula is None:
        raise refuse("InvalidAutoScalingSettings", "A pool with enableAutoScale needs an autoScaleFormula.")
    if body.target_dedicated_nodes is not None or body.target_low_priority_nodes is not None:
        raise refuse("InvalidAutoScalingSettings", "A pool with enableAutoScale cannot have fixed targets.")
    interval = check_interval(body.auto_scale_evaluation_interval) or DEFAULT_EVALUATION_INTERVAL
    return AutoScale(formula=check_formula(body.auto_scale_formula), interval=interval, enabled_at=now)


def check_formula(text: str) -> str:
    """A formula that can be read. Raises ServiceError."""
    try:
        compile_formula(text)
    except FormulaTooLongError as error:
        raise refuse("AutoScalingFormulaTooLong", f"The formula is too long: {error}.") from None
    except FormulaSyntaxError as error:
        raise refuse("AutoScalingFormulaSyntaxError", f"The formula cannot be read: {error}.") from None
    return text


def check_interval(interval: timedelta | None) -> timedelta | None:
    """An evaluation interval that Azure accepts, if given. Raises ServiceError."""
    if interval is not None and not SHORTEST_INTERVAL <= interval <= LONGEST_INTERVAL:
        raise property_error("autoScaleEvaluationInterval", interval, "it must be 5 minutes to 168 hours")
    return interval


def check_resize_timeout(timeout: timedelta | None) -> timedelta | None:
    """A resize timeout that Azure accepts, if given. Raises ServiceError."""
    if timeout is not None and timeout < SHORTEST_RESIZE_TIMEOUT:
        raise property_error("resizeTimeout", timeout, "it must be 5 minutes or more")
    return timeout
