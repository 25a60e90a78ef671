"""Connecting a ledger in a modal: for admins, with a credential that is seen once."""
