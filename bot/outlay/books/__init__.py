"""Ledger of record: what was observed, what counts, and every figure derived from it.

Read in this order: `tables` (the schema), `accept` (a page of a report becomes entries), `rollups` (entries become sums
by hour and by day), `reports` (questions are answered from those sums).
"""
