"""Canonical model names for reading: `anthropic/claude-sonnet-4.5`; the ledger's own spelling is kept beside.

Vendors and gateways spell the same model with dates, with dots or dashes, in another order of words, with or without
the maker's name, behind the name of a cloud or a gateway. What a variant costs differently (`:free`, `:thinking`,
`-fast`) stays a part of the name, and so does a snapshot that costs something else. The operator's own names (of a
deployment, say) take precedence: `set_custom_names`.
"""

import re
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType

MAX_ROUNDS = 6  # nested prefixes to strip; names with more are left as they are
_DATE = re.compile(r"(?<=.)(?:\s*[-@_]20\d{2}-?[01]\d-?[0-3]\d)+\Z")
_CLAUDE = re.compile(r"^claude-(?:(\d+)(?:[.-](\d{1,2}))?-)?([a-z]+)(?:-(\d+)(?:[.-](\d{1,2}))?)?$")
_CLAUDE_TAIL = re.compile(r"(?:(?<=\d)-v\d|(?:-|@)latest|@default)$")
_DASHED = re.compile(r"(?<![\d.])(\d{1,2})-(\d)(?=-|$)")  # 4-1 for 4.1, but neither 4-32k nor 4-0613
_FIREWORKS = re.compile(r"(?<=v\d)p(?=\d)")  # v3p1 for v3.1
_GEMINI = re.compile(r"^(gemini-[2-9][\d.]*-[a-z-]+)-00\d$")  # from 2.0 on, numbered releases cost the same
_BEDROCK = (
    *("anthropic", "amazon", "meta", "mistral", "cohere", "deepseek", "openai", "qwen", "ai21", "nvidia", "writer"),
    *("zai", "moonshotai", "minimax"),
)
_REGION = re.compile(r"^(?:us|eu|apac|au|jp|ca|sa|us-gov|global)\.(?=[a-z0-9-]+\.)")  # Bedrock's inference profiles
_DOTTED = re.compile(r"^(" + "|".join(_BEDROCK) + r")\.(?=[a-z])")
_PATH = re.compile(r"^(?:projects/[^/]+/locations/[^/]+/)?(?:publishers|accounts)/([^/]+)/models/")  # Vertex, Fireworks
_APART = frozenset({"gpt-4o-2024-05-13"})  # costs twice what later snapshots do
_ROUTES = frozenset(
    (
        *("openrouter", "azure", "azure_ai", "bedrock", "bedrock_converse", "converse", "invoke"),
        *("vertex_ai", "vertex_ai_beta", "litellm_proxy", "models", "@cf"),
    )
)
_SPELLED = {
    "deepseek-ai": "deepseek",
    "meta": "meta-llama",
    "mistral": "mistralai",
    "xai": "x-ai",
    "gemini": "google",
    "minimaxai": "minimax",
    "zai-org": "z-ai",
    "zai": "z-ai",
    "zhipuai": "z-ai",
    "moonshot": "moonshotai",
}
_MAKERS = (
    (re.compile(r"^claude"), "anthropic"),
    (re.compile(r"^(gpt|chatgpt|o[1-9]|text-embedding|dall-e|whisper|tts|omni|codex|davinci|babbage|sora)"), "openai"),
    (re.compile(r"^(gemini|gemma|imagen|veo)"), "google"),
    (re.compile(r"^(mistral|mixtral|codestral|ministral|magistral|devstral|pixtral)"), "mistralai"),
    (re.compile(r"^deepseek"), "deepseek"),
    (re.compile(r"^grok"), "x-ai"),
    (re.compile(r"^(qwen|qwq)"), "qwen"),
    (re.compile(r"^llama"), "meta-llama"),
    (re.compile(r"^kimi"), "moonshotai"),
    (re.compile(r"^glm-"), "z-ai"),
    (re.compile(r"^minimax-"), "minimax"),
)
_KNOWN = frozenset(maker for _, maker in _MAKERS)

_own: Mapping[str, str] = MappingProxyType({})


def set_custom_names(own: Mapping[str, str]) -> None:
    """Set the operator's own names, once, at the start: a ledger's spelling or a canonical name → the name to show."""
    global _own
    _own = MappingProxyType({_tidy(spelling): _tidy(name) for spelling, name in own.items()})
    canonical.cache_clear()


@lru_cache(maxsize=4096)
def canonical(name: str) -> str:
    """Return the canonical name. An unknown name comes back in lower case, otherwise unchanged."""
    found = _tidy(name)
    if found in _own:
        return _own[found]
    if found in _own.values():
        return found
    for _ in range(MAX_ROUNDS):
        before, found = found, _step(found)
        if found == before:
            break
    return _own.get(found, found)


def _tidy(name: str) -> str:
    return " ".join(name.lower().split())


def _step(name: str) -> str:
    """Strip one more layer of spelling from the name."""
    base, colon, variant = name.partition(":")
    if variant == "0":  # Bedrock numbers its releases: -v1:0
        colon = variant = ""
    elif variant.startswith(" ") and maker_of(variant.strip()):  # as people read it: "Anthropic: Claude Sonnet 4.5"
        return variant.strip()
    maker, slash, model = _unrouted(base.strip(" /")).rpartition("/")
    model = _respelled(model.strip())
    if not slash:
        maker = maker_of(model)
    else:
        last = _SPELLED.get(maker.rpartition("/")[2], maker.rpartition("/")[2])
        maker = last if last in _KNOWN else maker  # a gateway's prefix before the maker's own: openrouter/anthropic/…
    return (f"{maker}/{model}" if maker else model) + (f":{variant}" if colon else "")


def maker_of(model: str) -> str:
    """Return the maker of a model of this bare name; "" if unknown."""
    return next((known for pattern, known in _MAKERS if pattern.match(model)), "")


def _unrouted(base: str) -> str:
    """Strip the cloud or gateway prefix, where the rest says whose model it is."""
    if (path := _PATH.match(base)) is not None:
        rest = base[path.end() :]
        return rest if maker_of(rest) else f"{path[1]}/{rest}"
    dotted = _DOTTED.sub(r"\1/", _REGION.sub("", base))
    if dotted != base:
        return dotted
    route, slash, rest = base.partition("/")
    if slash and route in _ROUTES and ("/" in rest or maker_of(rest) or _DOTTED.match(_REGION.sub("", rest))):
        return rest
    return base


def _respelled(model: str) -> str:
    """Normalize the spelling of a bare model's name."""
    plain = model.removeprefix("meta-") if model.startswith("meta-llama") else model
    if maker_of(plain):
        plain = plain.replace(" ", "-")
    if plain in _APART:
        return plain
    if plain.startswith("claude-") and any(letter.isdigit() for letter in plain):  # claude-latest is no model
        plain = _CLAUDE_TAIL.sub("", plain)
    plain = _GEMINI.sub(r"\1", _FIREWORKS.sub(".", _DATE.sub("", plain)))
    if (match := _CLAUDE.match(plain)) and not (match[1] and match[4]):
        major, minor = (match[1], match[2]) if match[1] else (match[4], match[5])
        version = f"{major}.{minor}" if int(minor or 0) else major
        return f"claude-{match[3]}" + (f"-{version}" if version else "")
    return _DASHED.sub(r"\1.\2", plain)
