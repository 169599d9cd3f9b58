"""What the emulator knows: immutable pools, nodes, jobs and tasks, each with its transitions as pure methods."""
