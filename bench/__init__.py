"""Benchmarks of the product, each beside what it is compared with: `python -m bench`."""
