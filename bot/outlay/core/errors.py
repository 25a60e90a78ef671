"""Root of all errors of Outlay's own, so that one `except` can tell them from those of libraries and from bugs.

Each is defined beside what raises it; this is the tree of all. Errors of the stand-ins in `outlay.fakes` are the
vendors' answers, and not in it. `tests/core/test_errors.py` holds the tree to the code.

OutlayError
* AbsentReportError
* BadPageError
* BlocksRefusedError
* BudgetError
* BusyError
* DemoCheckFailedError
* IncidentNotFoundError
* InvalidInputError
* InvalidTransitionError
* MoneyError
* MonthError
* NotAllowedError
* NotClosableError
* NotDeliveredError
* NotFiniteError
* OwnerError
* PluginCrashedError
* PluginError
  x BadConfig
    + ChoiceNeeded
  x NeedsReauth
  x Permanent
    + LinearRefused
    + TooMuch
  x RateLimited
  x Transient
* PricesError
* QueryError
* RenderFailedError
* SettingsError
* SocketRefusedError
* StartError
* StateError
* StreamError
* UndeliverableError
* UnexpectedWordError
* UsageError
* UserFacingError
  x PermissionRefusedError
  x TooManyTasksError
* VaultError
  x VaultUnavailableError
* WorkspaceError
"""


class OutlayError(Exception):
    """Error of Outlay's own. Its text is for people, unless its class says otherwise."""
