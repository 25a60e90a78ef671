"""Helper package of the OpenAI plugin: response schemas, paging, account directory, and its two reports.

No JSON is trusted before it has passed a schema. Paging follows cursors and always ends. Line items are parsed to tell
models from other things on the bill.
"""
