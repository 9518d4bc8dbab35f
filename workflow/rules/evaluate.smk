# Every run on every test set, in one job. The predictions are no outputs: those that are still right are kept.


rule evaluate:
    input:
        weights_of,
        lambda wildcards: settled(f"{DATA}/{wildcards.dataset}/dataset.json"),
        lambda wildcards: test_set_files(experiment.testsets(wildcards.dataset)),
    output:
        f"{RUN}/predictions.json",
    log:
        f"{RUN}/evaluate.log",
    priority: FIRST
    conda:
        ENVIRONMENT
    threads: lambda wildcards: run_of(wildcards).training.training["threads"]
    resources:
        gpu=gpus(1),
        mem_mb=MEMORY,
    params:
        settings=lambda wildcards: as_json(asdict(run_of(wildcards).evaluation)),
        folder=lambda wildcards, input: Path(input[0]).parent,
    shell:
        "augmix evaluate --settings {params.settings:q} --output {params.folder:q} --log {log:q}"


if experiment.validation is not None:

    rule validate:
        input:
            weights_of,
            lambda wildcards: settled(f"{run_of(wildcards).training.data}/dataset.json"),
            lambda wildcards: test_set_files(experiment.validation_testsets(wildcards.dataset)),
        output:
            f"{RUN}/validation.json",
        log:
            f"{RUN}/validate.log",
        priority: FIRST
        conda:
            ENVIRONMENT
        threads: lambda wildcards: run_of(wildcards).training.training["threads"]
        resources:
            gpu=gpus(1),
            mem_mb=MEMORY,
        params:
            settings=lambda wildcards: as_json(asdict(run_of(wildcards).validation)),
            folder=lambda wildcards, input: Path(input[0]).parent,
        shell:
            "augmix evaluate --settings {params.settings:q} --output {params.folder:q} --log {log:q}"

    checkpoint choose:
        input:
            evaluations(REPORTED, "validation"),
        output:
            f"{RESULTS}/chosen.csv",
        log:
            f"{RESULTS}/logs/choose.log",
        localrule: True
        conda:
            ENVIRONMENT
        params:
            settings=lambda wildcards: as_json(experiment.config),
        shell:
            "augmix choose --settings {params.settings:q} --log {log:q}"


# One target a sweep: `snakemake sweep_width` trains and validates what that sweep needs.
for sweep in experiment.sweeps:

    rule:
        name:
            f"sweep_{sweep}"
        input:
            evaluations(
                [
                    run.path
                    for run in experiment.runs
                    for method in experiment.config["methods"]
                    if method["name"] == run.method and sweep in method.get("sweeps", {})
                ],
                experiment.output,
            ),
