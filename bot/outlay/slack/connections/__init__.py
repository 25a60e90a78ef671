"""Form that connects a ledger: for admins, with a credential that is shown only while it is pasted."""
