"""Benchmarks of time and size, each beside a raw baseline of the same run, on the machine that is named."""
