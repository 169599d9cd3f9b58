"""Container Instances over HTTP, as Azure Resource Manager shows it."""
