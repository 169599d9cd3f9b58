"""What Azure refuses about tasks beyond the shape of their bodies."""

from localcloud.batch.bodies.tasks import MAX_DEPENDENCY_CHARACTERS, ExitConditions, ExitOptions, TaskBody
from localcloud.batch.http.refusals import not_emulated, property_error, refuse
from localcloud.batch.state.job import Job
from localcloud.batch.state.pool import Pool


def check_task(body: TaskBody, job: Job, pool: Pool | None) -> None:
    """Raise ServiceError for a task that Azure would refuse in this job, or that has what the emulator lacks."""
    _check_emulated(body)
    _check_dependencies(body, job)
    _check_exit_conditions(body, job)
    if pool is None:
        return
    if pool.runs_containers and body.container_settings is None:
        raise property_error("containerSettings", None, "the pool has a containerConfiguration, so each task needs one")
    if not pool.runs_containers and body.container_settings is not None:
        raise property_error("containerSettings", body.container_settings.image_name, "the pool runs no containers")


def _check_emulated(body: TaskBody) -> None:
    lacking = {
        "multi-instance tasks": body.multi_instance_settings,
        "application packages": body.application_package_references,
        "authentication tokens of tasks": body.authentication_token_settings,
    }
    for what, value in lacking.items():
        if value:
            raise not_emulated(what)


def _check_dependencies(body: TaskBody, job: Job) -> None:
    if body.depends_on is None:
        return
    if not job.body.uses_task_dependencies:
        raise refuse("TaskDependenciesNotSpecifiedOnJob", "The job was created without usesTaskDependencies.")
    if sum(map(len, body.depends_on.task_ids or ())) > MAX_DEPENDENCY_CHARACTERS:
        raise refuse("TaskDependencyListTooLong", f"taskIds has more than {MAX_DEPENDENCY_CHARACTERS} characters.")


def _check_exit_conditions(body: TaskBody, job: Job) -> None:
    if body.exit_conditions is None:
        return
    options = _all_options(body.exit_conditions)
    if not job.heeds_exit_options and any(option.job_action is not None for option in options):
        reason = "the job's onTaskFailure is not performexitoptionsjobaction"
        raise property_error("exitConditions.jobAction", "", reason)
    if not job.body.uses_task_dependencies and any(option.dependency_action is not None for option in options):
        raise property_error("exitConditions.dependencyAction", "", "the job does not have usesTaskDependencies")


def _all_options(conditions: ExitConditions) -> list[ExitOptions]:
    found = [rule.exit_options for rule in conditions.exit_codes or ()]
    found += [span.exit_options for span in conditions.exit_code_ranges or ()]
    named = (conditions.pre_processing_error, conditions.file_upload_error, conditions.default)
    return found + [options for options in named if options is not None]
