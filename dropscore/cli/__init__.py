"""The `dropscore` command. Nothing here is imported before it is needed: help appears within 200 ms."""
