# Names that every rule file uses.
import json

DATA = str(experiment.data)
RESULTS = str(experiment.folder)
RUN = f"{RESULTS}/{{dataset}}/{{architecture}}/{{method}}/seed{{seed}}"
RUNS = {run.path: run for run in experiment.runs}
ENVIRONMENT = "../../environment.yml"


wildcard_constraints:
    dataset="|".join(map(re.escape, experiment.datasets)),
    architecture="[^/]+",
    method="[^/]+",
    seed=r"\d+",
    shift="[a-z_]+",


def as_json(settings):
    """Settings as the command line takes them; a rule whose settings change runs again."""
    return json.dumps(settings, sort_keys=True)


def run_of(wildcards):
    return RUNS[f"{wildcards.dataset}/{wildcards.architecture}/{wildcards.method}/seed{wildcards.seed}"]


def benchmark_options(benchmark):
    """The options of `augmix corrupt` or `perturb`, from the data set's settings."""

    def options(wildcards):
        settings = experiment.benchmark_settings(wildcards.dataset, benchmark)
        return " ".join(f"--{key} {value}" for key, value in settings.items() if value is not None)

    return options
