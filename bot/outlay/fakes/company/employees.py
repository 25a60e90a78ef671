"""Staff of Brightloom, the example company: eight developers, three agents, and the keys they spend with.

The keys have the flaws that real ones have: two share a name, one has none, one is disabled, and one was deleted
early on, though its spend is still in the ledger's history. Most are OpenRouter's; a few go to OpenAI and Anthropic
directly, under those ledgers' own kinds of id.
"""

from dataclasses import dataclass
from hashlib import sha256
from typing import Literal
from uuid import UUID

from outlay.fakes.company.model_catalog import (
    AUTO,
    DEEPSEEK,
    GEMINI_FLASH,
    GLM_FREE,
    GPT_5,
    GPT_5_MINI,
    HAIKU,
    SONNET,
    CatalogModel,
)

COMPANY_NAME = "Brightloom"
DOMAIN = "brightloom.example"

Rhythm = Literal["office", "always", "night", "morning"]


@dataclass(frozen=True, slots=True)
class Developer:
    """Developer. `user_id` is their id at OpenRouter."""

    name: str
    email: str
    slack_id: str
    user_id: str
    utc_offset_hours: int
    admin: bool = False

    @property
    def owner_id(self) -> str:
        """Return their id as an owner in Outlay."""
        return self.slack_id


@dataclass(frozen=True, slots=True)
class Agent:
    """Program that spends by itself."""

    name: str

    @property
    def owner_id(self) -> str:
        """Return its id as an owner in Outlay."""
        return f"agent:{self.name}"


@dataclass(frozen=True, slots=True)
class KeyGroup:
    """Group of keys at a ledger: a workspace at OpenRouter or Anthropic (no Slack team), a project at OpenAI."""

    id: str
    name: str
    slug: str


@dataclass(frozen=True, slots=True)
class Route:
    """Model that a key requests, its share of the requests, and the models that then really run.

    `byok`: the provider is paid with an own key.
    """

    requested: str
    percent: int
    resolved: tuple[tuple[CatalogModel, int], ...]
    byok: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class CompanyKey:
    """Key of the company, with its owner and its pattern of use.

    `peak` is requests an hour when busy; `prompt_tokens` those of a usual request. A key that is `deleted` was so early
    in the history. `before_nano_usd` is what it had spent before the history. `hash` is the id that its `ledger` knows
    it by; "" is use without a key. `batch`: everything it does is a batch, at half the price.
    """

    number: int
    hash: str
    name: str
    label: str
    owner: Developer | Agent
    creator: Developer
    workspace: KeyGroup
    rhythm: Rhythm
    peak: int
    prompt_tokens: int
    routes: tuple[Route, ...]
    limit_usd: int | None = None
    disabled: bool = False
    deleted: bool = False
    before_nano_usd: int = 0
    ledger: str = "openrouter"
    batch: bool = False


@dataclass(frozen=True, slots=True)
class Staff:
    """People and agents of the company, its workspaces at OpenRouter (the default first), and its keys everywhere."""

    people: tuple[Developer, ...]
    agents: tuple[Agent, ...]
    workspaces: tuple[KeyGroup, ...]
    keys: tuple[CompanyKey, ...]


def uuid_of(*words: str | int) -> str:
    """Return a UUID that is always the same for the same words."""
    return str(UUID(bytes=sha256("/".join(map(str, words)).encode()).digest()[:16], version=4))


def _person(first: str, last: str, slack_id: str, utc_offset_hours: int, admin: bool = False) -> Developer:
    return Developer(
        f"{first} {last}",
        f"{first.lower()}@{DOMAIN}",
        slack_id,
        f"user_2b{first.lower():0<20}",
        utc_offset_hours,
        admin,
    )


PEOPLE = (
    _person("Alice", "Moreau", "U01ALICE", 1, admin=True),
    _person("Bruno", "Keller", "U02BRUNO", 1),
    _person("Chidi", "Okafor", "U03CHIDI", 0),
    _person("Dana", "Lindqvist", "U04DANA", 1),
    _person("Emre", "Aydin", "U05EMRE", 3),
    _person("Fatima", "Haddad", "U06FATIMA", 0),
    _person("Goran", "Petrov", "U07GORAN", 1),
    _person("Hana", "Sato", "U08HANA", -5),
)
AGENTS = (Agent("agent-ci"), Agent("agent-triage"), Agent("agent-docs"))

