"""Small accounts at OpenAI, Anthropic and LiteLLM: a stand-in, of which some answers are replaced by a test's own."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

Answer = Callable[[Mapping[str, str]], Any]  # from the parameters of a request


class Replaced:
    """A stand-in whose paths that end as given answer otherwise."""

    def __init__(self, app: ASGIApp, answers: dict[str, Answer]) -> None:
        self.app, self.answers = app, answers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            for end, answer in self.answers.items():
                if scope["path"].endswith(end):
                    asked = dict(Request(scope).query_params)
                    await JSONResponse(answer(asked))(scope, receive, send)
                    return
        await self.app(scope, receive, send)


def openai_usage(at: datetime, *lines: dict[str, Any]) -> Answer:
    """Tell these lines of one minute."""

    def answer(asked: Mapping[str, str]) -> Any:
        begins = int(at.timestamp())
        if not int(asked["start_time"]) <= begins < int(asked.get("end_time", begins + 1)):
            return {"object": "page", "data": [], "has_more": False, "next_page": None}
        bucket = {"object": "bucket", "start_time": begins, "end_time": begins + 60, "results": list(lines)}
        return {"object": "page", "data": [bucket], "has_more": False, "next_page": None}

    return answer


def openai_costs(day: datetime, *lines: dict[str, Any]) -> Answer:
    """Tell these lines of one day's bill; without any its bucket is there, and empty."""
    return openai_usage(day, *lines)


def anthropic_report(at: datetime, *lines: dict[str, Any]) -> Answer:
    """Tell these lines of one bucket."""

    def answer(asked: Mapping[str, str]) -> Any:
        start, end = (datetime.fromisoformat(asked[name]).astimezone(UTC) for name in ("starting_at", "ending_at"))
        data = [{"starting_at": f"{at:%Y-%m-%dT%H:%M:%SZ}", "results": list(lines)}] if start <= at < end else []
        return {"data": data, "has_more": False, "next_page": None}

    return answer


def litellm_logs(*lines: dict[str, Any]) -> Answer:
    """List these request lines."""

    def answer(asked: Mapping[str, str]) -> Any:
        inside = [
            line
            for line in lines
            if asked["start_date"] <= line["startTime"][:19].replace("T", " ") <= asked["end_date"]
        ]
        return {"data": inside, "total": len(inside), "page": 1, "page_size": 1000, "total_pages": 1}

    return answer


def litellm_daily(day: datetime, model: str, key: str, metrics: dict[str, Any]) -> Answer:
    """Sum up one day of one key and model."""
    part = {"metrics": metrics, "metadata": {}, "api_key_breakdown": {key: {"metrics": metrics, "metadata": {}}}}
    breakdown = {"models": {model: part}, "providers": {"anthropic": part}}

    def answer(asked: Mapping[str, str]) -> Any:
        told = {"date": f"{day:%Y-%m-%d}", "metrics": metrics, "breakdown": breakdown}
        return {"results": [told] if asked["start_date"] <= told["date"] <= asked["end_date"] else []}

    return answer
