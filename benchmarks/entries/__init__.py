"""Helpers of the benchmarks of filled-in entries."""
