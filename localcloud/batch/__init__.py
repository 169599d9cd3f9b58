"""An emulator of the Azure Batch data plane, REST version 2025-06-01, that runs tasks as local processes.

`README.md` in this folder says what it does, how it differs from Azure, and what it answers with 501.
"""
