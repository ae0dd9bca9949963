"""Planning: what a run will need, and whether this machine has it, before any weight is read."""

from gammapo.planning.plan import RunPlan, plan_run
from gammapo.planning.shape import ModelShape, load_shape, shape_of

__all__ = ["ModelShape", "RunPlan", "load_shape", "plan_run", "shape_of"]