_AUTO_MIX = ((GPT_5_MINI, 55), (SONNET, 25), (GEMINI_FLASH, 20))


def _only(model: CatalogModel, percent: int, byok: bool = False) -> Route:
    return Route(model.slug, percent, ((model, 100),), byok)


def _auto(percent: int) -> Route:
    return Route(AUTO, percent, _AUTO_MIX)


def build_staff(seed: int, extra_keys: int = 0, extra_direct: int = 0) -> Staff:
    """Build the staff for a seed: names stay, ids differ. `extra_keys` more of agent-ci's make the account a large one.

    `extra_direct` is the same for OpenAI and for Anthropic, so many at each.
    """
    default = KeyGroup(uuid_of(seed, "workspace", 0), COMPANY_NAME, "default")
    research = KeyGroup(uuid_of(seed, "workspace", 1), "Research", "research")
    alice, bruno, chidi, dana, emre, fatima, goran, hana = PEOPLE
    ci, triage, docs = AGENTS
    keys: list[CompanyKey] = []

    def key(
        name: str,
        owner: Developer | Agent,
        use: tuple[Rhythm, int, int],
        routes: tuple[Route, ...],
        creator: Developer | None = None,
        workspace: KeyGroup = default,
        limit_usd: int | None = None,
        disabled: bool = False,
        deleted: bool = False,
    ) -> None:
        digest = sha256(f"{seed}/key/{len(keys)}".encode()).hexdigest()
        made = CompanyKey(
            number=41_001 + 7 * len(keys),
            hash=digest,
            name=name,
            label=f"sk-or-v1-{digest[8:11]}...{digest[-3:]}",
            owner=owner,
            creator=creator or (owner if isinstance(owner, Developer) else alice),
            workspace=workspace,
            rhythm=use[0],
            peak=use[1],
            prompt_tokens=use[2],
            routes=routes,
            limit_usd=limit_usd,
            disabled=disabled,
            deleted=deleted,
            before_nano_usd=int(digest[16:22], 16) * 4_001,  # up to some 67 dollars, to the nano
        )
        keys.append(made)

    key("alice-laptop", alice, ("office", 24, 17_000), (_only(SONNET, 70), _auto(30)))
    key("laptop", bruno, ("office", 18, 14_000), (_only(SONNET, 55), _only(GPT_5_MINI, 45)))
    key("laptop", chidi, ("office", 30, 6_000), (_auto(60), _only(DEEPSEEK, 40)))
    key("dana-ide", dana, ("office", 22, 21_000), (_only(SONNET, 85), _only(HAIKU, 15)))
    key("", emre, ("office", 12, 9_000), (_only(GPT_5, 60), _only(GEMINI_FLASH, 40)))
    key(
        "fatima-research",
        fatima,
        ("office", 20, 11_000),
        (_only(GPT_5, 65, byok=True), _only(SONNET, 35)),
        workspace=research,
    )
    key("goran-cli", goran, ("office", 9, 8_000), (_only(HAIKU, 50), _only(GLM_FREE, 50)))
    key("hana-notebooks", hana, ("office", 16, 12_000), (_only(GPT_5, 40), _auto(60)), workspace=research, limit_usd=50)
    key("agent-ci", ci, ("office", 60, 7_000), (_only(HAIKU, 70), _only(SONNET, 30)))
    key("agent-ci-nightly", ci, ("night", 90, 9_000), (_only(HAIKU, 100),))
    key("agent-triage", triage, ("always", 35, 3_500), (_only(GPT_5_MINI, 80), _auto(20)), creator=dana)
    key("agent-docs", docs, ("morning", 45, 16_000), (_only(GEMINI_FLASH, 75), _only(SONNET, 25)), goran, research)
    key("alice-experiments", alice, ("office", 2, 5_000), (_auto(100),), workspace=research, disabled=True)
    key("old-prototype", hana, ("always", 14, 10_000), (_only(SONNET, 50), _only(DEEPSEEK, 50)), deleted=True)
    for number in range(extra_keys):
        key(f"fleet-{number:04d}", ci, ("always", 2, 4_000), (_only(HAIKU, 60), _auto(40)))
    return Staff(PEOPLE, AGENTS, (default, research), (*keys, *_direct(seed, extra_direct)))


