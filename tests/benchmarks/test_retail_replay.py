"""The retail benchmark on a tiny shop: tasks through the whole runtime, over HTTP."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.benchmarks.conftest import Run
from tests.benchmarks.small_shop import action, cancelling, control, stumbling, task

TASKS = {"tasks": 3, "equal": 3, "unattended": 0, "asked": 2, "denied": 0, "tool_errors": 1}


def test_tasks_end_with_exactly_the_expected_changes(run: Run) -> None:
    """Every task is equal and every result is the recorded one, failures included."""
    ended = run("--json")
    assert ended.numbers == {**TASKS, "results_equal": 8, "actions": 8}
    assert (ended.code, ended.err) == (0, "")


def test_a_refusal_changes_nothing(run: Run) -> None:
    """When people deny everything, only the control still matches and the shop stays as it was."""
    ended = run("--approver", "deny", "--json")
    assert ended.numbers == {
        **TASKS,
        "equal": 1,
        "results_equal": 6,
        "actions": 8,
        "changed": 0,
    }
    assert ended.code == 0


def test_the_developers_provider_is_not_asked(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keys, addresses and proxies of the environment have no influence."""
    monkeypatch.setenv("OPENAI_API_KEY", "the developer's")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("OPENAI_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    assert run("--json", tasks=[cancelling()]).code == 0


def test_a_wrong_expected_change_is_found(run: Run) -> None:
    """A task that expects another change is unequal, and the place is named."""
    wrong = cancelling()
    wrong["expected_changes"][3]["after"] = 61
    ended = run("--json", tasks=[wrong, control()])
    assert (ended.code, ended.numbers["equal"]) == (1, 1)
    assert "/users/ada/payment_methods/gift-1/balance: expected 61, got 60" in ended.err


def test_a_change_that_nothing_expects_is_found(run: Run) -> None:
    """A missing expected change makes a task unequal."""
    wrong = cancelling()
    del wrong["expected_changes"][0]
    ended = run("--json", tasks=[wrong])
    assert (ended.code, ended.numbers["equal"]) == (1, 0)
    assert '/orders/#1/status: expected "pending", got "cancelled"' in ended.err


def test_another_result_than_the_recorded_one_is_found(run: Run) -> None:
    """Results are compared by value, and so is whether they are errors."""
    wrong = control()
    wrong["actions"][1] |= {"result": "22.6"}
    wrong["actions"][0] |= {"is_error": True}
    ended = run("--json", tasks=[wrong])
    assert (ended.numbers["results_equal"], ended.numbers["actions"]) == (0, 2)
    assert 'action:n1: expected "22.6", got "22.5"' in ended.err


def test_unknown_tools_and_wrong_arguments_are_tool_errors(run: Run) -> None:
    """They are sent back to the model, which goes on; nothing crashes."""
    strange = [
        action("x0", "delete_everything", {}, "Error: unknown"),
        action("x1", "No Tool's Name", {"a": [1]}, "Error: unknown"),
        action("x2", "cancel_pending_order", {"order_id": 1}, "Error: wrong"),
        action("x3", "cancel_pending_order", {"reason": "no longer needed"}, "Error: wrong"),
        action("x4", "get_order_details", {"order": "#1"}, "Error: wrong"),
    ]
    plain = cancelling()
    plain["actions"] = [*strange, *plain["actions"]]
    ended = run("--json", tasks=[plain])
    assert (ended.numbers["equal"], ended.numbers["tool_errors"]) == (1, 4)
    assert ended.numbers["results_equal"] == 3


def test_many_failures_in_a_row_do_not_end_a_task(run: Run) -> None:
    """Where the workflow's own bound sends the run to a person, the person sends it on."""
    failing = stumbling()["actions"][1]
    many = [{**failing, "action_id": f"f{number}"} for number in range(9)]
    plain = cancelling()
    plain["actions"] = [*many, *plain["actions"]]
    ended = run("--json", tasks=[plain])
    assert (ended.numbers["equal"], ended.numbers["tool_errors"]) == (1, 9)
    assert ended.numbers["results_equal"] == ended.numbers["actions"] == 12


def test_optional_parts_may_be_missing(run: Run, folder: Path) -> None:
    """Neither a reason nor a policy is needed, and any id will do."""
    (folder / "policy.md").unlink()
    bare = cancelling()
    del bare["user_scenario"]
    bare["id"] = 7
    bare["actions"][1]["action_id"] = "look: it up #1"
    bare["actions"][2]["action_id"] = "cancel: it! #1"
    ended = run("--json", tasks=[bare])
    assert (ended.code, ended.numbers["results_equal"]) == (0, 3)
    assert "policy.md" in ended.err


def test_a_task_without_a_customer_changes_nothing(run: Run) -> None:
    """Nobody was authenticated, so policy denies and no person is asked."""
    anonymous = cancelling() | {"actor_user_id": None}
    ended = run("--json", tasks=[anonymous])
    assert (ended.numbers["denied"], ended.numbers["asked"], ended.code) == (1, 0, 1)


def test_plain_output_is_readable(run: Run) -> None:
    """Without --json and without a terminal there is one line for each task and each number."""
    wrong = task("empty", [], cancelling()["expected_changes"])
    ended = run(tasks=[control(), wrong])
    assert "task control: ok" in ended.out
    assert "task empty: not as it must be" in ended.out
    assert '  /orders/#1/status: expected "cancelled", got "pending"' in ended.out
    assert "results equal: 2" in ended.out
    assert ended.out.splitlines()[-1] == "Not everything is as it must be."
