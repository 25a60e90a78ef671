"""Deliver what the outbox holds: to Slack and to sinks, at least once, with receipts."""
