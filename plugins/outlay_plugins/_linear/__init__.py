"""The parts of the Linear sink: what is asked of Linear, how, and in which words."""
