import base64
import json
import re
import shlex
import shutil

import pytest

from augmix.suite.cli.parser import build_parser
from augmix.suite.config.experiment import load
from tests.checkout import TINY, Checkout

pytestmark = pytest.mark.slow


def jobs(output: str) -> dict[str, int]:
    """The table of jobs of a dry run."""
    table = output.partition("Job stats:")[2].partition("\n\n")[0]
    return {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", table, re.MULTILINE)}


def planned(checkout: Checkout, config: str) -> str:
    done = checkout.snakemake("-n", "--configfile", config)
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_lint_has_nothing_to_say(finished: Checkout) -> None:
    done = finished.snakemake("--lint")
    assert done.returncode == 0
    assert "in a good condition" in done.stdout + done.stderr


def test_snakemakes_own_report_has_captions_and_labels(finished: Checkout) -> None:
    config = finished.write("tiny")
    done = finished.snakemake("--report", "own.html", "--configfile", config)
    assert done.returncode == 0, done.stderr
    page = (finished.folder / "own.html").read_text(encoding="utf-8")
    [found] = re.findall(r"var results = (\{.*?\})\s*;?\s*</script>", page, re.DOTALL)
    results = {result["name"]: result for result in json.loads(found).values()}
    assert {"report.pdf", "report.html", "differences.csv", "severity_digits.png"} <= set(results)
    assert all(result["caption"].strip() for result in results.values())
    assert results["report.html"]["labels"] == {"experiment": "tiny", "form": "page"}
    assert results["severity_digits.png"]["labels"] == {"figure": "severity_digits"}
    assert results["verdict.csv"]["labels"] == {"table": "verdict"}


def test_the_default_experiment_is_planned(finished: Checkout) -> None:
    printed = finished.snakemake("-n", "--config", 'folders={"data": "new", "results": "new"}').stdout
    plan = jobs(printed)
    runs = 12 * 3  # methods × seeds
    generated = {f"generate_fashion_{name}_{number}": 1 for name in "CP" for number in (1, 2, 3)}
    assert plan == {
        "prepare": 1, **generated, "train": runs, "evaluate": runs,
        "collect": 1, "report": 1, "track": 1, "default": 1, "total": 11 + 2 * runs,
    }  # fmt: skip
    trainings = re.findall(r"rule train:.*?method=(\w+), seed=(\d)\n *priority: (\d+)", printed, re.DOTALL)
    order = [(int(seed), method) for method, seed, _ in sorted(trainings, key=lambda found: -int(found[2]))]
    assert [seed for seed, _ in order] == [0] * 12 + [1] * 12 + [2] * 12
    assert (order[0][1], order[-1][1]) == ("single_chain", "standard")
    others = re.findall(r"rule (generate|evaluate)\w*:.*?priority: (\d+)", printed, re.DOTALL)
    assert {int(priority) for _, priority in others} == {runs + 1}


def test_a_misspelt_key_is_one_line(finished: Checkout) -> None:
    config = finished.write("misspelt", trainings={"epochs": 1})
    number = (finished.folder / config).read_text().splitlines().index("trainings:") + 1
    line = f"{config}:{number}: unknown key 'trainings' in the experiment; did you mean 'training'?\n"
    bare = finished.snakemake("-n", "--configfile", config)
    front = finished.reproduce(config)
    assert (bare.returncode, front.returncode) == (2, 2)
    assert front.stderr == f"augmix reproduce: error: {line}"
    assert bare.stderr == f"augmix: error: {finished.folder}/{line}"


def test_a_comment_runs_nothing(finished: Checkout) -> None:
    config = finished.write("tiny")
    path = finished.folder / config
    path.write_text("# a word\n" + path.read_text())
    assert "Nothing to be done" in planned(finished, config)


def test_a_new_seed_runs_alone(finished: Checkout) -> None:
    plan = planned(finished, finished.write("more_seeds", experiment="tiny", seeds=[0, 1]))
    assert jobs(plan) == {"train": 2, "evaluate": 2, "collect": 1, "report": 1, "track": 1, "default": 1, "total": 8}
    assert set(re.findall(r"wildcards: .*seed=(\d)", plan)) == {"1"}


def test_a_new_method_runs_alone(finished: Checkout) -> None:
    plan = planned(
        finished, finished.write("more_methods", experiment="tiny", methods=["augmix", "no_jsd", "standard"])
    )
    assert set(re.findall(r"wildcards: .*method=(\w+)", plan)) == {"no_jsd"}
    assert jobs(plan)["train"] == 1


def test_other_epochs_run_every_training_and_no_data(finished: Checkout) -> None:
    training = {"epochs": 2, "batch_size": 32}
    plan = planned(finished, finished.write("more_epochs", experiment="tiny", training=training))
    assert jobs(plan) == {"train": 2, "evaluate": 2, "collect": 1, "report": 1, "track": 1, "default": 1, "total": 8}


def test_another_subset_runs_everything(finished: Checkout) -> None:
    subset = {"train": 60, "test": 16}
    digits = {"loader": "digits", "flip": False, "subset": subset}
    plan = planned(finished, finished.write("smaller", experiment="tiny", datasets={"digits": digits}))
    assert jobs(plan)["total"] == 1 + 2 + 2 + 2 + 2 + 4


def test_every_training_takes_its_gpus(finished: Checkout) -> None:
    def gpus(rule: str, *options: str, **training: object) -> set[str]:
        config = finished.write("gpus", datasets={"digits": {"loader": "digits"}}, training={"epochs": 1, **training})
        plan = finished.snakemake("-n", "--configfile", config, *options).stdout
        return set(re.findall(rf"rule {rule}:.*?gpu=(\d+)", plan, re.DOTALL))

    limit = ("--resources", "gpu=4")
    assert gpus("train") == {"0"}
    assert gpus("train", *limit) == {"1"}
    assert gpus("train", *limit, device="cpu") == {"0"}
    assert gpus("train", device="cuda", processes=2) == {"2"}
    assert gpus("evaluate", device="cuda", processes=2) == {"1"}


def test_a_new_test_set_trains_nothing_again(finished: Checkout) -> None:
    testsets = {**TINY["testsets"], "more": {"kind": "corruptions", "shifts": ["fog"]}}
    plan = jobs(planned(finished, finished.write("more_testsets", experiment="tiny", testsets=testsets)))
    assert plan.keys() - {"default", "total"} == {"generate_digits_more_1", "evaluate", "collect", "report", "track"}


def test_without_snakemakes_records_the_stamps_tell_what_is_outdated(copied: Checkout) -> None:
    shutil.rmtree(copied.folder / ".snakemake")
    assert "Nothing to be done" in planned(copied, "config/tiny.yaml")
    config = copied.write("other", experiment="tiny", training={"epochs": 2, "batch_size": 32})
    plan = planned(copied, config)
    assert re.search(r"^2 runs train again, about .*: training.epochs 1 → 2$", plan, re.MULTILINE)
    made = {"train": 2, "evaluate": 2, "collect": 1, "report": 1}
    assert jobs(plan) == {**made, "track": 1, "default": 1, "total": 8}
    one = copied.snakemake("-n", "results/tiny/report.pdf", "--configfile", config)
    assert jobs(one.stdout + one.stderr) == {**made, "total": 6}
    (copied.folder / "Snakefile").write_text(
        f"configfile: {config!r}\n\nmodule inner:\n    snakefile: 'workflow/Snakefile'\n    config: config\n\n"
        "use rule * from inner as inner_*\n"
    )
    module = copied.snakemake("-n", "results/tiny/report.pdf")
    assert jobs(module.stdout + module.stderr) == {**{f"inner_{rule}": n for rule, n in made.items()}, "total": 6}


def test_every_training_takes_the_experiments_memory(finished: Checkout) -> None:
    config = finished.write("memory", memory_mb=3000)
    plan = finished.snakemake("-n", "--configfile", config, "--resources", "mem_mb=5000").stdout
    for rule in ("train", "evaluate"):
        assert set(re.findall(rf"rule {rule}:.*?mem_mb=(\d+)", plan, re.DOTALL)) == {"3000"}


def test_jobs_have_their_own_configuration_alone_in_folders_of_any_name(finished: Checkout) -> None:
    """The default experiment's learning rate, say, does not leak into another."""
    config = finished.write("blanks", folders={"data": "my data", "results": "my results"})
    plan = finished.snakemake("-n", "--printshellcmds", "--configfile", config)
    commands = re.findall(r"^Shell command: (augmix .*)$", plan.stdout + plan.stderr, re.MULTILINE)
    jobs = [build_parser().parse_args(shlex.split(command)[1:]) for command in commands]
    trained = {job.output: json.loads(job.settings) for job in jobs if job.command == "train"}
    experiment = load(finished.folder / config)
    assert trained == {f"my results/blanks/{run.path}": run.training.as_json() for run in experiment.runs}
    assert "learning_rate" not in (finished.folder / config).read_text()
    made = [json.loads(job.settings)["testset"] for job in jobs if job.command == "generate"]
    assert {testset["where"] for testset in made} == {"my data/digits-C", "my data/digits-P"}


def test_edited_sources_of_cheap_rules_run_these_again(copied: Checkout) -> None:
    assert copied.reproduce("config/tiny.yaml").stdout.startswith("Nothing to do")

    def append(name: str, line: str) -> None:
        with (copied.folder / name).open("a") as file:
            file.write(f"{line}\n")

    sources = {"reports/tables.py": {"report", "track"}, "augmix/metrics.py": {"collect", "report", "track"}}
    for name in sources:
        append(name, "# edited")
    assert "Nothing to be done" in planned(copied, "config/tiny.yaml"), "a comment decides nothing"
    for name, expected in sources.items():
        append(name, "EDITED = True")
        assert jobs(planned(copied, "config/tiny.yaml")).keys() - {"default", "total"} == expected


def test_what_a_killed_snakemake_leaves_behind_does_not_stop_the_front(copied: Checkout) -> None:
    """Its lock of the folder, and its mark on a file that it was making."""
    made, records = "results/tiny/mlflow.synced", copied.folder / ".snakemake"
    (records / "locks").mkdir()
    (records / "locks/0.output.lock").write_text(f"{made}\n")
    bare = copied.snakemake("--configfile", "config/tiny.yaml")
    assert "LockException" in bare.stdout + bare.stderr
    assert copied.reproduce("config/tiny.yaml").stdout.startswith("Nothing to do")
    (records / "incomplete" / base64.urlsafe_b64encode(made.encode()).decode()).write_text("{}")
    bare = copied.snakemake("-n", "--configfile", "config/tiny.yaml")
    assert "IncompleteFilesException" in bare.stdout + bare.stderr
    assert copied.reproduce("config/tiny.yaml", "--dry-run").stdout == "Would run 1 jobs: 1 track\n"
