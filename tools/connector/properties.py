"""Makes `apiProperties.json`: what a connection asks for, and the policies that send calls to its deployment."""

from typing import Any, Final

from tools.connector.offers import OFFERS
from tools.connector.publisher import PUBLISHER

COLOUR: Final = "#5b3fd6"


def properties() -> dict[str, Any]:
    """The properties of the connector."""
    return {
        "properties": {
            "iconBrandColor": COLOUR,
            "capabilities": ["actions", "triggers"],
            "publisher": PUBLISHER.name,
            "stackOwner": PUBLISHER.name,
            "connectionParameters": {
                "host": _asked(
                    "string",
                    "Host",
                    "The host name of your deployment, such as your-app.azurewebsites.net.",
                    "Without https:// and without a slash.",
                ),
                "api_key": _asked(
                    "securestring",
                    "Key",
                    "A key of the Functions host of your deployment.",
                    "In the Azure portal: your function app, App keys, Host keys.",
                ),
            },
            "policyTemplateInstances": _policies(),
        }
    }


def _asked(kind: str, name: str, description: str, tooltip: str) -> dict[str, Any]:
    constraints = {"tabIndex": 2 if kind == "string" else 3, "required": "true", "clearText": kind == "string"}
    return {
        "type": kind,
        "uiDefinition": {
            "displayName": name,
            "description": description,
            "tooltip": tooltip,
            "constraints": constraints,
        },
    }


def _policies() -> list[dict[str, Any]]:
    paged = [offer.name for offer in OFFERS if offer.next_link is not None]
    host = {"x-ms-apimTemplateParameter.urlTemplate": "https://@connectionParameters('host')"}
    pages = {"x-ms-apimTemplateParameter.nextLinkPropertyName": "next_link", "x-ms-apimTemplate-operationName": paged}
    return [
        {"templateId": "dynamichosturl", "title": "Call the deployment of the connection", "parameters": host},
        {"templateId": "updatenextlink", "title": "Ask for the next page through the connector", "parameters": pages},
    ]
