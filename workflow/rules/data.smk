# Data sets become arrays; their test images become -C and -P benchmarks, unless the published ones are asked for.


rule prepare:
    output:
        [f"{DATA}/{{dataset}}/{split}_{kind}.npy" for split in ("train", "test") for kind in ("images", "labels")],
        f"{DATA}/{{dataset}}/dataset.json",
    log:
        f"{DATA}/logs/prepare-{{dataset}}.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        settings=lambda wildcards: as_json(experiment.dataset_settings(wildcards.dataset)),
        folder=lambda wildcards, output: Path(output[0]).parent,
    shell:
        "augmix prepare --settings {params.settings:q} --output {params.folder:q} --log {log:q}"


rule corrupt:
    input:
        f"{DATA}/{{dataset}}/test_images.npy",
        f"{DATA}/{{dataset}}/test_labels.npy",
    output:
        f"{DATA}/{{dataset}}-C/{{shift}}.npy",
    log:
        f"{DATA}/logs/corrupt-{{dataset}}-{{shift}}.log",
    conda:
        ENVIRONMENT
    params:
        data=lambda wildcards, input: Path(input[0]).parent,
        folder=lambda wildcards, output: Path(output[0]).parent,
        options=benchmark_options("C"),
    shell:
        "augmix corrupt {params.data:q} --corruption {wildcards.shift} {params.options}"
        " --output {params.folder:q} --log {log:q}"


rule perturb:
    input:
        f"{DATA}/{{dataset}}/test_images.npy",
        f"{DATA}/{{dataset}}/test_labels.npy",
    output:
        f"{DATA}/{{dataset}}-P/{{shift}}.npy",
    log:
        f"{DATA}/logs/perturb-{{dataset}}-{{shift}}.log",
    conda:
        ENVIRONMENT
    params:
        data=lambda wildcards, input: Path(input[0]).parent,
        folder=lambda wildcards, output: Path(output[0]).parent,
        options=benchmark_options("P"),
    shell:
        "augmix perturb {params.data:q} --perturbation {wildcards.shift} {params.options}"
        " --output {params.folder:q} --log {log:q}"


rule published:
    input:
        f"{DATA}/{{dataset}}/test_images.npy",
        f"{DATA}/{{dataset}}/test_labels.npy",
        f"{DATA}/{{dataset}}/dataset.json",
    output:
        f"{DATA}/{{dataset}}/published-{{kind}}.json",
    log:
        f"{DATA}/logs/published-{{dataset}}-{{kind}}.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        settings=lambda wildcards: as_json(experiment.published_settings(wildcards.dataset, wildcards.kind)),
    shell:
        "augmix prepare --published --settings {params.settings:q} --output {output:q} --log {log:q}"
