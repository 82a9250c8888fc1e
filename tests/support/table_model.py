"""A language model that is a table, behind the real HTTP dialects: the truth that scorers are tested against.

A `TableModel` has a small vocabulary and gives every context a distribution of its own. A `TableServer` serves it as
vLLM 0.32, llama.cpp's server and OpenAI-compatible servers serve theirs. `brute_force` says what a scorer should find.
"""

import asyncio
import json
import math
import random
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal

from aiohttp import web

from canned import CannedServer
from grace.endpoints.spelling import BEFORE

Messages = Sequence[Mapping[str, str]]
Template = Callable[[Messages, bool], str]
Fail = Callable[[str, int, dict[str, Any]], web.StreamResponse | None]
Handle = Callable[[Any], web.Response]

SPECIAL = ("<s>", "<turn>", "</turn>")
ROLES = ("user", "assistant", "system")
LETTERS = "abcdAé日"
CHAT_TEMPLATE = (
    "<s>{% for message in messages %}<turn>{{ message['role'] }}\n{{ message['content'] }}</turn>\n{% endfor %}"
    "{% if add_generation_prompt %}<turn>assistant\n{% endif %}"
)
"""What `chat_template` does, in the words of servers."""
LOWEST = -3.4028234663852886e38
"""llama.cpp's logprob of a probability of zero."""
MISSING = -9999.0
"""vLLM's lowest logprob."""


def chat_template(messages: Messages, add_generation_prompt: bool) -> str:
    """The usual template: turns between special tokens, a newline after the role and after the turn."""
    turns = "".join(f"<turn>{message['role']}\n{message['content']}</turn>\n" for message in messages)
    return "<s>" + turns + ("<turn>assistant\n" if add_generation_prompt else "")


def plain_template(messages: Messages, add_generation_prompt: bool) -> str:
    """A template without special tokens."""
    return f"Q: {messages[-1]['content']}\nA:"


class Untokenizable(ValueError):
    """A text has a character that begins no token of the vocabulary."""


