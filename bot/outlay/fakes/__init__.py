"""Stand-ins for vendors and Slack that answer as the real ones do; for the demo, tests and benchmarks."""
