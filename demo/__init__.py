"""The demo: a clip made here, styled on the local cloud, checked against its input.

It stands beside the product and not inside it: it starts the local cloud and draws on scikit-image's
photographs, and the product may do neither.
"""
