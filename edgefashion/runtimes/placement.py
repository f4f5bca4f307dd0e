"""Which provider got which nodes, and how much of a call's time each of them takes."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from statistics import median
from typing import Any

from edgefashion.errors import NotAvailable
from edgefashion.runtimes.providers import CPU, Provider


def check_placement(nodes: Mapping[str, int], provider: Provider, *, model: str, allow_partial: bool) -> None:
    """Refuse a session whose nodes are not where they were asked to be.

    onnxruntime's own `session.disable_cpu_ep_fallback` refuses too, but does not say how many nodes are elsewhere.

    Args:
        nodes: Number of nodes by the own name of the provider that got them.
        provider: The one that was asked for.
        model: The model's name, for the message.
        allow_partial: Whether some nodes may be elsewhere; never all of them.

    Raises:
        NotAvailable: The provider, with its companions, did not get every node.
    """
    total, own = sum(nodes.values()), nodes.get(provider.own_name, 0)
    elsewhere = {name: count for name, count in nodes.items() if name not in (provider.own_name, *provider.companions)}
    if not total or (own and (allow_partial or not elsewhere)):
        return
    where = ", ".join(f"{count} on {name}" for name, count in nodes.items() if name != provider.own_name)
    if not own:
        raise NotAvailable(
            f"{provider.own_name} took none of the {total} nodes of {model} ({where}): nothing of it runs there"
        )
    raise NotAvailable(
        f"{provider.own_name} took {own} of the {total} nodes of {model} ({where}): "
        "`edgefashion bench --allow-partial` measures it all the same, labelled so"
    )


def time_share(events: Iterable[Mapping[str, Any]]) -> dict[str, float]:
    """Each provider's share of a call, from onnxruntime's profile of a few calls.

    The CPU provider computes while its nodes are timed, so their durations are its share. Other providers may only
    hand work over in that time and be waited for at the end of the call: they get all the rest of the call, shared
    out by the durations of their nodes. Medians over the calls keep the first one, which compiles, out of it.

    Args:
        events: The profile: durations in microseconds of calls ("model_run") and of the nodes in them.
    """
    calls_us: list[float] = []
    nodes_us: defaultdict[tuple[str, str, str], list[float]] = defaultdict(list)
    for event in events:
        if event.get("name") == "model_run":
            calls_us.append(event["dur"])
        elif event.get("cat") == "Node" and "provider" in event["args"]:
            nodes_us[event["args"]["provider"], event["name"], event["args"]["node_index"]].append(event["dur"])
    by_provider: defaultdict[str, float] = defaultdict(float)
    for (provider, _, _), durations_us in nodes_us.items():
        by_provider[provider] += median(durations_us)
    on_cpu = min(1.0, by_provider.pop(CPU, 0.0) / median(calls_us))
    handed_over = sum(by_provider.values())
    others = {
        name: (1 - on_cpu) * (spent / handed_over if handed_over else 1 / len(by_provider))
        for name, spent in by_provider.items()
    }
    return {**others, CPU: on_cpu}
