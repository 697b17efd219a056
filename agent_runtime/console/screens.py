"""Screens: all there are, and those with a tab of their own. A new one is added here."""

from __future__ import annotations

from fastapi import APIRouter

from agent_runtime.console import (
    approval,
    audit,
    compare,
    display,
    fork,
    inbox,
    issuer,
    knowledge,
    labels,
    overview,
    policies,
    quality,
    rehearsal,
    rollouts,
    run,
    runs,
    schedules,
    settings,
    signing,
    together,
    tokens,
    told,
    visit,
    workflows,
)
from agent_runtime.console.page import Tab

SCREENS: tuple[APIRouter, ...] = (
    display.router,
    signing.router,
    issuer.router,
    inbox.router,
    together.router,
    approval.router,
    runs.router,
    compare.router,
    visit.router,
    fork.router,
    run.router,
    workflows.router,
    rehearsal.router,
    policies.router,
    knowledge.router,
    overview.router,
    quality.router,
    rollouts.router,
    labels.router,
    audit.router,
    settings.router,
    schedules.router,
    tokens.router,
    told.router,
)

TABS: tuple[Tab, ...] = (
    Tab("/inbox", "Inbox", "i"),
    Tab("/runs", "Runs", "r"),
    Tab("/workflows", "Workflows", "w"),
    Tab("/policies", "Policies", "p"),
    Tab("/knowledge", "Knowledge", "k"),
    Tab("/overview", "Overview", "o"),
    Tab("/quality", "Metrics", "m"),
    Tab("/labels", "Labels", "l"),
    Tab("/audit", "Audit", "a"),
    Tab("/settings", "Settings", "s"),
)
