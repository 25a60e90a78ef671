"""What the terminal shows: text for people, JSON and CSV for programs."""
