"""Helper package of the OpenRouter plugin: response schemas, aggregation, account directory, and its reports.

No JSON is trusted before it has been read field by field.
The folder's name begins with `_`, so the loader does not take it for a plugin.
"""
