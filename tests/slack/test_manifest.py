"""The manifest against the code: each scope is used, each call has its scope, each id has a listener."""

import ast
import inspect
import json
import os
from collections.abc import Iterator
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml
from slack_bolt.request.async_request import AsyncBoltRequest
from slack_bolt.response import BoltResponse

from outlay.fakes.slack.server import SCOPES
from outlay.slack.app import FEATURES
from outlay.slack.client import IDEMPOTENT
from outlay.slack.health_check import OPTIONAL_SCOPES, REQUIRED_SCOPES
from outlay.slack.home import ids as home_ids
from outlay.slack.installation import ids as install_ids
from outlay.slack.spend import ids as spend_ids
from outlay.slack.spend.command_text import COMMAND
from tests.slack.app_without_slack import an_app
from tests.workspace import ROOT

SOURCES = ROOT / "bot" / "outlay" / "slack"
MANIFEST: dict[str, Any] = yaml.safe_load((ROOT / "manifest.yml").read_text("utf-8"))
BOT_SCOPES: list[str] = MANIFEST["oauth_config"]["scopes"]["bot"]
SCOPE_OF: dict[str, str | None] = {
    "apps_connections_open": None,  # an app-level token's own: connections:write
    "auth_test": None,
    "chat_postMessage": "chat:write",
    "chat_postEphemeral": "chat:write",
    "chat_update": "chat:write",
    "files_upload_v2": "files:write",
    "chat_getPermalink": None,
    "conversations_history": "*:history",
    "conversations_replies": "*:history",
    "conversations_open": "im:write",
    "users_info": "users:read",
    "users_list": "users:read",
    "users_lookupByEmail": "users:read.email",
    "views_open": None,
    "views_push": None,
    "views_publish": None,
    "views_update": None,
}


def calls() -> Iterator[str]:
    """Every Web API method that the Slack face calls, by its name in the SDK."""
    for path in SOURCES.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                name = node.func.attr
                if name.split("_")[0] in ("chat", "users", "views", "conversations", "apps", "files", "auth"):
                    yield name


def test_it_is_a_valid_manifest() -> None:
    path = ROOT.parent / "shared" / "specs" / "slack-app-manifest.schema.json"
    if not path.is_file():
        pytest.skip("the published manifest schema is not at hand")
    validator = import_module("jsonschema.validators")
    schema = json.loads(path.read_text("utf-8"))

    assert [error.message for error in validator.validator_for(schema)(schema).iter_errors(MANIFEST)] == []


def test_every_call_has_its_scope_and_every_scope_a_call() -> None:
    used = set(calls())

    assert used - set(SCOPE_OF) == set(), "a method whose scope this test does not know"
    needed = {SCOPE_OF[name] for name in used} - {None, "*:history"} | {"commands"}
    assert needed | {f"{place}:history" for place in ("channels", "groups", "im")} | {"app_mentions:read"} == set(
        BOT_SCOPES
    )
    assert set(MANIFEST["oauth_config"]["scopes"]["bot_optional"]) == set(OPTIONAL_SCOPES)
    assert set(REQUIRED_SCOPES) | set(OPTIONAL_SCOPES) == set(BOT_SCOPES)
    assert set(SCOPES) == set(BOT_SCOPES), "the stand-in grants what the manifest asks for"


def test_nothing_that_is_not_idempotent_is_on_the_list_of_what_is_tried_again() -> None:
    assert not IDEMPOTENT & {
        "chat.postMessage",
        "chat.postEphemeral",
        "views.open",
        "files.completeUploadExternal",
        "files.getUploadURLExternal",
    }


def test_the_command_and_the_events_are_those_the_code_listens_to() -> None:
    events = {*home_ids.Event, *install_ids.Event, *spend_ids.Event}

    assert [command["command"] for command in MANIFEST["features"]["slash_commands"]] == [COMMAND]
    assert set(MANIFEST["settings"]["event_subscriptions"]["bot_events"]) == events
    assert MANIFEST["settings"]["socket_mode_enabled"] is True
    assert MANIFEST["settings"]["interactivity"]["is_enabled"] is True


IDS = [
    member
    for path in sorted(SOURCES.glob("*/ids.py"))
    for kind in vars(import_module(f"outlay.slack.{path.parent.name}.ids")).values()
    if isinstance(kind, type) and issubclass(kind, StrEnum) and kind is not StrEnum
    for member in kind
]


def call_of(member: StrEnum) -> dict[str, Any]:
    """What Slack sends for an id."""
    match type(member).__name__:
        case "Action":
            return {"type": "block_actions", "actions": [{"action_id": member, "block_id": "b", "type": "button"}]}
        case "View":
            return {"type": "view_submission", "view": {"type": "modal", "callback_id": member}}
    return {"type": "event_callback", "event": {"type": member}}


@pytest.mark.parametrize(
    "member",
    [one for one in IDS if type(one).__name__ in ("Action", "View", "Event")],
    ids=lambda member: f"{type(member).__name__} {member}",
)
async def test_every_id_has_one_listener(member: StrEnum) -> None:
    request = AsyncBoltRequest(body=json.loads(json.dumps(call_of(member))), mode="socket_mode")
    response = BoltResponse(status=200)

    matching = [
        listener for listener in an_app()._async_listeners if await listener.async_matches(req=request, resp=response)
    ]

    assert len(matching) == 1


def test_ids_are_written_down_once() -> None:
    ids = {str(member) for member in IDS if type(member).__name__ != "Event"}
    for path in SOURCES.rglob("*.py"):
        if path.name != "ids.py":
            texts = {
                node.value for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Constant)
            }
            assert not ids & texts, path


def test_each_feature_has_the_same_few_files() -> None:
    for feature in FEATURES:
        folder = Path(inspect.getfile(feature)).parent
        assert {"__init__.py", "listeners.py"} <= {path.name for path in folder.iterdir()}


def test_building_the_app_reads_nothing_from_the_environment_and_leaves_it_alone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("SLACK_BOT_TOKEN", "xoxb-from-outside")
    monkeypatch.setenv("SLACK_CLIENT_ID", "1")
    monkeypatch.setenv("SLACK_CLIENT_SECRET", "2")

    app = an_app()

    assert app.oauth_flow is None
    assert app.client.token is None
    assert os.environ["SLACK_CLIENT_ID"] == "1"
    assert caplog.records == []
