"""A small Functions host: it loads a real `function_app.py` and gives it its triggers, as `func start` does.

functions   load the app through Microsoft's worker library, invoke its functions
http        HTTP triggers
queues      queue triggers: dequeue counts, poison queues
blobs       blob triggers: once for each version of a blob, poison messages
timers      timer triggers
pump        orchestrators and activities, between the durable backend and the app
events      what storage says has changed, so that nothing has to be polled quickly
run         all of them together, and their life
"""
