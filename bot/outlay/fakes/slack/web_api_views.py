"""`views.*` methods: modals and the Home tab. None of them needs a scope."""

from typing import Any

from outlay.fakes.slack.payloads import view_payload
from outlay.fakes.slack.web_api import Method, Request
from outlay.fakes.slack.workspace import Refused, View

Json = dict[str, Any]


def open_view(request: Request) -> Json:
    """Answer views.open."""
    trigger = request.world.use_trigger(request.need("trigger_id"))
    definition = request.inspect.view(request.args.get("view"), "modal")
    return _answer(request, request.world.show(trigger.user, definition))


def push(request: Request) -> Json:
    """Answer views.push, which needs a trigger from a modal."""
    trigger = request.world.use_trigger(request.need("trigger_id"))
    definition = request.inspect.view(request.args.get("view"), "modal")
    if not trigger.view_id:
        raise Refused("invalid_trigger_id")
    return _answer(request, request.world.show(trigger.user, definition, on_top=True))


def update(request: Request) -> Json:
    """Answer views.update."""
    definition = request.inspect.view(request.args.get("view"), "modal", "home")
    view = request.world.find_view(request.text("view_id"), request.text("external_id"))
    if view.definition["type"] != definition["type"]:
        raise Refused("invalid_arguments")
    return _answer(request, request.world.change(view, definition, request.text("hash")))


def publish(request: Request) -> Json:
    """Answer views.publish."""
    definition = request.inspect.view(request.args.get("view"), "home")
    return _answer(request, request.world.publish(request.need("user_id"), definition, request.text("hash")))


def _answer(request: Request, view: View) -> Json:
    return {"view": view_payload(view, request.world)}


METHODS = {
    "views.open": Method(open_view),
    "views.push": Method(push),
    "views.update": Method(update),
    "views.publish": Method(publish),
}
