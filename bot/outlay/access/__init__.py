"""Access: who may do and see what."""
