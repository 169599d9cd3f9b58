"""What makes things happen: nodes come and go, tasks run, jobs end.

Everything is level-triggered. `engine.Engine.settle` looks at the account as it is and does what is due: it advances
jobs, pools and nodes, evaluates formulas, gives waiting tasks to free slots, and sets one timer for the next moment at
which something falls due. It runs when something has changed (`Signals.wake`) and when the timer rings, never else;
after a restart it takes up whatever the disk says.
"""