_LEDGERS = {"proj": ("openai", "key"), "wrkspc": ("anthropic", "apikey"), "seat": ("claude-code", "seat")}


def _direct(seed: int, extra: int) -> tuple[CompanyKey, ...]:
    """Build the keys that go to OpenAI or Anthropic directly, and the seats with a flat fee for Claude Code."""
    alice, bruno, chidi, dana, emre, _, goran, hana = PEOPLE
    ci, triage, docs = AGENTS
    platform, evals = (_place(seed, "proj", name) for name in ("Platform", "Evals"))
    build, studio = (_place(seed, "wrkspc", name) for name in ("Build", "Studio"))
    seats = _place(seed, "seat", "Claude Code")
    keys: list[CompanyKey] = []

    def key(
        place: KeyGroup,
        name: str,
        owner: Developer | Agent,
        use: tuple[Rhythm, int, int],
        routes: tuple[Route, ...],
        creator: Developer | None = None,
        deleted: bool = False,
        batch: bool = False,
    ) -> None:
        ledger, prefix = _LEDGERS[place.id.partition("_")[0]]
        digest = sha256(f"{seed}/{ledger}/{name}".encode()).hexdigest()
        made = CompanyKey(
            number=91_001 + 7 * len(keys),
            hash=f"{prefix}_{digest[:16]}" if name else "",
            name=name,
            label=f"sk-{'proj' if ledger == 'openai' else 'ant-api03'}-...{digest[-4:]}" if name else "",
            owner=owner,
            creator=creator or (owner if isinstance(owner, Developer) else alice),
            workspace=place,
            rhythm=use[0],
            peak=use[1],
            prompt_tokens=use[2],
            routes=routes,
            deleted=deleted,
            ledger=ledger,
            batch=batch,
        )
        keys.append(made)

    key(platform, "emre-dev", emre, ("office", 14, 8_000), (_only(GPT_5, 70), _only(GPT_5_MINI, 30)))
    key(platform, "chidi-tests", chidi, ("office", 20, 4_000), (_only(GPT_5_MINI, 100),))
    key(platform, "triage-service", triage, ("always", 25, 3_000), (_only(GPT_5_MINI, 100),), creator=dana)
    key(evals, "evals-batch", ci, ("night", 120, 6_000), (_only(GPT_5, 60), _only(GPT_5_MINI, 40)), batch=True)
    key(evals, "goran-spike", goran, ("always", 8, 9_000), (_only(GPT_5, 100),), deleted=True)
    key(build, "dana-claude", dana, ("office", 12, 15_000), (_only(SONNET, 100),))
    key(build, "alice-scripts", alice, ("office", 10, 7_000), (_only(HAIKU, 80), _only(SONNET, 20)))
    key(build, "docs-writer", docs, ("morning", 40, 12_000), (_only(SONNET, 60), _only(HAIKU, 40)), creator=goran)
    key(studio, "nightly-summaries", ci, ("night", 80, 9_000), (_only(HAIKU, 100),), batch=True)
    key(studio, "old-bot", triage, ("always", 9, 6_000), (_only(HAIKU, 100),), creator=dana, deleted=True)
    key(studio, "", emre, ("office", 3, 5_000), (_only(SONNET, 100),))  # in the console, where no key is used
    key(seats, "bruno-seat", bruno, ("office", 8, 20_000), (_only(SONNET, 90), _only(HAIKU, 10)))
    key(seats, "hana-seat", hana, ("office", 12, 18_000), (_only(SONNET, 100),))
    for number in range(extra):
        key(platform, f"fleet-{number:04d}", ci, ("always", 30, 4_000), (_only(GPT_5_MINI, 60), _only(GPT_5, 40)))
        key(build, f"fleet-{number:04d}", ci, ("always", 30, 4_000), (_only(HAIKU, 60), _only(SONNET, 40)))
    return tuple(keys)


def _place(seed: int, prefix: str, name: str) -> KeyGroup:
    return KeyGroup(f"{prefix}_{sha256(f'{seed}/{prefix}/{name}'.encode()).hexdigest()[:20]}", name, name.lower())
