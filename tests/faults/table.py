"""Every fault that we make, what comes of it, and the tests that make it. ``tools/faults_page.py`` prints it."""

from typing import NamedTuple


class Fault(NamedTuple):
    """A fault, what a user sees of it, and its tests, ``file::function`` below ``tests/``."""

    name: str
    outcome: str
    tests: tuple[str, ...]


HERE = "faults/test_"
FAULTS = [
    Fault(
        "`kill -9` while distilling",
        "the same command again ends at the same weights, to the bit; nothing unfinished is left",
        (
            f"{HERE}kill.py::test_distil_killed_anywhere_ends_at_the_same_weights",
            f"{HERE}long.py::test_the_real_demo_killed_twenty_times_ends_as_one_that_never_was",
            "training/test_runs.py::test_an_interrupted_run_resumes_to_the_same_weights",
            "training/test_trainer.py::test_dynamic_samples_resume_to_the_same_weights",
        ),
    ),
    Fault(
        "`kill -9` while compressing",
        "the same command again ends at the same weights",
        (f"{HERE}kill.py::test_compress_killed_anywhere_ends_at_the_same_weights",),
    ),
    Fault(
        "`kill -9` while a stream is watched",
        "no alert is lost and none comes twice",
        (
            f"{HERE}kill.py::test_watch_killed_anywhere_keeps_every_alert_once",
            f"{HERE}kill.py::test_a_database_killed_before_each_statement_of_its_opening_opens_again",
            "scenarios/test_finance.py::test_kill_9_anywhere_loses_no_alert_and_doubles_none",
        ),
    ),
    Fault(
        "`kill -9` while the book is built",
        "the next build is whole",
        (f"{HERE}long.py::test_a_book_killed_while_it_is_built_is_built_whole_the_next_time",),
    ),
    Fault(
        "`kill -9` while a file or folder takes the place of another",
        "the old one or the new one is there, whole; for the instant between two renames, both",
        (
            f"{HERE}kill.py::test_a_folder_that_takes_the_place_of_another_is_whole_at_every_moment",
            f"{HERE}kill.py::test_a_note_is_old_or_new_at_every_moment",
            "test_artifacts.py::test_an_interrupted_folder_leaves_what_was_there",
            "test_artifacts.py::test_killed_between_two_renames_nothing_is_lost_even_if_the_next_one_fails",
            "test_artifacts.py::test_a_claim_that_was_killed_at_once_is_taken_up",
        ),
    ),
    Fault(
        "a full disk",
        "one line; after some space is freed the same command goes on to the same weights",
        (
            f"{HERE}disk.py::test_a_disk_that_fills_up_again_and_again",
            f"{HERE}disk.py::test_a_full_disk_while_a_model_is_exported",
            f"{HERE}disk.py::test_a_full_disk_while_a_stream_is_watched",
            "samples/test_signals.py::test_no_space_for_the_store_leaves_nothing_half_written",
            "training/test_runs.py::test_a_full_disk_is_one_clear_line",
            "test_artifacts.py::test_a_full_disk_leaves_no_folder",
            "test_cli.py::test_standard_output_on_a_full_disk_is_one_line",
        ),
    ),
    Fault("a disk quota", "one line", (f"{HERE}disk.py::test_a_quota",)),
    Fault(
        "a read-only folder",
        "one line that names it; finished runs are shown and their models predict from there",
        (
            f"{HERE}disk.py::test_a_folder_that_nobody_may_write",
            f"{HERE}disk.py::test_a_finished_run_is_read_from_a_folder_that_nobody_may_write",
            f"{HERE}disk.py::test_nothing_is_written_outside_the_output_folder",
            "test_artifacts.py::test_a_file_in_the_way_is_named",
        ),
    ),
    Fault(
        "a store that was cut short or altered",
        "noticed, and made again",
        (
            f"{HERE}damage.py::test_a_damaged_run_is_mended_or_named",
            "samples/test_signals.py::test_a_damaged_store_is_noticed_and_made_anew",
        ),
    ),
    Fault(
        "a checkpoint that was cut short or altered",
        "noticed; training goes on from the one before, to the same weights",
        (
            f"{HERE}damage.py::test_a_damaged_checkpoint_is_not_gone_on_from",
            f"{HERE}damage.py::test_an_undamaged_checkpoint_is_gone_on_from",
        ),
    ),
    Fault(
        "a model that was cut short",
        "one line that names the folder. A single flipped bit in the weights of a finished model is noticed by the run "
        "it belongs to, and in every export; a model folder copied elsewhere carries no digest",
        (f"{HERE}damage.py::test_a_model_that_was_cut_short_is_named",),
    ),
    Fault(
        "an ONNX export that was cut short or altered",
        "one line that names the file",
        (
            f"{HERE}damage.py::test_any_bit_of_an_export",
            "deploy/test_export.py::test_a_damaged_file_is_named",
            "deploy/test_export.py::test_a_graph_that_cannot_be_read_is_named",
            "deploy/test_export.py::test_a_damaged_note_is_named",
        ),
    ),
    Fault(
        "a corpus that was altered",
        "one line that names the fault, or one that says that the folder holds a run on another corpus",
        (
            f"{HERE}damage.py::test_any_bit_of_a_corpus",
            "test_recipes.py::test_a_changed_corpus_is_another_run",
            "data/test_readers.py::test_a_fault_is_named_with_file_and_line",
        ),
    ),
    Fault(
        "a database that was altered",
        "one line, or the right alerts",
        (
            f"{HERE}damage.py::test_any_bit_of_a_database_never_makes_a_traceback",
            "scenarios/test_finance.py::test_another_chart_or_another_file_is_refused",
        ),
    ),
    Fault(
        "a clock that was set back",
        "checkpoints are ordered by step; news dated tomorrow is kept, and read later",
        (
            f"{HERE}damage.py::test_a_clock_that_was_set_back",
            f"{HERE}damage.py::test_checkpoints_are_thrown_away_by_step_not_by_clock",
            f"{HERE}damage.py::test_news_from_tomorrow_is_a_fault_and_read_when_the_clock_is_right",
        ),
    ),
    Fault(
        "two, eight, thirty processes on one cache folder",
        "the teacher predicts once, all get the same; if the process that runs it is killed, another takes over",
        (
            f"{HERE}crowd.py::test_many_processes_ask_the_teacher_once",
            f"{HERE}crowd.py::test_the_one_who_asks_dies_and_another_takes_over",
            f"{HERE}long.py::test_thirty_processes_and_the_real_teacher",
        ),
    ),
    Fault(
        "eight processes in one output folder",
        "one works; the others say so, wait, and read its report",
        (f"{HERE}crowd.py::test_eight_processes_in_one_output_folder",),
    ),
    Fault(
        "no HOME, an unknown user",
        "the right result",
        (f"{HERE}place.py::test_no_home_and_a_user_whom_nobody_knows",),
    ),
    Fault(
        "no network",
        "the right result; what must come from the Hub is refused in one line",
        (
            f"{HERE}place.py::test_without_a_network",
            "data/test_corpora.py::test_a_missing_corpus_names_the_embedded_one",
        ),
    ),
    Fault(
        "a fine-tuned model whose file lacks some of its weights",
        "one line that names the first of them; no weight is drawn at random",
        ("models/test_students.py::test_weights_that_a_fine_tuned_model_lacks_are_named_and_never_drawn",),
    ),
    Fault(
        "the embedded weights are missing or altered",
        "one line that says how to install them",
        (
            "models/test_students.py::test_altered_weights_are_refused",
            "models/test_students.py::test_a_missing_package_is_named",
        ),
    ),
    Fault(
        "a package that is missing or was built for another processor",
        "one line that names it",
        (f"{HERE}place.py::test_a_package_that_is_not_there",),
    ),
    Fault(
        "a locale without UTF-8",
        "the right result, in UTF-8",
        (
            f"{HERE}place.py::test_a_locale_without_utf_8",
            f"{HERE}place.py::test_no_file_is_opened_in_the_encoding_of_the_locale",
        ),
    ),
    Fault(
        "paths with spaces, brackets and Chinese characters",
        "the right result",
        (f"{HERE}place.py::test_paths_with_spaces_and_chinese_characters",),
    ),
    Fault(
        "a Windows-1252 corpus",
        "one line with the number of the line and the command that converts it",
        (f"{HERE}place.py::test_a_windows_1252_corpus",),
    ),
    Fault(
        "the loss becomes NaN",
        "training stops at that step; the last good checkpoint is kept",
        (
            "training/test_trainer.py::test_a_loss_that_is_no_number_stops_at_its_step_and_keeps_the_last_good_checkpoint",
        ),
    ),
]
