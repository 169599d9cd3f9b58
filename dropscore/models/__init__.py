"""Model packages: read and verify them, build their networks, keep them in a registry, import foreign weights.

Importing this package, or any module of it outside `networks/`, does not import torch.
"""
