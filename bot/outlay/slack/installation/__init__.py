"""Installation and removal of the Slack app."""
