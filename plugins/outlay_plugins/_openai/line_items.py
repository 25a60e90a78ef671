"""Parser of the bill's line items: the model is the longest beginning that names one, else there is none.

OpenAI's usage names dated snapshots ("gpt-5-2025-08-07"), its bill has a wording of its own: "gpt-5, input_tokens",
"GPT-4o mini text input", "web search tool calls". Dates are folded where names are made canonical. What is not a model
(searches, storage, sessions) has none, even where a model's name stands before it.
"""

import re
from functools import lru_cache

OVERRIDES = {  # lines whose words cannot be parsed
    "dall·e 2": "dall-e-2",
    "dall·e 3": "dall-e-3",
    "embedding models": "",
    "fine-tuning models": "",
}
_MODEL = re.compile(
    r"(ft:)?(gpt|chatgpt|o\d|text-embedding|text-moderation|omni-moderation|computer-use|codex|dall-e|whisper|tts|sora"
    r"|davinci|babbage)(-[\w.:-]+|\d[\w.:-]*)?"
)
_KIND = re.compile(
    r"input|output|(un)?cached?|read|write|tokens?|text|audio|images?|video|usage|training|batch|flex|priority|standard"
    r"|default|scale|tier"
)
_NO_MODEL = re.compile(r"(?<!\S)(search|tool|calls?|interpreter|storage|sessions?|containers?|hosting|grader)(?!\S)")
_TIER = re.compile(r"-(batch|flex|priority|scale)$")
_TIER_TOLD = re.compile(r"\b(batch|flex|priority|scale)\b")


@lru_cache(maxsize=4096)
def model_of(line_item: str) -> str:
    """Return the model in OpenAI's spelling, "" if the line is about none."""
    whole = " ".join(line_item.lower().split())
    head = re.split(r"[,|(]", whole, maxsplit=1)[0].strip()
    if head in OVERRIDES:
        return OVERRIDES[head]
    words = head.split()
    if _NO_MODEL.search(whole.replace(",", " ")):
        return ""
    while words and _KIND.fullmatch(words[-1]):
        words.pop()
    while words and _KIND.fullmatch(words[0]):
        words.pop(0)
    name = _TIER.sub("", "-".join(words))
    return name if _MODEL.fullmatch(name) else ""


def tier_of(line_item: str) -> str:
    """Return the service tier that a line names, "" for the standard one."""
    told = _TIER_TOLD.search(line_item.lower())
    return told[0] if told else ""
