"""How fast, how small: each figure beside a raw baseline of the same run, on the machine that is named."""
