# One job a run. Its checkpoint and history are no outputs: Snakemake deletes a rule's outputs before it runs again,
# and a killed run continues from its checkpoint.


rule train:
    input:
        data_to_train_on,
    output:
        f"{RUN}/model.pt",
    log:
        f"{RUN}/train.log",
    priority: lambda wildcards: PRIORITIES[run_of(wildcards).path]
    conda:
        ENVIRONMENT
    threads: lambda wildcards: run_of(wildcards).training.training["threads"] * run_of(wildcards).training.training["processes"]
    resources:
        gpu=gpus(),
        mem_mb=MEMORY,
    params:
        settings=lambda wildcards: as_json(run_of(wildcards).training.as_json()),
        folder=lambda wildcards, output: Path(output[0]).parent,
        # Where the test sets are there, a training evaluates its net as well: starting a process for it takes longer.
        # They are no reason to train again: Snakemake does not compare what is derived from `output`.
        evaluation=lambda wildcards, output: as_json(
            asdict(run_of(wildcards).validation or run_of(wildcards).evaluation)
        ),
    shell:
        "augmix train --settings {params.settings:q} --evaluation {params.evaluation:q} --output {params.folder:q}"
        " --log {log:q}"
