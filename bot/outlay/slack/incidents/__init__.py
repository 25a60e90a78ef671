"""Incidents in Slack: one message per incident that is edited in place, its buttons, and the alert settings."""
