"""How one outside step is done: small classes over ports, whose methods carry the names of `ActivityName`.

Each method decodes its input, does one job of two seconds at most, and encodes its result. Expected failure is a
value in the result; a transient one is raised, and the orchestration's retry policy tries again. Every step may be
carried out twice, at once or after a crash: it looks first, and writes so that the second time changes nothing.

    admit        request.json to admission.json: everything a run refers to, checked and resolved
    containers   start, look at and remove the containers that plan and stitch
    plan         read the plan
    shards       put shards on their lane's queue, once or again
    workers      see that enough workers are there or coming
    verdicts     count the verdicts
    finish       publish or close the run, and write its receipt
    clean_up     remove what is left of it
    states       the record of a run that others read
"""
