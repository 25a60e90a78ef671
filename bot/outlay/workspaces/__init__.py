"""Workspaces: tenants, their Slack installations and their preferences."""
