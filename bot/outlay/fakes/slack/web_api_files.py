"""`files.*` methods as Slack takes files since 2025: get an address, post the bytes there, say where the file goes."""

import json
from typing import Any

from starlette.requests import Request as HttpRequest
from starlette.responses import PlainTextResponse, Response

from outlay.fakes.slack.web_api import ApiMethod, ApiRequest
from outlay.fakes.slack.workspace import FakeSlackError, FakeWorkspace

Json = dict[str, Any]

FILES_MAX = 200
FILE_BYTES_MAX = 20_000_000


def get_upload_url(request: ApiRequest) -> Json:
    """Answer files.getUploadURLExternal."""
    name, length = request.need("filename"), int(request.need("length"))
    files = request.world.files
    if len(files) >= FILES_MAX or length > FILE_BYTES_MAX:
        raise FakeSlackError("file_upload_size_restricted")
    file_id = f"F{len(files) + 1:09d}"
    files[file_id] = {"id": file_id, "name": name, "length": length, "alt_txt": request.text("alt_txt"), "bytes": None}
    return {"upload_url": f"{request.base_url}upload/{file_id}", "file_id": file_id}


def complete_upload(request: ApiRequest) -> Json:
    """Answer files.completeUploadExternal, and post a message if it names a channel."""
    wanted = request.args.get("files")
    wanted = json.loads(wanted) if isinstance(wanted, str) else wanted
    done = []
    for item in wanted or []:
        file = request.world.files.get(item.get("id"))
        if file is None or file["bytes"] is None:
            raise FakeSlackError("file_not_found")
        done.append({"id": file["id"], "title": item.get("title") or file["name"], "name": file["name"]})
    if channel_id := request.text("channel_id") or request.text("channels"):
        channel = request.world.writable_channel(channel_id)
        names = ", ".join(file["name"] for file in done)
        text = request.text("initial_comment") or f"uploaded a file: {names}"
        request.world.post(channel.id, text, [], thread_ts=request.text("thread_ts"))
    return {"files": done}


def info(request: ApiRequest) -> Json:
    """Answer files.info."""
    file = request.world.files.get(request.need("file"))
    if file is None:
        raise FakeSlackError("file_not_found")
    return {"file": {name: value for name, value in file.items() if name != "bytes"}}


class Uploads:
    """`/upload/…`: receives the bytes of one announced file."""

    def __init__(self, world: FakeWorkspace) -> None:
        self._world = world

    async def endpoint(self, http: HttpRequest) -> Response:
        """Store the bytes of an announced file; answer 404 for any other or a too large one."""
        file = self._world.files.get(http.path_params["name"])
        body = await http.body()
        if file is None or len(body) > FILE_BYTES_MAX:
            return PlainTextResponse("no such upload", 404)
        file["bytes"] = body
        return PlainTextResponse(f"OK - {len(body)}")


METHODS = {
    "files.getUploadURLExternal": ApiMethod(get_upload_url, ("files:write",)),
    "files.completeUploadExternal": ApiMethod(complete_upload, ("files:write",)),
    "files.info": ApiMethod(info, ("files:read",)),
}
