"""The outside world: ports, their Azure adapters and their in-memory twins.

`ports` says what the product needs; `azure_*` does it with Microsoft's SDKs; `memory` does it in a dictionary,
for tests. Requests are built by pure functions (`requests`) and only sent by adapters.
"""
