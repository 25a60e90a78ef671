"""Benchmark of the detector's quality: synthetic companies, some to fit on and some held out, and a scorer."""
