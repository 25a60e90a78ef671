"""Connections to ledgers: credentials, roles, leases, rotation."""
