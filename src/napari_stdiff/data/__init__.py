"""Stores in, results out: Tissue, Prediction, normalisation, run records, the simulated tissue."""
