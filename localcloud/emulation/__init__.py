"""What the emulators of Batch and Container Instances share: processes, state on disk, HTTP, time, faults.

keeper      a tiny process that starts the programs, waits for them, and never lets them outlive the emulator
children    the emulator's side of the keeper
programs    from a command line to an argument list that runs on this machine
documents   JSON documents on disk, each write atomic
records     typed, case-insensitive collections over documents
ledger      what happened, as append-only JSON lines
faults      a seeded script of faults
routing     from Microsoft's list of operations to handlers
server      uvicorn on loopback
clock       time as a port; time stamps and durations as Azure writes them
"""
