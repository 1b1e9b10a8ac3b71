"""Parts of the papers' own configurations of methods that fill in entries."""
