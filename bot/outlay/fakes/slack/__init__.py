"""A stand-in for Slack: Web API, Socket Mode, signed requests, and a screen to read."""
