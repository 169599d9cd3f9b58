"""The HTTP side: starting runs (also for trigger files), showing them, stopping them.

    starting    from a trigger file or a call to a run, once however often it is asked for
    app         the ASGI application and its routes
    runs        what `/api/runs` answers
    listing     the runs, newest first, by pages
    files       links to outputs and inputs, and links to upload
    problems    errors as RFC 9457 problem documents
    boundary    the outermost layer: the run's orchestrations on the way in, no exception on the way out

`function_app.py` mounts the application; any other ASGI server can.
"""
