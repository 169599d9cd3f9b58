"""Makes `apiDefinition.swagger.json` (OpenAPI 2.0) out of the API's own description and the connector's words."""

from collections.abc import Mapping
from typing import Any

from dropscore import __version__
from tools.connector.offers import INTERNAL, OFFERS, Offer
from tools.connector.publisher import PUBLISHER
from tools.connector.schemas import Schema, answer_schema, choice, request_schema, visibility
from tools.connector.words import read_out, sentence_of, summary_of

HOST = "your-app.azurewebsites.net"
"""Stands for the deployment: the policy `dynamichosturl` puts that of the connection in its place."""
TITLE = "dropscore"
ABOUT = (
    "Score films, pictures and medical images on GPUs: start runs, wait for their results, and act when one finishes "
    "or when something in it failed. What cannot be scored is put aside and can be replayed; nothing is lost."
)
PLAIN = ("type", "enum", "default", "minimum", "maximum", "pattern", "minLength", "maxLength")


def definition(api: Mapping[str, Any]) -> dict[str, Any]:
    """The definition, out of the OpenAPI 3.1 description of the API."""
    described = {
        told["operationId"]: (path, method, told)
        for path, methods in api["paths"].items()
        for method, told in methods.items()
    }
    schemas = api["components"]["schemas"]
    paths: dict[str, Any] = {}
    answered: set[str] = {"Problem"}
    for offer in OFFERS:
        path, method, told = described[offer.operation]
        item = paths.setdefault(path if offer.event is None else path.replace("{event}", offer.event), {})
        if offer.event is not None:
            notified = answer_schema("Notification", schemas)
            item["x-ms-notification-content"] = {"description": notified["description"], "schema": notified}
        item[method] = _operation(offer, told, schemas)
        answered |= {_contract(answer) for answer in told["responses"].values()} - {""}
    definitions = {name: answer_schema(name, schemas) for name in sorted(answered)}
    return _head() | {"paths": paths, "definitions": definitions} | _tail()


def _head() -> dict[str, Any]:
    return {
        "swagger": "2.0",
        "info": {
            "title": TITLE,
            "description": ABOUT,
            "version": __version__,
            "contact": {"name": PUBLISHER.name, "url": PUBLISHER.website, "email": PUBLISHER.email},
        },
        "host": HOST,
        "basePath": "/",
        "schemes": ["https"],
        "consumes": ["application/json"],
        "produces": ["application/json", "application/problem+json"],
    }


def _tail() -> dict[str, Any]:
    return {
        "parameters": {},
        "responses": {},
        "securityDefinitions": {"api_key": {"type": "apiKey", "in": "header", "name": "x-functions-key"}},
        "security": [{"api_key": []}],
        "tags": [],
        "x-ms-connector-metadata": [
            {"propertyName": "Website", "propertyValue": PUBLISHER.website},
            {"propertyName": "Privacy policy", "propertyValue": PUBLISHER.privacy},
            {"propertyName": "Categories", "propertyValue": "AI;Content and Files"},
        ],
    }


def _operation(offer: Offer, told: Mapping[str, Any], schemas: Mapping[str, Any]) -> dict[str, Any]:
    parameters = [
        _parameter(offer, one)
        for one in told["parameters"]
        if one["name"] not in offer.hidden and not (offer.event and one["name"] == "event")
    ]
    if "requestBody" in told:
        parameters.append(_body(offer, told["requestBody"], schemas))
    return {
        "operationId": offer.name,
        "summary": offer.summary,
        "description": offer.description,
        **_extensions(offer),
        "parameters": parameters,
        "responses": _answers(offer, told["responses"]),
    }


def _extensions(offer: Offer) -> dict[str, Any]:
    told: dict[str, Any] = {}
    if offer.visibility:
        told["x-ms-visibility"] = offer.visibility
    if offer.event is not None:
        told |= {"x-ms-trigger": "single", "x-ms-trigger-hint": offer.hint}
    if offer.next_link is not None:
        told["x-ms-pageable"] = {"nextLinkName": offer.next_link}
    if offer.visibility != INTERNAL:
        told["x-ms-api-annotation"] = {"family": offer.name, "revision": 1}
    return told


def _parameter(offer: Offer, one: Mapping[str, Any]) -> dict[str, Any]:
    name, required = one["name"], one["required"]
    return {
        "name": name,
        "in": one["in"],
        "required": required,
        **{word: one["schema"][word] for word in PLAIN if word in one["schema"]},
        "x-ms-summary": summary_of(name),
        "description": sentence_of(offer.operation, name, one["description"]),
        **visibility(name, required=required),
        **choice(name),
        **({"x-ms-url-encoding": "single"} if one["in"] == "path" else {}),
    }


def _body(offer: Offer, body: Mapping[str, Any], schemas: Mapping[str, Any]) -> dict[str, Any]:
    name = body["content"]["application/json"]["schema"]["$ref"].rsplit("/", 1)[1]
    return {
        "name": "body",
        "in": "body",
        "required": body["required"],
        "x-ms-summary": summary_of("body"),
        "description": sentence_of(offer.operation, "body", None),
        "schema": request_schema(name, offer.operation, schemas),
    }


def _answers(offer: Offer, answers: Mapping[str, Any]) -> dict[str, Any]:
    told = {status: _answer(answer) for status, answer in sorted(answers.items())}
    if offer.followed and "200" not in told:
        followed: Schema = {"description": "What its Location answers.", "schema": told["202"]["schema"]}
        told = {"200": followed, **told}
    return told


def _answer(answer: Mapping[str, Any]) -> dict[str, Any]:
    told: dict[str, Any] = {"description": read_out(answer["description"])}
    contract = _contract(answer)
    if contract:
        told["schema"] = {"$ref": f"#/definitions/{contract}"}
    if "headers" in answer:
        told["headers"] = {
            name: {"type": "string", "description": read_out(one["description"])}
            for name, one in answer["headers"].items()
        }
    return told


def _contract(answer: Mapping[str, Any]) -> str:
    """The name of an answer's contract; empty when it has no body."""
    for content in answer.get("content", {}).values():
        return str(content["schema"]["$ref"]).rsplit("/", 1)[1]
    return ""
