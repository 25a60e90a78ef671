"""Digests in Slack: scheduled reports of what was spent yesterday, last week or last month, and what changed."""
