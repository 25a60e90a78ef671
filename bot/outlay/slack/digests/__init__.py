"""What was spent yesterday, last week or last month, and what changed: told without being asked."""
