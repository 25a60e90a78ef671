"""What admins are told when a connection needs them."""
