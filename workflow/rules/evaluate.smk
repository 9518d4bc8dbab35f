# Every run on the clean test set and on every -C and -P benchmark, in one job.


rule evaluate:
    input:
        f"{RUN}/model.pt",
        lambda wildcards: experiment.benchmark_files(wildcards.dataset, "C", experiment.corruptions),
        lambda wildcards: experiment.benchmark_files(
            wildcards.dataset, "P", experiment.perturbations(wildcards.dataset)
        ),
    output:
        [f"{RUN}/predictions/{name}.npz" for name in ("clean", "C", "P")],
    log:
        f"{RUN}/evaluate.log",
    conda:
        ENVIRONMENT
    threads: lambda wildcards: run_of(wildcards).training["training"]["threads"]
    resources:
        gpu=gpus(1),
        mem_mb=MEMORY,
    params:
        settings=lambda wildcards: as_json(run_of(wildcards).evaluation),
        folder=lambda wildcards, input: Path(input[0]).parent,
    shell:
        "augmix evaluate --settings {params.settings:q} --output {params.folder:q} --log {log:q}"


if experiment.validation is not None:

    rule validate:
        input:
            f"{RUN}/model.pt",
            [f"{TRAINED_ON}-C/{name}.npy" for name in experiment.held_out],
        output:
            [f"{RUN}/validation/{name}.npz" for name in ("clean", "C", "P")],
        log:
            f"{RUN}/validate.log",
        conda:
            ENVIRONMENT
        threads: lambda wildcards: run_of(wildcards).training["training"]["threads"]
        resources:
            gpu=gpus(1),
            mem_mb=MEMORY,
        params:
            settings=lambda wildcards: as_json(run_of(wildcards).validation),
            folder=lambda wildcards, input: Path(input[0]).parent,
        shell:
            "augmix evaluate --settings {params.settings:q} --output {params.folder:q} --log {log:q}"

    checkpoint choose:
        input:
            predictions(REPORTED, "validation"),
        output:
            f"{RESULTS}/chosen.csv",
        log:
            f"{RESULTS}/logs/choose.log",
        localrule: True
        conda:
            ENVIRONMENT
        params:
            settings=as_json(experiment.config),
        shell:
            "augmix choose --settings {params.settings:q} --log {log:q}"


# One target a sweep: `snakemake sweep_width` trains and validates what that sweep needs.
for sweep in experiment.sweeps:

    rule:
        name:
            f"sweep_{sweep}"
        input:
            predictions(
                [
                    run.path
                    for run in experiment.runs
                    for method in experiment.config["methods"]
                    if method["name"] == run.method and sweep in method.get("sweeps", {})
                ],
                experiment.output,
            ),
