"""`views.*` methods: modals and the Home tab. None of them needs a scope."""

from typing import Any

from outlay.fakes.slack.payloads import view_payload
from outlay.fakes.slack.web_api import ApiMethod, ApiRequest
from outlay.fakes.slack.workspace import FakeSlackError, FakeView

Json = dict[str, Any]


def open_view(request: ApiRequest) -> Json:
    """Answer views.open."""
    trigger = request.world.use_trigger(request.need("trigger_id"))
    definition = request.inspect.validate_view(request.args.get("view"), "modal")
    return _answer(request, request.world.open_modal(trigger.user, definition))


def push(request: ApiRequest) -> Json:
    """Answer views.push, which needs a trigger from a modal."""
    trigger = request.world.use_trigger(request.need("trigger_id"))
    definition = request.inspect.validate_view(request.args.get("view"), "modal")
    if not trigger.view_id:
        raise FakeSlackError("invalid_trigger_id")
    return _answer(request, request.world.open_modal(trigger.user, definition, on_top=True))


def update(request: ApiRequest) -> Json:
    """Answer views.update."""
    definition = request.inspect.validate_view(request.args.get("view"), "modal", "home")
    view = request.world.find_view(request.text("view_id"), request.text("external_id"))
    if view.definition["type"] != definition["type"]:
        raise FakeSlackError("invalid_arguments")
    return _answer(request, request.world.update_view(view, definition, request.text("hash")))


def publish(request: ApiRequest) -> Json:
    """Answer views.publish."""
    definition = request.inspect.validate_view(request.args.get("view"), "home")
    return _answer(request, request.world.publish(request.need("user_id"), definition, request.text("hash")))


def _answer(request: ApiRequest, view: FakeView) -> Json:
    return {"view": view_payload(view, request.world)}


METHODS = {
    "views.open": ApiMethod(open_view),
    "views.push": ApiMethod(push),
    "views.update": ApiMethod(update),
    "views.publish": ApiMethod(publish),
}
