"""Slack face: one folder for each feature, in which blocks are pure and listeners are thin."""
