"""Result pages of an installation from a browser. Text only: no script, no style, no external resource."""

from html import escape

from outlay.slack.installation.ids import INSTALL_PATH

_WHY = {
    "access_denied": "You have not allowed it, so nothing was installed.",
    "invalid_browser": "This answer belongs to another browser, or cookies are switched off. Begin again in this one.",
    "invalid_state": "This installation was finished already, or it took more than ten minutes.",
    "missing_code": "Slack sent no code along.",
    "invalid_code": "Slack does not take the code; each is good once, for ten minutes.",
    "storage_error": "It could not be kept. Outlay is installed workspace by workspace, not for a whole organization; "
    "if that is not it, the log of the bot says what is wrong.",
}
_OTHER = "Slack says it did not work."


def installed_page(team: str, app_id: str, team_id: str) -> str:
    """Build the page after a successful installation, with what to do next."""
    link = f"slack://app?team={escape(team_id)}&amp;id={escape(app_id)}&amp;tab=home"
    return _page(
        "Outlay is installed",
        f"<p>Outlay is installed in {escape(team)}.</p>"
        f'<p><a href="{link}">Open it in Slack</a>, and type <code>/spend connect</code> to connect a ledger.</p>',
    )


def failed_page(reason: str) -> str:
    """Build the page after a failed installation, with the reason and a link to begin again."""
    words = _WHY.get(reason, _OTHER)
    return _page("Outlay was not installed", f'<p>{escape(words)}</p><p><a href="{INSTALL_PATH}">Begin again</a></p>')


def _page(title: str, body: str) -> str:
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title></head>'
        f"<body><h1>{title}</h1>{body}</body></html>\n"
    )
