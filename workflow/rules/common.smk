# Names that every rule file uses.
import json
import os

from augmix.suite.config.experiment import VALIDATION
from augmix.suite.evaluate.results import FINISHED_ONLY, run_state
from augmix.suite.evaluate.choosing import to_test

DATA = str(experiment.data)
RESULTS = str(experiment.folder)
RUN = f"{RESULTS}/{{dataset}}/{{architecture}}/{{method}}/seed{{seed}}"
RUNS = {run.path: run for run in experiment.runs}
# After failures, `augmix reproduce` asks for the report of what finished.
REPORTED = [
    path for path, run in RUNS.items() if FINISHED_ONLY not in os.environ or run_state(experiment, run).status == "done"
]
MEMORY = experiment.config["memory_mb"]
ENVIRONMENT = "../../environment.yml"


wildcard_constraints:
    dataset=f"({'|'.join(map(re.escape, experiment.datasets))})({VALIDATION})?",
    architecture="[^/]+",
    method="[^/]+",
    seed=r"\d+",
    shift="[a-z_]+",
    kind="[CP]",


def as_json(settings):
    """Settings as the command line takes them; a rule whose settings change runs again."""
    return json.dumps(settings, sort_keys=True)


def run_of(wildcards):
    return RUNS[f"{wildcards.dataset}/{wildcards.architecture}/{wildcards.method}/seed{wildcards.seed}"]


def gpus(processes=None):
    """The GPUs of a job that trains (in its `processes`) or evaluates: for `auto`, where this machine's are counted."""

    def count(wildcards):
        training = run_of(wildcards).training["training"]
        wanted = training["device"] == "cuda" or (training["device"] == "auto" and "gpu" in workflow.global_resources)
        return (processes or training["processes"]) if wanted else 0

    return count


def benchmark_options(benchmark):
    """The options of `augmix corrupt` or `perturb`, from the data set's settings."""

    def options(wildcards):
        settings = experiment.benchmark_settings(wildcards.dataset, benchmark)
        return " ".join(f"--{key} {value}" for key, value in settings.items() if value is not None)

    return options


def predictions(paths, output="predictions"):
    """The files that an evaluation writes for each of these runs."""
    return [f"{RESULTS}/{path}/{output}/{name}.npz" for path in paths for name in ("clean", "C", "P")]


def needed_by_collect(wildcards):
    """Every run's predictions; where the experiment chooses, those of the chosen runs, known only by then."""
    if experiment.validation is None:
        return predictions(REPORTED)
    checkpoints.choose.get()
    return predictions(REPORTED, "validation") + predictions([path for path in to_test(experiment) if path in REPORTED])
