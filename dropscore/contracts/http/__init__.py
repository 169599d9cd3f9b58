"""What the HTTP API answers, as contracts: the OpenAPI description is made of them, and the command line reads them."""
