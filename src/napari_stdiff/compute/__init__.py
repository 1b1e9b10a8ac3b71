"""Progress, cancel, device choice, errors and the base of every config."""
