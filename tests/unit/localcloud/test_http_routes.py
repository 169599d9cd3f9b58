"""Routes of HTTP functions."""

import pytest

from localcloud.host.config import ConfigError
from localcloud.host.functions import Function, FunctionApp
from localcloud.host.http import described, http_routes, starlette_paths


def function(name, **trigger):
    binding = {"type": "httpTrigger", "name": "req", **trigger}
    return Function(name=name, id=name, trigger=binding, client_names=())


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/api/runs", ["/api/runs"]),
        ("/api/runs/{id}", ["/api/runs/{id:str}"]),
        ("/api/runs/{id:int}/cancel", ["/api/runs/{id:int}/cancel"]),
        ("/api/{*rest}", ["/api/{rest:rest}", "/api"]),
        ("/api/runs/{id?}", ["/api/runs/{id:str}", "/api/runs"]),
        ("/{*rest}", ["/{rest:rest}", "/"]),
        ("/api/{a}/{b}", ["/api/{a:str}/{b:str}"]),
    ],
)
def test_templates_are_translated(path, expected):
    assert starlette_paths(path) == expected


def test_a_constraint_that_is_not_served_is_refused():
    with pytest.raises(ConfigError, match="'regex'"):
        starlette_paths("/api/{id:regex}")


def test_more_exact_routes_come_first():
    routes = ("{*rest}", "runs/{id}", "runs/latest")
    app = FunctionApp(functions=tuple(function(f"f{n}", route=route) for n, route in enumerate(routes)))
    assert [route.path for route in http_routes(app, "api")] == ["/api/runs/latest", "/api/runs/{id}", "/api/{*rest}"]


def test_a_function_without_a_route_has_its_name():
    app = FunctionApp(functions=(function("hello", methods=["get"], authLevel="ANONYMOUS"),))
    (route,) = http_routes(app, "")
    assert (route.path, route.methods, route.level) == ("/hello", ("GET",), "anonymous")
    assert described([route], "http://127.0.0.1:7071") == ["hello: [GET] http://127.0.0.1:7071/hello"]
