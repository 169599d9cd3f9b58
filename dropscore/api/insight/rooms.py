"""The operations that look into runs."""

from dropscore.api.insight.items_routes import ItemsApi
from dropscore.api.insight.logs_routes import LogsApi
from dropscore.api.insight.models_routes import ModelsApi
from dropscore.api.insight.workers_routes import WorkersApi

INSIGHT_ROOMS = (ItemsApi, LogsApi, WorkersApi, ModelsApi)
"""In the order of the description."""
