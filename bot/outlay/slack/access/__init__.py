"""Access policy and teams in Slack: `/spend settings`."""
