"""Methods that fill in what an assay missed: entries (spot and gene) of a measured table."""
