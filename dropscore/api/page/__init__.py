"""The page: runs, workers, models and poison queues for people, rendered here and kept fresh by a little script.

routes      the addresses, each asked who calls
visit       who looks, how they came, and what they may do
rendering   templates into answers: a whole page, or only its live parts
security    what the browser is told to refuse, and whose forms are taken
assets      style and script, cached for ever under their digests
deeds       forms: cancel, suspend, resume, rewind, replay, delete, and the poison queues
*_page      one module for each view
words       figures and names as a reader wants them
"""
