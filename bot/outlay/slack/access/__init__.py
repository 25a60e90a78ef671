"""Who sees and may do what, and who belongs to which team: `/spend settings`."""
