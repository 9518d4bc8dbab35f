# Names that every rule file uses.
#
# `augmix reproduce` decides by the stamps in the files whether a result is made again, not by their times, which copies
# and clocks change: inputs are `ancient`, but for those that it found to be made again. Bare Snakemake makes the same
# ones again, and goes by times and the rules' params as well: behind an `ancient` input it would see neither.
import json
import os
import re
import sys
from dataclasses import asdict
from functools import cache

from augmix.suite.config.parse import VALIDATION
from augmix.suite.evaluate.choosing import to_test
from augmix.suite.evaluate import stages
from augmix.suite.evaluate.stages import FINISHED_ONLY, run_state
from augmix.suite.run import outdated

DATA = str(experiment.data)
RESULTS = str(experiment.folder)
RUN = f"{RESULTS}/{{dataset}}/{{architecture}}/{{method}}/seed{{seed}}"
RUNS = {run.path: run for run in experiment.runs}
# After failures, `augmix reproduce` asks for the report of what finished.
REPORTED = [
    path for path, run in RUNS.items() if FINISHED_ONLY not in os.environ or run_state(experiment, run).status == "done"
]
# Seed by seed, so that methods can be compared early on; of a seed the last method first, for lists begin with the plain
# and quick ones, which leave cores idle for less at the end. Test sets and evaluations go before trainings.
PRIORITIES = {
    path: number for number, path in enumerate(sorted(RUNS, key=lambda path: RUNS[path].seed, reverse=True), 1)
}
FIRST = len(RUNS) + 1
ENVIRONMENT = "../../environment.yml"
MEMORY = experiment.config["memory_mb"]


# The files that are made again in this start, one a line; None where nobody looked at the stamps.
AGAIN = set(Path(os.environ[stages.AGAIN]).read_text().splitlines()) if stages.AGAIN in os.environ else None


wildcard_constraints:
    folder="|".join(map(re.escape, experiment.folders)),
    dataset="|".join(map(re.escape, experiment.datasets)),
    architecture="[^/]+",
    method="[^/]+",
    seed=r"\d+",


def as_json(settings):
    """Settings as the command line takes them; a rule whose settings change runs again."""
    return json.dumps(settings, sort_keys=True)


def run_of(wildcards):
    return RUNS[f"{wildcards.dataset}/{wildcards.architecture}/{wildcards.method}/seed{wildcards.seed}"]


def settled(path):
    """An input that makes nothing run again by its time, unless it is made again itself."""
    return str(path) if AGAIN is None or str(path) in AGAIN else ancient(str(path))


@cache
def judged():
    """The files that the stamps have made again; what it says is said once."""
    targets, lines = outdated.targets(experiment, dry_run=True)
    for line in lines:
        print(line, file=sys.stderr)
    return set(map(str, targets))


def again(wildcards):
    """No input, but outdated results are made again: Snakemake's own records may be gone, or others', and know no code.

    Every plan has a data set's job. Only the process that plans asks: jobs read this file again. A command line has
    --forcerun for it, which `augmix reproduce` uses; a Snakefile has no documented way.
    """
    if AGAIN is None and workflow.is_main_process:
        workflow.dag.forcefiles |= judged()
    return []


def data_to_train_on(wildcards):
    """A run's data set; nothing where the weights stay as they are, for its data may be gone then."""
    run = run_of(wildcards)
    weights = f"{RESULTS}/{run.path}/model.pt"
    if AGAIN is not None and weights not in AGAIN and Path(weights).exists():
        return []
    return settled(f"{run.training.data}/dataset.json")


def weights_of(wildcards):
    """A run's weights."""
    return settled(f"{RESULTS}/{run_of(wildcards).path}/model.pt")


def test_set_files(testsets):
    """The files by which the jobs that make these test sets are known."""
    return [settled(making.marker) for testset in testsets for making in testset.jobs()]


def gpus(processes=None):
    """The GPUs of a job that trains (in its `processes`) or evaluates: for `auto`, where this machine's are counted.

    A rule is not told the limits of `--resources` but by `workflow.global_resources`.
    """

    def count(wildcards):
        training = run_of(wildcards).training.training
        wanted = training["device"] == "cuda" or (training["device"] == "auto" and "gpu" in workflow.global_resources)
        return (processes or training["processes"]) if wanted else 0

    return count


def evaluations(paths, output="predictions"):
    """The file that an evaluation of each of these runs writes last."""
    return [f"{RESULTS}/{path}/{output}.json" for path in paths]


def needed_by_collect(wildcards):
    """Every run's evaluation; where the experiment chooses, those of the chosen runs, known only by then."""
    if experiment.validation is None:
        return evaluations(REPORTED)
    checkpoints.choose.get()
    return evaluations(REPORTED, "validation") + evaluations([path for path in to_test(experiment) if path in REPORTED])


def everything(wildcards):
    """The report, MLflow's mirror and every run's results: a run that was deleted is work."""
    models = [f"{RESULTS}/{path}/model.pt" for path in REPORTED]
    return [*rules.collect.output, *rules.report.output, *rules.track.output, *models, *needed_by_collect(wildcards)]
