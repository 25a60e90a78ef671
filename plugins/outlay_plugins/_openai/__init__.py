"""The parts of the OpenAI plugin: what its answers look like, how they are paged, and its two reports.

`shapes` reads JSON and trusts none of it; `paging` follows cursors and knows when to stop; `line_items` tells models
from other things on the bill; `costs`, `usage` and `account` ask the questions.
"""
