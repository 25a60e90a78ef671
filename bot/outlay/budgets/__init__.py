"""Budgets and what is said when they are reached."""
