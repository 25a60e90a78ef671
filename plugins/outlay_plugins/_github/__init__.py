"""GitHub issues: texts."""
