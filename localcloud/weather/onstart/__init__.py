"""The folder that goes on the path of processes under the weather."""
