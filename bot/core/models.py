"""One canonical name per model, for reading: `anthropic/claude-sonnet-4.5`; the ledger's own spelling is kept beside.

Vendors and gateways spell the same model with dates, with dots or dashes, in another order of words, with or without
the maker's name. What a variant costs differently (`:free`, `:thinking`) stays a part of the name.
"""

import re
from functools import lru_cache

_DATE = re.compile(r"(?<=.)(?:\s*[-@_]20\d{2}-?[01]\d-?[0-3]\d)+\Z")
_CLAUDE = re.compile(r"^claude-(?:(\d+)(?:[.-](\d{1,2}))?-)?([a-z]+)(?:-(\d+)(?:[.-](\d{1,2}))?)?$")
_MAKERS = (
    (re.compile(r"^claude"), "anthropic"),
    (re.compile(r"^(gpt|chatgpt|o[1-9]|text-embedding|dall-e|whisper|tts|omni|codex|davinci|babbage|sora)"), "openai"),
    (re.compile(r"^(gemini|gemma|imagen|veo)"), "google"),
    (re.compile(r"^(mistral|codestral|ministral|magistral|devstral|pixtral)"), "mistralai"),
    (re.compile(r"^deepseek"), "deepseek"),
    (re.compile(r"^grok"), "x-ai"),
    (re.compile(r"^(qwen|qwq)"), "qwen"),
    (re.compile(r"^llama"), "meta-llama"),
    (re.compile(r"^kimi"), "moonshotai"),
)


@lru_cache(maxsize=4096)
def canonical(name: str) -> str:
    """The name for reading. A name that nothing is known of comes back in lower case, as it was."""
    base, colon, variant = " ".join(name.lower().split()).partition(":")
    maker, slash, model = base.strip(" /").rpartition("/")
    model = _DATE.sub("", model.strip())
    if (match := _CLAUDE.match(model)) and not (match[1] and match[4]):
        major, minor = (match[1], match[2]) if match[1] else (match[4], match[5])
        version = f"{major}.{minor}" if minor else major
        model = f"claude-{match[3]}" + (f"-{version}" if version else "")
    if not slash:
        maker = next((known for pattern, known in _MAKERS if pattern.match(model)), "")
    elif maker.rpartition("/")[2] in ("openai", "anthropic", "google"):
        maker = maker.rpartition("/")[2]  # a gateway's prefix before the maker's own: openrouter/anthropic/…
    return (f"{maker}/{model}" if maker else model) + (f":{variant}" if colon else "")
