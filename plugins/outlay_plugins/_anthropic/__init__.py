"""The parts of the Anthropic plugin: what its answers are, how it is asked, and what becomes of each report."""
