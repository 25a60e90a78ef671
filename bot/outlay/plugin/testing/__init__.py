"""Conformance kits: hold a ledger or a sink plugin to the contract."""
