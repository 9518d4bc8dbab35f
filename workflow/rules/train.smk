# One job a run. Its checkpoint and history are no outputs: Snakemake deletes a rule's outputs before it runs again,
# and a killed run continues from its checkpoint.

TRAINED_ON = f"{DATA}/{{dataset}}{'' if experiment.validation is None else VALIDATION}"


rule train:
    input:
        f"{TRAINED_ON}/train_images.npy",
        f"{TRAINED_ON}/train_labels.npy",
        f"{TRAINED_ON}/test_images.npy",
        f"{TRAINED_ON}/test_labels.npy",
    output:
        f"{RUN}/model.pt",
    log:
        f"{RUN}/train.log",
    conda:
        ENVIRONMENT
    threads:
        lambda wildcards: run_of(wildcards).training["training"]["threads"]
        * run_of(wildcards).training["training"]["processes"]
    resources:
        gpu=gpus(),
        mem_mb=MEMORY,
    params:
        settings=lambda wildcards: as_json(run_of(wildcards).training),
        folder=lambda wildcards, output: Path(output[0]).parent,
    shell:
        "augmix train --settings {params.settings:q} --output {params.folder:q} --log {log:q}"
