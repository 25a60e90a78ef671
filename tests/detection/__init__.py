"""Tests of the detector: what alerts, what does not, and that bad input changes neither."""
