"""The catalogue and memory plans in words, tables and JSON."""

from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from grace.models.catalogue import HubModel, ModelPackage, OtherFormat, Variant, catalogue, gpus, hub_model, hub_models
from grace.models.plan import CannotRun, MemoryPlan

_GB = 1_000_000_000


def lineup_table() -> str:
    """The lineup, one line per set of weights."""
    rows = [("name", "variant", "title", "GB", "context", "licence", "profiles")]
    for model in hub_models().values():
        for variant in model.variants:
            served = [name for name, serving in model.profiles.items() if serving.variant == variant.name]
            gated = " (gated)" if variant.gated else ""
            rows.append(
                (
                    model.name,
                    variant.name,
                    model.title,
                    f"{variant.weights_bytes / _GB:.1f}",
                    str(model.context),
                    model.licence.name + gated,
                    ", ".join(served) or "-",
                )
            )
    return _table(rows)


def describe(name: str) -> str:
    """Everything about a model of the lineup. Raises InputError when no model has that name."""
    model = hub_model(name)
    facts = [
        ("name", model.name),
        ("called", model.title),
        ("licence", f"{model.licence.name}, {model.licence.page}{' (gated)' if model.gated else ''}"),
        ("parameters", f"{model.parameters:,}"),
        ("layers", _layers(model)),
        ("attention", f"{model.heads} heads, {model.kv_heads} KV heads, head size {model.head_size}"),
        ("sizes", f"hidden {model.hidden_size}, intermediate {model.intermediate_size}, words {model.vocabulary}"),
        ("context", f"{model.context} tokens"),
        ("runs in", ", ".join(model.dtypes)),
        ("chat", _chat(model)),
    ]
    lines = [_facts(facts), "", "variants (the first is full precision):"]
    for variant in model.variants:
        lines += ["", _facts(_variant_facts(variant), indent=2)]
    lines += ["", "profiles:"]
    for profile, serving in model.profiles.items():
        where = f"{serving.nodes} nodes with " if serving.nodes > 1 else ""
        lines.append(
            f"  {profile}: {serving.variant} on {where}{serving.gpus} x {gpus()[serving.gpu].title}, context "
            f"{serving.context}; `grace models plan {model.name} --profile {profile}` gives the sum"
        )
    return "\n".join(lines)


def describe_local(name: str) -> str:
    """Everything about a model of this machine."""
    model = catalogue()[name]
    return _facts(
        [
            ("name", model.name),
            ("called", model.title),
            ("licence", model.licence),
            ("file", f"{model.file}, {model.bytes:,} bytes"),
            ("sha256", model.sha256),
            ("source", _source(model.source)),
        ]
    )


def _source(source: ModelPackage | OtherFormat) -> str:
    if isinstance(source, OtherFormat):
        return f"{source.model}, written as {source.format} on this machine"
    return f"package {source.requirement}"


def plan_text(plan: MemoryPlan) -> str:
    """A plan with its sum, for people."""
    share = f"{plan.utilization:g} of {plan.gpu.memory_gib:g} GiB"
    rows = [
        ("vLLM may take", plan.usable_gib, share),
        ("- weights", plan.weights_gib, f"{plan.variant.weights_bytes / _GB:.1f} GB on {_gpus(plan)}"),
        ("- activations", plan.activations_gib, f"estimated, for {plan.parallel} requests at once"),
        ("- CUDA and its libraries", plan.runtime_gib, "estimated"),
        ("- CUDA graphs", plan.graphs_gib, "estimated"),
        ("= KV cache", plan.kv_gib, f"{plan.kv_kib_gpu:g} KiB per token"),
    ]
    width = max(len(what) for what, _, _ in rows)
    pinned = f" at {plan.variant.revision[:12]}" if plan.variant.revision else ", not pinned"
    lines = [
        f"{plan.variant.served_name}: {plan.variant.repo}{pinned}, {plan.dtype}, on {_gpus(plan)}",
        "",
        f"{'on each GPU':{width}}      GiB",
        *(f"{what:{width}}  {gib:7.2f}  {why}" for what, gib, why in rows),
        "",
        f"context          {plan.context} tokens; {plan.longest_context} would fit",
        f"at once          {plan.sequences:.1f} prompts of full context, or {plan.kv_tokens:,} tokens",
        f"KV cache         {plan.kv_kib:g} KiB per token in all",
        f"machine          about {plan.host_gib} GiB of memory{' on each node' if plan.nodes > 1 else ''}",
    ]
    return "\n".join([*lines, *(f"note             {note}" for note in plan.notes)])


