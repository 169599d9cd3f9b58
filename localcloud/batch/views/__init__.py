"""Resources as answers of the data plane show them."""
