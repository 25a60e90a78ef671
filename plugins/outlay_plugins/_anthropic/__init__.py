"""Helper package of the Anthropic plugin: API client, response schemas, and a module for each report."""
