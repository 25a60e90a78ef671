"""What the bot serves over HTTP: health, metrics, webhooks, and the requests of Slack where no socket is used."""
