"""What is done: connecting, polling, delivering; by hand from the command line, or by the clock."""
