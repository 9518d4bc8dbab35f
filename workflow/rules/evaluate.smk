# Every run on the clean test set and on every -C and -P benchmark, in one job.


rule evaluate:
    input:
        f"{RUN}/model.pt",
        lambda wildcards: [f"{DATA}/{wildcards.dataset}-C/{name}.npy" for name in experiment.corruptions],
        lambda wildcards: [
            f"{DATA}/{wildcards.dataset}-P/{name}.npy" for name in experiment.perturbations(wildcards.dataset)
        ],
    output:
        [f"{RUN}/predictions/{name}.npz" for name in ("clean", "C", "P")],
    log:
        f"{RUN}/evaluate.log",
    conda:
        ENVIRONMENT
    threads: lambda wildcards: run_of(wildcards).training["training"]["threads"]
    params:
        settings=lambda wildcards: as_json(run_of(wildcards).evaluation),
        folder=lambda wildcards, input: Path(input[0]).parent,
    shell:
        "augmix evaluate --settings {params.settings:q} --output {params.folder:q} --log {log:q}"
