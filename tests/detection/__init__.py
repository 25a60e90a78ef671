"""The detector: what rings, what does not, and that bad input changes neither."""
