"""docs/console.md compares the console with SaltGUI: a browser test shows each row that does not begin with *no*."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path

import pytest

pytestmark = pytest.mark.any_python

TESTS = Path(__file__).parents[1]
PAGE = (TESTS.parent / "docs" / "console.md").read_text(encoding="utf-8")
TEXT = PAGE.partition("\n## Compared with SaltGUI\n")[2].partition("\n## ")[0]
ROWS = dict(
    [cell.strip() for cell in line.strip("|").split("|")] for line in TEXT.splitlines() if line.startswith("| ")
)
ABSENT = "SaltGUI has none of these: "

# The rows in the order of the document, then what SaltGUI lacks; the tests are in tests/browser/test_console_*.py.
SHOWN_BY: dict[str, dict[str, list[str]]] = {
    "Simple setup without a database": {
        "login": ["test_a_wrong_password_is_refused_and_the_right_one_shows_the_fleet"],
    },
    "Login by PAM or any other `eauth`": {"login": ["test_a_user_of_another_backend_logs_in"]},
    "View minions, copy their IPs": {
        "minion": ["test_grains_change_while_they_are_shown_and_addresses_are_copied"],
    },
    "Run a highstate on one or all minions": {"fleet": ["test_the_highstate_is_applied_to_all_and_to_one"]},
    "The seven most recent jobs": {
        "jobs_list": [
            "test_jobs_are_chosen_by_state_kind_and_words",
            "test_a_job_that_only_the_job_cache_has_is_found",
        ],
        "jobs": ["test_the_bar_of_a_slow_job_moves_while_it_runs"],
    },
    "Run any function and see the output": {
        "jobs": [
            "test_a_command_has_a_field_for_each_argument_and_shows_both_returns",
            "test_states_are_tested_without_a_question_and_applied_with_one",
        ],
        "batches": ["test_a_batch_is_started_watched_and_opened"],
    },
    "Highstates of all minions with details": {
        "fleet": ["test_the_highstate_is_applied_to_all_and_to_one"],
        "overview": ["test_what_needs_attention_leads_to_where_it_can_be_acted_on"],
    },
    "Issues of all minions with trivial solutions": {
        "overview": ["test_what_needs_attention_leads_to_where_it_can_be_acted_on"],
        "frame": [
            "test_the_first_page_tells_how_the_fleet_and_the_server_are",
            "test_a_running_job_is_on_the_overview",
        ],
        "minion": ["test_schedule_beacons_and_mine_are_shown"],
    },
    "Grains, pillar, schedules and beacons of a minion": {
        "minion": [
            "test_a_row_opens_the_page_of_its_minion_which_runs_nothing_unasked",
            "test_pillar_is_masked_until_it_is_asked_for_and_is_not_stored",
            "test_schedule_beacons_and_mine_are_shown",
        ],
    },
    "Live events": {
        "events": [
            "test_events_appear_as_they_happen_and_can_be_filtered",
            "test_the_whole_history_can_be_loaded",
            "test_events_are_exported_as_json_lines",
        ],
        "recovery": ["test_the_page_recovers_from_a_killed_engine"],
    },
    "Internal documentation of commands": {
        "run": ["test_states_are_chosen_from_those_of_a_minion_and_pillar_is_checked_first"],
    },
    "External documentation of commands": {
        "run": ["test_states_are_chosen_from_those_of_a_minion_and_pillar_is_checked_first"],
    },
    "Minions organized by nodegroup": {
        "fleet": ["test_the_minions_of_nodegroups_are_shown_and_selected"],
        "run": ["test_a_nodegroup_is_a_target"],
    },
    "Details in separate windows": {
        "addresses": ["test_an_address_opens_its_view_directly_and_after_a_reload"],
    },
    "Compare minions with a reference list, by name": {
        "fleet": ["test_the_fleet_is_compared_with_a_list"],
    },
    "Compare the status of minions with a reference list": {
        "fleet": ["test_the_fleet_is_compared_with_a_list"],
    },
    "Keyboard control for navigation": {
        "frame": [
            "test_keys_go_to_views_and_can_be_turned_off",
            "test_the_search_goes_to_views_minions_jobs_and_functions",
        ],
        "keyboard": ["test_jobs_events_and_minions_are_opened_and_left"],
    },
    "Keyboard control to apply templates": {
        "run": ["test_templates_of_saltgui_are_found_and_used_by_the_keyboard"],
    },
    "Live or cached grains and pillar": {
        "minion": [
            "test_grains_change_while_they_are_shown_and_addresses_are_copied",
            "test_pillar_is_masked_until_it_is_asked_for_and_is_not_stored",
        ],
    },
    "Details of orchestrations, and starting them": {
        "results": ["test_an_orchestration_shows_its_steps_while_it_runs_and_then_their_results"],
    },
    "Act on several minions, keys or nodegroups": {
        "fleet": [
            "test_selected_minions_get_a_function_and_a_highstate_after_a_question",
            "test_keys_of_each_state_are_shown_compared_and_deleted_together",
            "test_the_minions_of_nodegroups_are_shown_and_selected",
        ],
    },
    "Follows the browser's dark mode": {"frame": ["test_the_theme_is_kept"]},
    "groups of minions with the same outcome": {
        "results": ["test_minions_with_the_same_outcome_are_one_group"],
    },
    "batches": {
        "batches": ["test_a_batch_is_paused_and_resumed_and_its_failed_requests_run_again"],
    },
    "events that resume after a lost connection": {
        "recovery": ["test_after_a_lost_connection_events_resume_without_a_gap"],
    },
    "a field for each argument of a function": {
        "jobs": ["test_a_command_has_a_field_for_each_argument_and_shows_both_returns"],
    },
    "filters in addresses": {"frame": ["test_filters_are_part_of_the_address"]},
}


@cache
def functions_of(name: str) -> set[str]:
    """The functions of a file of browser tests."""
    tree = ast.parse((TESTS / "browser" / f"test_console_{name}.py").read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def absent() -> list[str]:
    """What SaltGUI lacks, as the document lists it."""
    listed = TEXT.partition(ABSENT)[2].partition(".")[0]
    return [part.removeprefix("and ") for part in " ".join(listed.split()).split(", ")]


def test_each_row_has_a_test() -> None:
    """Rows that begin with *no* have a reason instead, and need none."""
    compared = {title: answer for title, answer in ROWS.items() if title != "SaltGUI"}
    assert list(SHOWN_BY) == [title for title, answer in compared.items() if not answer.startswith("no")] + absent()
    assert all(answer.partition(": ")[2] for answer in compared.values() if answer.startswith("no"))


@pytest.mark.parametrize(
    ("file", "name"), sorted({(file, name) for tests in SHOWN_BY.values() for file in tests for name in tests[file]})
)
def test_a_test_of_a_row_exists(file: str, name: str) -> None:
    """With this name, in this file."""
    assert name in functions_of(file)
