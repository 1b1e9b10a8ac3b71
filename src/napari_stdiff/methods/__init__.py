"""One module a model, the baselines, and the registry that names them."""
