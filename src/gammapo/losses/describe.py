"""What the registry knows of its losses, as plain values for the command line and as the text of the docs."""

from __future__ import annotations

from dataclasses import fields
from typing import Any

from gammapo import margins
from gammapo.losses.spec import Loss, create, defaults, names

FAMILIES = {
    "reference-based": "The gap is measured against a frozen reference.",
    "reference-free": "The gap is the policy's own; nothing but the policy is run.",
    "adaptive margin": "Each pair has a target margin of its own.",
    "adaptive strength": "The step or the pair decides how strongly it counts.",
    "robust": "Made for labels of which some are wrong.",
    "gammapo": "This project's own.",
}

PREFACE = """\
# Losses

<!-- Written by docs/figures/losses.py from the registry, and kept current by a test. -->

`gammapo losses` lists them, `gammapo losses NAME` shows one, `losses.create(NAME, …)` makes one.

**Notation.** `ℓ(z) = −log σ(z)`; `s` the summed log-prob of an answer, `s̄ = s/|y|` per token; `w` the chosen,
`l` the rejected answer; `h = s − s^ref`; `Δ = h_w − h_l`; `Δ̄ = s̄_w − s̄_l`; `r` the reward gap, `βΔ` or `βΔ̄`;
`γ` the target margin; `R` an external score; `sg` no gradient.

**Charts.** The pull of a pair on its reward gap (minus the derivative of the loss), relative to the largest
in sight, by autograd. A flipped pair lies on the left once the model has learnt better. A loss that couples
pairs is shown in the company of 63 pairs with gaps of N(1, 2²), one with a schedule after its warm-up.
"""


def by_family() -> dict[str, list[Loss]]:
    """Every loss with its defaults, by family; unknown families of plug-ins come last."""
    found: dict[str, list[Loss]] = {family: [] for family in FAMILIES}
    for name in names():
        loss = create(name)
        found.setdefault(loss.spec.family, []).append(loss)
    return {family: losses for family, losses in found.items() if losses}


def summary(loss: Loss) -> dict[str, Any]:
    """One loss in a line."""
    spec = loss.spec
    return {
        "name": spec.name,
        "family": spec.family,
        "formula": spec.formula,
        "needs": sorted(spec.needs),
        "uses": sorted(spec.uses),
        "couples": spec.couples,
        "remembers": spec.initial_state is not None,
        "source": spec.source,
    }


def details(loss: Loss) -> dict[str, Any]:
    """One loss in full."""
    spec = loss.spec
    default = {**defaults(spec.options), **getattr(loss.options, "effective", {})}
    options = [
        {
            "name": item.name,
            "default": default[item.name],
            "unit": item.metadata.get("unit", ""),
            "help": item.metadata.get("help", ""),
            "source": item.metadata.get("source", ""),
        }
        for item in fields(spec.options)
    ]
    return {
        **summary(loss),
        "objective": loss.objective,
        "options": options,
        "limits": spec.limits,
        "notes": spec.notes,
    }


def chart_file(family: str) -> str:
    """The family's chart, from the folder docs/."""
    return f"figures/losses-{family.replace(' ', '-')}.svg"


def markdown() -> str:
    """The whole of docs/losses.md."""
    parts = [PREFACE]
    for family, losses in by_family().items():
        title = family if family == "gammapo" else family.capitalize()
        parts.append(f"\n## {title}\n\n{FAMILIES.get(family, '')}\n")
        parts.append(f"\n![Pull over the reward gap, {family}]({chart_file(family)})\n")
        parts += [_section(details(loss)) for loss in losses]
    parts.append("\n## Margins\n\nFor `margin_simpo`; `margins.create(NAME, …)` makes one.\n\n")
    parts.append("| margin | formula | needs | source |\n|---|---|---|---|\n")
    for name in margins.names():
        spec = margins.create(name).spec
        needs = ", ".join(sorted(spec.needs)) or "–"
        parts.append(f"| `{name}` | {_cell(spec.formula)} | {needs} | {spec.source} |\n")
    return "".join(parts)


def needs_in_words(row: dict[str, Any]) -> str:
    """What the trainer must provide, and what it may."""
    text = ", ".join(row["needs"]) or "nothing but log-probs"
    return text + (f"; can use {', '.join(row['uses'])}" if row["uses"] else "")


def _section(row: dict[str, Any]) -> str:
    lines = [f"\n### {row['name']}\n", f"`{row['formula']}`\n", f"Source: {row['source']}."]
    lines[-1] += f" Needs: {needs_in_words(row)}."
    if row["remembers"]:
        lines[-1] += " Keeps a state from step to step."
    elif row["couples"]:
        lines[-1] += " Couples the pairs of a step."
    if row["limits"]:
        lines[-1] += f" Limits: {row['limits']}."
    lines.append(f"\n{row['notes']}\n")
    if row["options"]:
        lines.append("| option | default | unit | meaning | source |\n|---|---|---|---|---|")
        for item in row["options"]:
            default = "–" if item["default"] is None else f"`{plain(item['default'])}`"
            lines.append(
                f"| `{item['name']}` | {default} | {item['unit'] or '–'} | {_cell(item['help'])} "
                f"| {item['source'] or '–'} |"
            )
    return "\n".join(lines) + "\n"


def plain(value: Any) -> str:
    """A default as people write it: 0.333 and not 0.3333333333333333."""
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
