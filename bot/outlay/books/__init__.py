"""The ledger of record: what was observed, what counts, and every figure that follows from it.

Read in this order: `tables` (what is kept), `accept` (how a page of a report becomes entries), `rollups` (how entries
become the figures that lenses read), `reports` (how a question is answered from them).
"""
