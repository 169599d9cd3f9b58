"""The sciences: one folder for each workload, all with the same file names, found through `registry`."""
