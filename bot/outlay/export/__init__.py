"""Exports: months as rows, FOCUS and CSV."""
