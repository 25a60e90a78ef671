"""Spend questions in Slack: `/spend` and its answer."""
