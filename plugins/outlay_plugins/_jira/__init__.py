"""Jira issues: texts."""
