"""Polling: which connection is due, and one poll from request to books."""
