"""Reports: one run explained from its trigger to its end, for people who were not there."""

from agent_runtime.report.beside import Beside, put_beside
from agent_runtime.report.build import build_report
from agent_runtime.report.page import render_page
from agent_runtime.report.report import Report
from agent_runtime.report.text import render_text

__all__ = ["Beside", "Report", "build_report", "put_beside", "render_page", "render_text"]
