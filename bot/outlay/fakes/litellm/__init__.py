"""A stand-in for a LiteLLM proxy."""
