"""The sweep: finds what events, orchestrations and clean-ups have left undone, and mends it.

    sweep       one sweep: under a lease, bounded in time, from where the last one stopped
    lease       one sweeper at a time, by storage's time and ETags
    rounds      what a sweep knows and notes
    starting    what it asks of the durable side, without waiting in the event loop
    triggers    trigger files of which nobody knows
    lost_runs   runs whose orchestration is gone or stands still, and runs past their deadline
    leavings    ended runs whose clean-up, or deletion, was not finished
    groups      container groups of runs that have ended or do not exist
    strays      messages of such runs, and messages that nobody can read

A listing only makes suspicious: before anything is ended or deleted, the run itself is read.
"""
