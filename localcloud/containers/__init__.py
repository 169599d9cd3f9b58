"""An emulator of Azure Container Instances, REST version 2023-05-01, that runs containers as local processes.

`README.md` in this folder says what it does, how it differs from Azure, and what it answers with 501.
"""