@dataclass(frozen=True)
class TableModel:
    """A vocabulary, a tokenizer, a chat template, and a distribution over the next token for every context.

    Attributes:
        tokens: the text of each token; its id is its place.
        special: the ids of tokens that are split out of a text before the rest is tokenized.
        seed: other seeds give other distributions.
        spread: each token weighs exp(spread * a normal draw): 0 makes all equal, 8 gives some about 1e-12, and several
            hundred makes some exactly zero.
        overrides: distributions of chosen contexts: the key is the end of a context, and the longest that fits counts.
        template: from messages, and whether the assistant's turn begins, to the prompt.
        bos: the id that is put before a text tokenized with `add_special`; None for none.
    """

    tokens: tuple[str, ...]
    special: frozenset[int] = frozenset()
    seed: int = 0
    spread: float = 8.0
    overrides: Mapping[tuple[int, ...], Sequence[float]] = field(default_factory=dict)
    template: Template = field(default=chat_template, repr=False)
    bos: int | None = None
    _known: dict[tuple[int, ...], list[float]] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        for key, given in self.overrides.items():
            if len(given) != len(self.tokens) or min(given) < 0 or abs(math.fsum(given) - 1) > 1e-9:
                raise ValueError(f"the override of {key} is no distribution over {len(self.tokens)} tokens")

    @cached_property
    def _ordinary(self) -> dict[str, int]:
        """The tokens that ordinary text is made of, the lowest id where two have the same text."""
        return {text: id for id, text in reversed([*enumerate(self.tokens)]) if id not in self.special and text}

    @cached_property
    def _lengths(self) -> list[int]:
        """The lengths of ordinary tokens, longest first."""
        return sorted({len(text) for text in self._ordinary}, reverse=True)

    @cached_property
    def _splitter(self) -> re.Pattern[str]:
        """Finds special tokens, the longest first; the group keeps them when splitting."""
        texts = sorted((self.tokens[id] for id in self.special), key=len, reverse=True)
        return re.compile(f"({'|'.join(map(re.escape, texts)) or '(?!)'})")

    def tokenize(self, text: str, parse_special: bool = True, add_special: bool = False) -> list[int]:
        """The ids of a text's tokens: special ones first, then greedily the longest. Raises Untokenizable."""
        ids = [self.bos] if add_special and self.bos is not None else []
        named = {self.tokens[id]: id for id in sorted(self.special, reverse=True)}
        for place, part in enumerate(self._splitter.split(text) if parse_special else [text]):
            ids += [named[part]] if place % 2 else self.split(part)
        return ids

    def split(self, text: str) -> list[int]:
        """The tokens of a text without special ones. Raises Untokenizable."""
        ids, start = [], 0
        while start < len(text):
            for length in self._lengths:
                if (id := self._ordinary.get(text[start : start + length])) is not None and start + length <= len(text):
                    ids.append(id)
                    start += length
                    break
            else:
                raise Untokenizable(f"no token of the vocabulary begins {text[start : start + 20]!r} in {text!r}")
        return ids

    def text(self, ids: Iterable[int]) -> str:
        """The text of tokens, special ones too."""
        return "".join(self.tokens[id] for id in ids)

    def render(self, messages: Messages, add_generation_prompt: bool = True) -> str:
        """The prompt's text."""
        return self.template(messages, add_generation_prompt)

    def probabilities(self, context: Sequence[int]) -> list[float]:
        """The distribution over the token after `context`, by id."""
        key = tuple(context)
        if key not in self._known:
            self._known[key] = self._given(key) or self._drawn(key)
        return list(self._known[key])

    def _given(self, context: tuple[int, ...]) -> list[float] | None:
        """The override with the longest key that `context` ends with."""
        fitting = [key for key in self.overrides if context[len(context) - len(key) :] == key]
        return list(self.overrides[max(fitting, key=len)]) if fitting else None

    def _drawn(self, context: tuple[int, ...]) -> list[float]:
        """A distribution that depends on nothing but the seed and the context."""
        source = random.Random(repr((self.seed, context)))
        draws = [source.gauss(0, 1) for _ in self.tokens]
        most = max(draws)
        weights = [math.exp(self.spread * (draw - most)) for draw in draws]
        total = math.fsum(weights)
        return [weight / total for weight in weights]


def printable_model(*pieces: str, **options: Any) -> TableModel:
    """A model that can read any printable ASCII, so that whole programs can talk to it; `pieces` are more tokens."""
    ordinary = dict.fromkeys(["\n", *map(chr, range(32, 127)), *ROLES, *pieces])
    return TableModel((*SPECIAL, *ordinary), frozenset(range(len(SPECIAL))), **options)


def ascii_model(*pieces: str, **options: Any) -> TableModel:
    """A model that can read ASCII, and whatever the speller tries before a prompt's end."""
    return printable_model(*dict.fromkeys("".join(BEFORE)), *pieces, **options)


def brute_force(
    model: TableModel, prompt_ids: Sequence[int], forms: Mapping[str, Sequence[Sequence[int]]]
) -> dict[str, float]:
    """P(label): the share of all infinite continuations whose longest matching form is one of the label's.

    A form matches when the continuation's tokens start with its tokens; the longest is sought over all labels. The tree
    of forms is walked token by token: the mass that leaves it is the longest form's that was passed on the way.

    Raises:
        ValueError: two labels have the same form.
    """
    owner: dict[tuple[int, ...], str] = {}
    for label, sequences in forms.items():
        for sequence in sequences:
            if owner.setdefault(tuple(sequence), label) != label:
                raise ValueError(f"{label} and {owner[tuple(sequence)]} have the same form {sequence}")
    inside = {form[:length] for form in owner for length in range(len(form))}
    claimed: dict[str, list[float]] = {label: [] for label in forms}

    def walk(path: tuple[int, ...], mass: float, longest: str | None) -> None:
        if path in inside:
            for token, probability in enumerate(model.probabilities([*prompt_ids, *path])):
                walk((*path, token), mass * probability, owner.get((*path, token), longest))
        elif longest is not None:
            claimed[longest].append(mass)

    walk((), 1.0, owner.get(()))
    return {label: math.fsum(masses) for label, masses in claimed.items()}


