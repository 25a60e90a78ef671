"""The app coming to a workspace, and leaving it."""
