"""Repair: train, find the suspect labels, mend them, train again, and measure whether that helped."""

from gammapo.repair.plan import RepairPlan
from gammapo.repair.run import run_repair

__all__ = ["RepairPlan", "run_repair"]
