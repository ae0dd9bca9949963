"""The whole loop offline on the embedded real model; `run_demo` is what `gammapo demo` calls."""

from gammapo.demo.plan import QUICK, Arm, Plan
from gammapo.demo.run import run_demo

__all__ = ["QUICK", "Arm", "Plan", "run_demo"]
