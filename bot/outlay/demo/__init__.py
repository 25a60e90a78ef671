"""Demo: the whole product on one machine, with stand-ins for Slack and the ledgers, and the story they tell."""
