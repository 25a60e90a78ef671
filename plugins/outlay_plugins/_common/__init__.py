"""The toolkit that built-in plugins share."""