def plan_table(plans: Sequence[MemoryPlan | CannotRun]) -> str:
    """A table of plans; what cannot run has the reason."""
    rows: list[tuple[str, ...]] = [
        ("served as", "on each of", "weights", "overhead", "KV GiB", "KiB/token", "context", "longest", "at once")
    ]
    rows += [_row(plan) for plan in plans if isinstance(plan, MemoryPlan)]
    refused = [f"refused: {plan}" for plan in plans if isinstance(plan, CannotRun)]
    notes = [f"{p.variant.served_name}: {note}" for p in plans if isinstance(p, MemoryPlan) for note in p.notes]
    return "\n".join([_table(rows), *_block(notes), *_block(refused)])


def _row(plan: MemoryPlan) -> tuple[str, ...]:
    return (
        plan.variant.served_name,
        _gpus(plan),
        f"{plan.weights_gib:.1f}",
        f"{plan.overhead_gib:.1f}",
        f"{plan.kv_gib:.1f}",
        f"{plan.kv_kib_gpu:g}",
        str(plan.context),
        str(plan.longest_context),
        f"{plan.sequences:.1f}",
    )


def plan_json(plans: Iterable[MemoryPlan | CannotRun]) -> str:
    """Plans as a JSON list; one that cannot run has `rule`, `what`, and `mend` (scripts read this key, so it stays)."""
    return orjson.dumps([_plan_dict(plan) for plan in plans], option=orjson.OPT_INDENT_2).decode()


def _plan_dict(plan: MemoryPlan | CannotRun) -> dict[str, Any]:
    if isinstance(plan, CannotRun):
        return {"rule": plan.problem.rule, "what": plan.problem.what, "mend": plan.problem.fix}
    numbers = ("weights_gib", "activations_gib", "runtime_gib", "graphs_gib", "kv_gib", "kv_kib", "kv_kib_gpu")
    return {
        "model": plan.model.name,
        "variant": plan.variant.name,
        "served_name": plan.variant.served_name,
        "repo": plan.variant.repo,
        "revision": plan.variant.revision,
        "dtype": plan.dtype,
        "gpu": plan.gpu.name,
        "gpus": plan.gpus,
        "nodes": plan.nodes,
        "context": plan.context,
        "longest_context": plan.longest_context,
        "utilization": plan.utilization,
        "parallel": plan.parallel,
        **{name: round(getattr(plan, name), 3) for name in numbers},
        "sequences": round(plan.sequences, 2),
        "host_gib": plan.host_gib,
        "startup_minutes": plan.startup_minutes,
        "notes": plan.notes,
    }


def _variant_facts(variant: Variant) -> list[tuple[str, str]]:
    facts = [
        ("name", variant.name),
        ("served as", variant.served_name),
        ("repository", variant.repo + (" (gated)" if variant.gated else "")),
        ("revision", variant.revision or "not pinned: put one into a catalogue of your own (GRACE_CATALOGUE)"),
        ("weights", f"{variant.weights_bytes:,} bytes"),
        ("vLLM", f"--dtype {variant.dtype}{f' --quantization {variant.quantization}' * bool(variant.quantization)}"),
        ("files", f"{' '.join(variant.files)}, but not {' '.join(variant.but_not)}"),
    ]
    return facts + ([("note", variant.note)] if variant.note else [])


def _layers(model: HubModel) -> str:
    if model.sliding_window is None:
        return str(model.layers)
    return f"{model.layers}, of which {model.sliding_layers} see the last {model.sliding_window} tokens"


def _chat(model: HubModel) -> str:
    role = "has a system role" if model.chat.system_role else "has no system role"
    return f"{role}; {f'writes {model.chat.reasoning}' if model.chat.reasoning else 'answers at once'}"


def _gpus(plan: MemoryPlan) -> str:
    nodes = f"{plan.nodes} nodes with " if plan.nodes > 1 else ""
    return f"{nodes}{plan.gpus} x {plan.gpu.title}"


def _facts(facts: Sequence[tuple[str, str]], *, indent: int = 0) -> str:
    width = max(len(what) for what, _ in facts)
    return "\n".join(f"{' ' * indent}{what:{width}}  {value}" for what, value in facts)


def _table(rows: Sequence[tuple[str, ...]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


def _block(lines: Sequence[str]) -> list[str]:
    return ["", *lines] if lines else []