class Refused(Exception):
    """A request that is answered with an error."""

    def __init__(self, status: int, message: str, kind: str = "", param: str | None = None, **more: Any) -> None:
        super().__init__(message)
        self.status, self.kind, self.param, self.more = status, kind, param, more


@dataclass
class TableServer:
    """A server of a table model, in a thread; the model can be exchanged while it runs.

    Logprobs are logarithms of the model's doubles, so nothing is rounded. The sampled token is always the most likely
    one, whatever the temperature. Of completions only one token is served; more is refused with status 501.

    Attributes:
        model: what is served.
        dialect: whose addresses and shapes.
        name: the model's served name; vLLM and OpenAI refuse any other.
        answer: what chat says, unless it is asked for one token.
        context: the longest prompt and answer together, in tokens.
        slots: llama.cpp's slots.
        template: the chat template that llama.cpp tells of.
        most: how many of the most likely tokens can be asked for, except of llama.cpp, which has no limit.
        clips: whether fewer are given when more are asked for; otherwise that is refused.
        logprobs: whether chat gives logprobs; otherwise they are refused.
        knows_ids: whether vLLM heeds `logprob_token_ids`; old versions ignore it.
        sentinel: ids whose logprob vLLM gives as -9999.0.
        processed: whether vLLM gives logprobs after the temperature, as with --logprobs-mode processed_logprobs.
        latency: seconds before each answer.
        fail: may answer any request in the server's place; it is given the path, the number of the request among those
            to this path, from 1, and the body.
        requests: all that was asked: path and body, which is empty for GET.
        url: where it listens, once it runs.
    """

    model: TableModel
    dialect: Literal["vllm", "llamacpp", "openai"] = "vllm"
    name: str = "table"
    answer: str = "Hello."
    context: int = 4096
    slots: int = 4
    template: str = CHAT_TEMPLATE
    most: int = 20
    clips: bool = False
    logprobs: bool = True
    knows_ids: bool = True
    sentinel: set[int] = field(default_factory=set)
    processed: bool = False
    latency: float = 0.0
    fail: Fail | None = None
    requests: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    url: str = field(default="", init=False)

    def __enter__(self) -> "TableServer":
        self._counts: Counter[str] = Counter()
        self._running = _Running(self._application()).__enter__()
        self.url = self._running.url
        return self

    def __exit__(self, *exc: object) -> None:
        self._running.__exit__(*exc)

    def bodies(self, path: str) -> list[dict[str, Any]]:
        """The bodies of all requests to one path."""
        return [body for asked, body in self.requests if asked == path]

    # What all dialects share

    def _application(self) -> web.Application:
        app = web.Application(client_max_size=2**26)
        app.router.add_route("*", "/{path:.*}", self._any)
        return app

    def _routes(self) -> dict[str, tuple[str, Handle]]:
        """Method and handler by path."""
        common: dict[str, tuple[str, Handle]] = {
            "/health": ("GET", self._health),
            "/v1/models": ("GET", self._models),
            "/v1/chat/completions": ("POST", self._chat),
        }
        if self.dialect == "vllm":
            return {
                **common,
                "/version": ("GET", lambda _: web.json_response({"version": "0.32.0"})),
                "/tokenize": ("POST", self._vllm_tokenize),
                "/detokenize": ("POST", lambda body: web.json_response({"prompt": self._text(body)})),
                "/v1/completions": ("POST", self._vllm_completions),
            }
        if self.dialect == "llamacpp":
            return {
                **common,
                "/props": ("GET", self._props),
                "/apply-template": ("POST", lambda body: web.json_response({"prompt": self._rendered(body)})),
                "/tokenize": ("POST", self._llamacpp_tokenize),
                "/detokenize": ("POST", lambda body: web.json_response({"content": self._text(body)})),
                "/completion": ("POST", self._llamacpp_completion),
            }
        return common

    async def _any(self, request: web.Request) -> web.StreamResponse:
        path = request.path
        try:
            body = await request.json() if request.method == "POST" else {}
        except json.JSONDecodeError as error:
            return self._error(Refused(400, f"the body is no JSON: {error}"))
        self._counts[path] += 1
        number = self._counts[path]
        self.requests.append((path, body))
        if self.latency:
            await asyncio.sleep(self.latency)
        if self.fail and (response := self.fail(path, number, body)) is not None:
            return response
        method, handle = self._routes().get(path, ("", None))
        if handle is None or (method != request.method and self.dialect != "vllm"):
            return self._error(Refused(404, "File Not Found", "not_found_error"))
        if method != request.method:
            return web.json_response({"detail": "Method Not Allowed"}, status=405)
        try:
            if self.dialect != "llamacpp" and body.get("model", self.name) != self.name:
                raise Refused(404, f"The model `{body['model']}` does not exist.", "NotFoundError", "model")
            return handle(body)
        except Untokenizable as error:
            return self._error(Refused(400, str(error)))
        except Refused as error:
            return self._error(error)

    def _error(self, error: Refused) -> web.Response:
        """An error in the dialect's shape."""
        if self.dialect == "vllm" and error.kind == "not_found_error":
            return web.json_response({"detail": "Not Found"}, status=404)
        kind = error.kind or ("BadRequestError" if self.dialect == "vllm" else "invalid_request_error")
        if self.dialect == "llamacpp":
            content = {"code": error.status, "message": str(error), "type": kind, **error.more}
        else:
            code = error.status if self.dialect == "vllm" else None
            content = {"message": str(error), "type": kind, "param": error.param, "code": code}
        return web.json_response({"error": content}, status=error.status)

    def _health(self, _: dict[str, Any]) -> web.Response:
        return web.json_response({"status": "ok"}) if self.dialect == "llamacpp" else web.Response()

    def _models(self, _: dict[str, Any]) -> web.Response:
        entry: dict[str, Any] = {"id": self.name, "object": "model", "created": 1700000000, "owned_by": self.dialect}
        if self.dialect == "vllm":
            entry |= {"root": "table", "parent": None, "max_model_len": self.context, "permission": []}
        elif self.dialect == "llamacpp":
            size = len(self.model.tokens)
            sizes = {"n_ctx": self.context, "n_ctx_train": self.context, "n_embd": 1, "n_params": size, "size": size}
            entry |= {"aliases": [self.name], "tags": []}
            entry["meta"] = {"vocab_type": 2, "n_vocab": size, **sizes, "ftype": "table"}
        else:
            entry["owned_by"] = "table"
        return web.json_response({"object": "list", "data": [entry]})

    def _rendered(self, body: dict[str, Any]) -> str:
        """The chat prompt. llama.cpp takes off the token that its tokenizer will add at the start."""
        prompt = self.model.render(body["messages"], body.get("add_generation_prompt", True))
        if self.dialect == "llamacpp" and self.model.bos is not None:
            return prompt.removeprefix(self.model.tokens[self.model.bos])
        return prompt

    def _chat_ids(self, body: dict[str, Any], add_special: bool) -> list[int]:
        return self.model.tokenize(self._rendered(body), add_special=add_special)

    def _text(self, body: dict[str, Any]) -> str:
        return self.model.text(self._checked(body["tokens"]))

    def _checked(self, ids: Sequence[int]) -> Sequence[int]:
        """The ids, when the vocabulary has them all."""
        if wrong := [id for id in ids if not 0 <= id < len(self.model.tokens)]:
            if self.dialect == "llamacpp":
                raise Refused(400, "Prompt contains invalid tokens")
            raise Refused(400, f"Token id {wrong[0]} is out of vocabulary")
        return ids

    def _fitting(self, ids: Sequence[int]) -> Sequence[int]:
        """The prompt, when it leaves room for an answer."""
        if len(ids) < self.context:
            return ids
        if self.dialect == "llamacpp":
            message = f"request ({len(ids)} tokens) exceeds the available context size ({self.context} tokens)"
            facts: dict[str, Any] = {"n_prompt_tokens": len(ids), "n_ctx": self.context}
            raise Refused(400, message, "exceed_context_size_error", **facts)
        raise Refused(400, f"max_tokens must be at least 1, got {self.context - len(ids)}.", param="max_tokens")

    def _prompts(self, prompt: Any, add_special: bool) -> list[Sequence[int]]:
        """The prompts of a request: one or several, as text or as ids."""
        several = prompt if isinstance(prompt, list) and prompt and not isinstance(prompt[0], int) else [prompt]
        ids = [self.model.tokenize(one, add_special=add_special) if isinstance(one, str) else one for one in several]
        if not all(ids):
            raise Refused(400, '"prompt" must not be empty')
        return [self._fitting(self._checked(one)) for one in ids]

    def _logprobs(self, context: Sequence[int], temperature: float = 0) -> list[float]:
        """The logprob of every token after `context`, as the server tells it."""
        floor = LOWEST if self.dialect == "llamacpp" else MISSING
        exact = [math.log(share) if share > 0 else -math.inf for share in self.model.probabilities(context)]
        if self.dialect == "vllm" and self.processed and temperature > 0:
            most = max(exact)
            total = math.log(math.fsum(math.exp((one - most) / temperature) for one in exact))
            exact = [(one - most) / temperature - total for one in exact]
        told = [max(one, floor) for one in exact]
        return [MISSING if self.dialect == "vllm" and id in self.sentinel else one for id, one in enumerate(told)]

    def _order(self, context: Sequence[int]) -> list[int]:
        """All ids, the most likely first, the lowest first among equals."""
        shares = self.model.probabilities(context)
        return sorted(range(len(shares)), key=lambda id: (-shares[id], id))

    def _shown(self, id: int) -> str:
        """An answer's text: servers leave special tokens out."""
        return "" if id in self.model.special else self.model.tokens[id]

    def _limited(self, count: int) -> int:
        """How many of the most likely tokens are given when `count` are asked for."""
        if self.dialect == "llamacpp" or count <= self.most:
            return count
        if self.clips:
            return self.most
        message = f"Requested sample logprobs of {count}, which is greater than max allowed: {self.most}"
        raise Refused(400, message, param="logprobs")

    def _chat(self, body: dict[str, Any]) -> web.Response:
        prompt = self._fitting(self._chat_ids(body, add_special=self.dialect == "llamacpp"))
        first = self._order(prompt)[0]
        short = (body.get("max_tokens") or body.get("max_completion_tokens")) == 1
        message: dict[str, Any] = {"role": "assistant", "content": self._shown(first) if short else self.answer}
        finish = "length" if short else "stop"
        spoken = 1 if short else 2
        usage = {"prompt_tokens": len(prompt), "total_tokens": len(prompt) + spoken, "completion_tokens": spoken}
        logprobs = None
        if body.get("logprobs"):
            if not self.logprobs:
                raise Refused(400, "logprobs are not supported by this model", param="logprobs")
            logprobs = {"content": [self._first_token(prompt, body)]}
        head = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1700000000, "model": self.name}
        if self.dialect == "llamacpp":
            given = {} if logprobs is None else {"logprobs": logprobs}
            choice = {"finish_reason": finish, "index": 0, "message": message, **given}
            return web.json_response({"choices": [choice], **head, "usage": usage})
        if self.dialect == "vllm":
            empty = dict.fromkeys(("refusal", "annotations", "audio", "function_call", "reasoning"))
            choice = {"index": 0, "message": {**message, **empty}, "logprobs": logprobs, "finish_reason": finish}
            choice |= {"stop_reason": None, "token_ids": None, "routed_experts": None}
            return web.json_response({**head, "choices": [choice], "usage": usage, "prompt_logprobs": None})
        message["refusal"] = None
        choice = {"index": 0, "message": message, "logprobs": logprobs, "finish_reason": finish}
        return web.json_response({**head, "choices": [choice], "usage": usage})

    def _first_token(self, prompt: Sequence[int], body: dict[str, Any]) -> dict[str, Any]:
        """Chat's logprobs of the answer's first token."""
        logprobs = self._logprobs(prompt, body.get("temperature", 1))
        order = self._order(prompt)
        by_id = self.dialect == "vllm" and body.get("return_tokens_as_token_ids")

        def entry(id: int) -> dict[str, Any]:
            if self.dialect == "llamacpp":
                return self._llamacpp_entry(id, logprobs[id])
            text = f"token_id:{id}" if by_id else self.model.tokens[id]
            return {"token": text, "logprob": logprobs[id], "bytes": [*text.encode()]}

        top = order[: self._limited(body.get("top_logprobs") or 0)]
        true_bytes = {"bytes": [*self.model.tokens[order[0]].encode()]} if by_id else {}  # of this entry only, in vLLM
        return {**entry(order[0]), **true_bytes, "top_logprobs": [entry(id) for id in top]}

    # vLLM

    def _vllm_tokenize(self, body: dict[str, Any]) -> web.Response:
        if "messages" in body:
            ids = self._chat_ids(body, body.get("add_special_tokens", False))
        else:
            ids = self.model.tokenize(body["prompt"], add_special=body.get("add_special_tokens", True))
        reply = {"count": len(ids), "max_model_len": self.context, "tokens": ids, "token_strs": None}
        return web.json_response(reply)

    def _vllm_completions(self, body: dict[str, Any]) -> web.Response:
        prompts = self._prompts(body["prompt"], body.get("add_special_tokens", True))
        if body.get("max_tokens", 16) != 1:
            raise Refused(501, "a table model completes one token only")
        count = body.get("logprobs")
        if count is not None:
            count = self._limited(count)
        asked = body.get("logprob_token_ids") if self.knows_ids else None
        if asked is not None:
            self._check_asked(asked, count)
        choices = []
        for index, prompt in enumerate(prompts):
            order = self._order(prompt)
            logprobs = None
            if count is not None:
                listed = [order[0], *(order[:count] if asked is None else asked)]
                logprobs = self._vllm_logprobs(prompt, listed, body)
            choice = {"index": index, "text": self._shown(order[0]), "logprobs": logprobs, "finish_reason": "length"}
            empty = ("stop_reason", "token_ids", "prompt_logprobs", "prompt_token_ids", "routed_experts")
            choices.append(choice | dict.fromkeys(empty))
        long = sum(map(len, prompts))
        usage: dict[str, Any] = {
            "prompt_tokens": long,
            "total_tokens": long + len(prompts),
            "completion_tokens": len(prompts),
        }
        usage |= dict.fromkeys(("prompt_tokens_details", "completion_tokens_details"))
        head = {"id": "cmpl-1", "object": "text_completion", "created": 1700000000, "model": self.name}
        rest = {"service_tier": None, "system_fingerprint": "vllm-0.32.0-table", "usage": usage}
        rest |= dict.fromkeys(("kv_transfer_params", "ec_transfer_params", "metrics"))
        return web.json_response({**head, "choices": choices, **rest})

    def _check_asked(self, asked: Sequence[int], count: int | None) -> None:
        """Refuse what vLLM refuses of `logprob_token_ids`."""
        size = len(self.model.tokens)
        if count is None:
            message = "when using `logprob_token_ids`, `logprobs` must be set."
        elif len(asked) > 128:
            message = f"Requested logprob_token_ids of length {len(asked)}, which is greater than max allowed: 128"
        elif wrong := [id for id in asked if not 0 <= id < size]:
            message = (
                f"token_id(s) {wrong} in logprob_token_ids contain out-of-vocab token ids. Vocabulary size: {size}"
            )
        else:
            return
        raise Refused(400, message, param="logprob_token_ids")

    def _vllm_logprobs(self, prompt: Sequence[int], listed: Sequence[int], body: dict[str, Any]) -> dict[str, Any]:
        """The logprobs of one choice: the sampled token comes first in `listed`."""
        logprobs = self._logprobs(prompt, body.get("temperature", 1))
        by_id = body.get("return_tokens_as_token_ids")
        told = {f"token_id:{id}" if by_id else self.model.tokens[id]: logprobs[id] for id in listed}
        sampled = next(iter(told))
        return {"text_offset": [0], "token_logprobs": [told[sampled]], "tokens": [sampled], "top_logprobs": [told]}

    # llama.cpp

    def _props(self, _: dict[str, Any]) -> web.Response:
        bos = "" if self.model.bos is None else self.model.tokens[self.model.bos]
        return web.json_response(
            {
                "default_generation_settings": {"params": {"temperature": 0.8, "n_probs": 0}, "n_ctx": self.context},
                "total_slots": self.slots,
                "model_alias": self.name,
                "model_ftype": "table",
                "model_path": f"{self.name}.gguf",
                "modalities": {"vision": False, "video": False, "audio": False},
                "chat_template": self.template,
                "bos_token": bos,
                "eos_token": "</turn>",
                "build_info": "b0-table",
                "is_sleeping": False,
            }
        )

    def _llamacpp_tokenize(self, body: dict[str, Any]) -> web.Response:
        content, special = body["content"], body.get("parse_special", True)
        ids = self.model.tokenize(content, special, body.get("add_special", False))
        if body.get("with_pieces"):
            return web.json_response({"tokens": [{"id": id, "piece": self.model.tokens[id]} for id in ids]})
        return web.json_response({"tokens": ids})

    def _llamacpp_completion(self, body: dict[str, Any]) -> web.Response:
        prompts = self._prompts(body["prompt"], add_special=True)
        drawn = body.get("post_sampling_probs", False)
        if body.get("n_predict", -1) != 1 or (drawn and (body.get("samplers") != [] or body.get("temperature") != 1)):
            raise Refused(501, "a table model completes one token only, and draws it from its own probabilities only")
        replies = [self._llamacpp_reply(index, prompt, body) for index, prompt in enumerate(prompts)]
        several = isinstance(body["prompt"], list) and not isinstance(body["prompt"][0], int)
        return web.json_response(replies if several else replies[0])

    def _llamacpp_reply(self, index: int, prompt: Sequence[int], body: dict[str, Any]) -> dict[str, Any]:
        """What is said of one prompt; of all settings, only those that matter here."""
        order = self._order(prompt)
        count = body.get("n_probs", 0)
        reply = {
            "index": index,
            "content": self._shown(order[0]),
            "tokens": [order[0]] if body.get("return_tokens") else [],
            "id_slot": 0,
            "stop": True,
            "model": self.name,
            "tokens_predicted": 1,
            "tokens_evaluated": len(prompt),
            "generation_settings": {"n_predict": 1, "n_probs": count, "post_sampling_probs": False},
            "prompt": self.model.text(prompt),
            "has_new_line": "\n" in self._shown(order[0]),
            "truncated": False,
            "stop_type": "limit",
            "stopping_word": "",
            "tokens_cached": len(prompt),
            "timings": {"cache_n": 0, "prompt_n": len(prompt), "predicted_n": 1},
        }
        if count:
            logprobs = self._logprobs(prompt)
            top = [self._llamacpp_entry(id, logprobs[id]) for id in order[:count]]
            if body.get("post_sampling_probs"):
                drawn = [{**entry, "prob": math.exp(entry.pop("logprob"))} for entry in top]
                reply["completion_probabilities"] = [{**drawn[0], "top_probs": drawn}]
            else:
                reply["completion_probabilities"] = [{**top[0], "top_logprobs": top}]
        return reply

    def _llamacpp_entry(self, id: int, logprob: float) -> dict[str, Any]:
        """A token as llama.cpp lists it: special ones without their text."""
        text = self._shown(id)
        return {"id": id, "token": text, "bytes": [*text.encode()], "logprob": logprob}


class _Running(CannedServer):
    """The thread that an application runs in."""

    def __init__(self, application: web.Application) -> None:
        super().__init__()
        self._application = application

    def application(self) -> web.Application:
        return self._application


@dataclass(frozen=True)
class Question:
    """What a scorer is asked: a model, the user's message, and the forms of each label."""

    model: TableModel
    message: str
    labels: dict[str, list[str]]

    @property
    def messages(self) -> list[dict[str, str]]:
        """The chat's messages."""
        return [{"role": "user", "content": self.message}]

    @property
    def prompt_ids(self) -> list[int]:
        """The tokens of the rendered prompt."""
        return self.model.tokenize(self.model.render(self.messages))

    @property
    def forms(self) -> dict[str, list[list[int]]]:
        """The tokens of each label's forms."""
        return {label: [self.model.tokenize(form) for form in forms] for label, forms in self.labels.items()}
