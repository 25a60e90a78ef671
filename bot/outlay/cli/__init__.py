"""The command line: parser, commands, exit codes."""
