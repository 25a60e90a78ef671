"""The parts of the OpenRouter plugin: what its answers look like, how figures add up, and its two reports.

`shapes` reads JSON and trusts none of it; `figures` is the arithmetic; `activity` and `analytics` ask the questions.
The folder's name begins with `_`, so the loader does not take it for a plugin.
"""
