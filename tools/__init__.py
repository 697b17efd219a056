"""The tools of this installation: one module or package per outside system."""
