"""A stand-in for Anthropic's Admin API."""
