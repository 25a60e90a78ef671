"""Pure domain code: money, tokens, time, queries, answers. No I/O, Slack or SQL; imports nothing else of Outlay."""
