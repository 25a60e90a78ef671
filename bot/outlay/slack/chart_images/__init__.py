"""Charts as pictures, for where Slack's own chart block is not known, and for whoever wants them all the same."""
