"""Owners of keys in Slack."""
