"""An invented company whose developers and agents spend money."""
