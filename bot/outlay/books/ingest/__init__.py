"""Take in pages of reports: check them, number their keys, store their entries."""
