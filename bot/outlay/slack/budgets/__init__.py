"""Budgets in Slack: soft limits, how much of each is spent, and a form to set one."""
