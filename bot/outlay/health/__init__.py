"""Health checks and metrics of the running bot."""
