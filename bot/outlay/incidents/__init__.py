"""Incidents: from a detector's verdict to acknowledgment, ticket and end."""
