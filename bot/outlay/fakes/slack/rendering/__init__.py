"""Draw Slack's blocks as people see them: in a terminal and as HTML."""
