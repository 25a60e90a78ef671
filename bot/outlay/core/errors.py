"""Root of all errors of Outlay's own, so that one `except` can tell them from those of libraries and from bugs.

Each is defined beside what raises it; this is the tree of all. Errors of the stand-ins in `outlay.fakes` are the
vendors' answers, and not in it. `tests/core/test_errors.py` holds the tree to the code.

OutlayError
* Absent
* BadPageError
* BlocksRefused
* Broke
* BudgetError
* BusyError
* MoneyError
* MonthError
* NoPicture
* NoSuchIncident
* NotAllowed
* NotClosable
* NotDelivered
* NotFinite
* NotHeld
* NotNow
* OwnerError
* PluginError
  x BadConfig
    + ChoiceNeeded
  x NeedsReauth
  x Permanent
    + Refused
    + TooMuch
  x RateLimited
  x Transient
* PricesError
* QueryError
* SettingsError
* SocketRefused
* StartError
* StateError
* StreamError
* Told
  x Busy
  x Refused
* Undeliverable
* Unexpected
* UsageError
* VaultError
  x VaultUnavailable
* WorkspaceError
* Wrong
"""


class OutlayError(Exception):
    """Error of Outlay's own. Its text is for people, unless its class says otherwise."""
