"""What `benchmarks/interpolation.py` is made of: cases, units of work, tests, tables, figures."""
