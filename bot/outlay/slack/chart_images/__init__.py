"""Charts as PNG images, for workspaces without Slack's chart block and for those that want an image anyway."""
