"""Prices: the list, what tokens are worth by it, and its calibration by what providers billed."""
