"""Digests: who gets which summary, when, and what it says."""
