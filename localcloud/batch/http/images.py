"""A few of the images that Azure lists, as they stood when this was written; locally none of them is used."""

from typing import Any

SUPPORTED_IMAGES: tuple[dict[str, Any], ...] = (
    {
        "nodeAgentSKUId": "batch.node.ubuntu 22.04",
        "imageReference": {"publisher": "microsoft-dsvm", "offer": "ubuntu-hpc", "sku": "2204", "version": "latest"},
        "osType": "linux",
        "capabilities": ["DockerCompatible", "NvidiaTeslaDriverInstalled", "UbuntuHpc"],
        "verificationType": "verified",
    },
    {
        "nodeAgentSKUId": "batch.node.ubuntu 22.04",
        "imageReference": {
            "publisher": "canonical",
            "offer": "0001-com-ubuntu-server-jammy",
            "sku": "22_04-lts",
            "version": "latest",
        },
        "osType": "linux",
        "capabilities": [],
        "verificationType": "verified",
    },
)
