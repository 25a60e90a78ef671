"""The spend question: parse it, plan it, sum it, answer it."""
