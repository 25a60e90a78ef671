"""Roll-ups: the hours and days that answers are summed from, derived from entries."""
