"""App Home tab in Slack."""
