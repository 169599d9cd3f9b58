"""Makes `readme.md`, the page that a certified connector is published with."""

from tools.connector.offers import ACTIONS, TRIGGERS, Offer
from tools.connector.publisher import PUBLISHER

PAGE = """# dropscore

dropscore scores files on GPUs: it restyles films, and analyses pictures and medical images, in a deployment of your \
own. With this connector a workflow starts runs, waits for their results, and acts when one finishes or when something \
in it failed. What cannot be scored is put aside with its reason and can be replayed.

These files are made by `python -m tools.connector` out of the operations of dropscore itself.

## Publisher: {publisher}

## Prerequisites

- A deployment of dropscore: a function app in your own Azure subscription.
- Files to score in its storage, in the container `inputs`.

## Obtaining credentials

A connection asks for two things:

- **Host**: the host name of your function app, such as `your-app.azurewebsites.net`.
- **Key**: in the Azure portal, open the function app, then *App keys*, and copy a key under *Host keys*. Make one for \
this connector alone, so that you can take it back. Whoever has it may start and cancel runs.

A deployment that is configured for tokens of Microsoft Entra ID takes no keys; use the HTTP action with a managed \
identity there.

## Supported operations

### Actions

{actions}

### Triggers

{triggers}

## Getting started

Start with *Start a run*: choose a workload, name the files, and give the step an idempotency key such as the id of \
the workflow's run. Add *Wait for a run* with the run ID it gives: it goes on when the run has ended, with `status`, \
the counts, and links to the outputs and the report. Branch on `succeeded`.

## Known issues and limitations

- A run may name 1,000 inputs at most; name a folder (with a slash at its end) for more. The request itself may have \
256 KB.
- *Wait for a run* and *Get results* list 1,000 outputs at most. The document `manifest.json` names all of them.
- Links to outputs end after some minutes. Use them at once, or ask for new ones with *Get results*.
- *Wait for a run* ends when the workflow engine's own limit for a step is reached (by default 90 days in Logic Apps, \
30 days in Power Automate). The run goes on.
- A step that is tried again starts a second run, unless it has an idempotency key.
- Triggers are told at least once: the same event may come again, with the same `id`.
- A list of runs is read page by page, 50 runs each; switch on paging in the settings of the step for more.
"""


def readme() -> str:
    """The page as it should be."""
    return PAGE.format(
        publisher=PUBLISHER.name,
        actions="\n".join(map(_line, ACTIONS)),
        triggers="\n".join(map(_line, TRIGGERS)),
    )


def _line(offer: Offer) -> str:
    return f"- **{offer.summary}** (`{offer.name}`): {offer.description}"
