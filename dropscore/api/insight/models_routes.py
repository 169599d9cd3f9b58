"""What `/models` answers."""

from collections.abc import Callable

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from dropscore.api.operations import Access, Answer, path_parameter, serves
from dropscore.api.problems import problem
from dropscore.api.services import Services
from dropscore.contracts.codec import encode
from dropscore.contracts.errors import FailedError
from dropscore.contracts.http.models import ModelDocument, ModelList


class ModelsApi:
    """The models there are."""

    def __init__(self, services: Callable[[], Services]) -> None:
        self._services = services

    @serves(
        id="ListModels",
        method="GET",
        path="/models",
        summary="List models",
        description="Every model with its versions, and the aliases that mean one of them. A few seconds old at most.",
        tag="catalogue",
        access=Access.VIEWER,
        answers={200: Answer(description="The models.", contract=ModelList)},
    )
    async def models(self, _request: Request) -> Response:
        """GET /models: every model, by name."""
        models = await run_in_threadpool(self._services().insight.models.models)
        return JSONResponse(encode(ModelList(models=models)))

    @serves(
        id="GetModel",
        method="GET",
        path="/models/{name}",
        summary="Get a model",
        description="A model with its versions, their licence, digest, metrics and training.",
        tag="catalogue",
        access=Access.VIEWER,
        parameters=(path_parameter("name", "The name of the model.", "^[a-z0-9][a-z0-9._-]{0,63}$"),),
        answers={200: Answer(description="The model.", contract=ModelDocument)},
        statuses=(404,),
    )
    async def model(self, request: Request) -> Response:
        """GET /models/{name}: one model; 404 with the nearest name where there is none."""
        try:
            model = await run_in_threadpool(self._services().insight.models.model, request.path_params["name"])
        except FailedError as error:
            return problem(error.failure, status=404)
        return JSONResponse(encode(model))
