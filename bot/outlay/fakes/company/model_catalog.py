"""Model catalog of the example company: names at OpenRouter, the providers that serve a model, prices of tokens.

A model has a slug, which people write, and a permaslug, which never changes and is what analytics answer with.
Prices are integers of nano-dollars per million tokens, so that three dollars per million are 3_000_000_000.
"""

from dataclasses import dataclass
from decimal import Decimal

from outlay.core.money import to_nano

AUTO = "openrouter/auto"  # asks OpenRouter to choose; never the model that really ran
TOKENS_PER_PRICE = 1_000_000


@dataclass(frozen=True, slots=True)
class CatalogModel:
    """Model in the catalog. `hosts` are the providers that serve it, each with its share of requests in percent."""

    slug: str
    permaslug: str
    title: str
    family: str
    hosts: tuple[tuple[str, int], ...]
    prompt_price_nano: int
    cached_price_nano: int
    completion_price_nano: int
    reasoning_percent: int

    @property
    def variant(self) -> str:
        """Return `free` for the free edition of a model, else `standard`."""
        return "free" if self.slug.endswith(":free") else "standard"

    def cost_nano_usd(self, uncached_tokens: int, cached_tokens: int, completion_tokens: int) -> int:
        """Return the cost of these tokens, rounded down to the nano-dollar once."""
        return (
            uncached_tokens * self.prompt_price_nano
            + cached_tokens * self.cached_price_nano
            + completion_tokens * self.completion_price_nano
        ) // TOKENS_PER_PRICE


def _model(
    slug: str, permaslug: str, title: str, usd: str, hosts: dict[str, int], reasoning_percent: int = 0
) -> CatalogModel:
    """Build a Model; `usd` holds dollars per million tokens of prompt, cached prompt and completion."""
    prompt, cached, completion = (to_nano(Decimal(price)) for price in usd.split())
    family = title.split(": ")[1].partition(" ")[0].partition("-")[0]
    return CatalogModel(
        slug, permaslug, title, family, tuple(hosts.items()), prompt, cached, completion, reasoning_percent
    )


SONNET = _model(
    "anthropic/claude-sonnet-4.5",
    "anthropic/claude-4.5-sonnet-20250929",
    "Anthropic: Claude Sonnet 4.5",
    "3 0.3 15",
    {"Anthropic": 80, "Amazon Bedrock": 20},
)
HAIKU = _model(
    "anthropic/claude-haiku-4.5",
    "anthropic/claude-4.5-haiku-20251001",
    "Anthropic: Claude Haiku 4.5",
    "1 0.1 5",
    {"Anthropic": 100},
)
GPT_5 = _model(
    "openai/gpt-5", "openai/gpt-5-2025-08-07", "OpenAI: GPT-5", "1.25 0.125 10", {"OpenAI": 100}, reasoning_percent=55
)
GPT_5_MINI = _model(
    "openai/gpt-5-mini",
    "openai/gpt-5-mini-2025-08-07",
    "OpenAI: GPT-5 Mini",
    "0.25 0.025 2",
    {"OpenAI": 100},
    reasoning_percent=40,
)
GEMINI_FLASH = _model(
    "google/gemini-2.5-flash",
    "google/gemini-2.5-flash-20250617",
    "Google: Gemini 2.5 Flash",
    "0.3 0.03 2.5",
    {"Google": 100},
)
DEEPSEEK = _model(
    "deepseek/deepseek-chat-v3.1",
    "deepseek/deepseek-chat-v3.1-20250821",
    "DeepSeek: DeepSeek V3.1",
    "0.27 0.0135 1.1",
    {"DeepSeek": 55, "Fireworks": 45},
)
GLM_FREE = _model(
    "z-ai/glm-4.5-air:free", "z-ai/glm-4.5-air-20250728:free", "Z.AI: GLM 4.5 Air (free)", "0 0 0", {"Z.AI": 100}
)

MODELS = (SONNET, HAIKU, GPT_5, GPT_5_MINI, GEMINI_FLASH, DEEPSEEK, GLM_FREE)
BY_SLUG = {model.slug: model for model in MODELS}
