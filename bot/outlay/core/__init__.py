"""The pure heart: money, tokens, time, queries, answers. No I/O, no Slack, no SQL; it imports nothing of ours."""
