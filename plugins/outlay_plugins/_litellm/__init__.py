"""The parts of the LiteLLM plugin: what its answers look like, its two reports, and who its keys and users are.

`shapes` reads JSON and trusts none of it; `figures` adds up; `logs` and `daily` ask; `people` lists keys and users.
The folder's name begins with `_`, so the loader does not take it for a plugin.
"""
