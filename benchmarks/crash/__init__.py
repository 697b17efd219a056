"""Crashes, races and stopped workers on real processes: nothing lost, nothing done twice."""
