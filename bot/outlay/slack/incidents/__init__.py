"""Incidents as people meet them: one living message, what can be done to it, and how alerts go."""
