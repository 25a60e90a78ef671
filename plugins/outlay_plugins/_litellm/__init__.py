"""Helper package of the LiteLLM plugin: response schemas, aggregation, its two reports, and its keys and users.

The folder's name begins with `_`, so the loader does not take it for a plugin.
"""
