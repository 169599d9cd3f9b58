"""Finding what a request names, and refusing what its state forbids."""

from localcloud.batch.engine.engine import Engine
from localcloud.batch.http.conditions import check_conditions
from localcloud.batch.http.refusals import refuse
from localcloud.batch.state.job import Job, JobState
from localcloud.batch.state.node import Node
from localcloud.batch.state.pool import Pool, PoolState
from localcloud.batch.state.task import Task
from localcloud.emulation.routing import Call


def find_pool(engine: Engine, call: Call) -> Pool:
    """The pool of the path, its conditions checked. Raises ServiceError."""
    pool = engine.account.pools.get(call.parameters["poolId"])
    if pool is None:
        raise refuse("PoolNotFound", "The specified pool does not exist.")
    check_conditions(call, pool.modified_at)
    return pool


def find_stable_pool(engine: Engine, call: Call) -> Pool:
    """A pool that is not being deleted."""
    pool = find_pool(engine, call)
    if pool.state is PoolState.DELETING:
        raise refuse("PoolBeingDeleted", "The specified pool is being deleted.")
    return pool


def find_node(engine: Engine, call: Call) -> Node:
    """The node of the path. Raises ServiceError."""
    if engine.account.pools.get(call.parameters["poolId"]) is None:
        raise refuse("PoolNotFound", "The specified pool does not exist.")
    node = engine.account.node(call.parameters["poolId"], call.parameters["nodeId"])
    if node is None:
        raise refuse("NodeNotFound", "The specified node does not exist.")
    return node


def find_job(engine: Engine, call: Call, *, conditional: bool = True) -> Job:
    """The job of the path; its conditions are checked unless the request is about something else in it."""
    job = engine.account.jobs.get(call.parameters["jobId"])
    if job is None:
        raise refuse("JobNotFound", "The specified job does not exist.")
    if conditional:
        check_conditions(call, job.modified_at)
    return job


_CLOSED = {
    JobState.DELETING: ("JobBeingDeleted", "The specified job is being deleted."),
    JobState.TERMINATING: ("JobBeingTerminated", "The specified job is being terminated."),
    JobState.COMPLETED: ("JobCompleted", "The specified job is complete."),
}


def require_open(job: Job) -> Job:
    """A job that has not ended. Raises ServiceError."""
    if job.state in _CLOSED:
        raise refuse(*_CLOSED[job.state])
    return job


def find_task(engine: Engine, call: Call) -> Task:
    """The task of the path, its conditions checked. Raises ServiceError."""
    find_job(engine, call, conditional=False)
    task = engine.account.tasks.get(call.parameters["jobId"], call.parameters["taskId"])
    if task is None:
        raise refuse("TaskNotFound", "The specified task does not exist.")
    check_conditions(call, task.modified_at)
    return task
