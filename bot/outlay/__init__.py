"""Outlay: who spent what, on which model, read from the ledgers that providers already keep."""

__version__ = "0.1.0"
