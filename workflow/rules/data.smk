# Data sets become arrays; test sets are generated of them, checked where they are published, or prepared.


rule prepare:
    input:
        again,
    output:
        f"{DATA}/{{folder}}/dataset.json",
    log:
        f"{DATA}/logs/prepare-{{folder}}.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        settings=lambda wildcards: as_json(experiment.preparation(wildcards.folder).made_of()),
        folder=lambda wildcards, output: Path(output[0]).parent,
    shell:
        "augmix prepare --settings {params.settings:q} --output {params.folder:q} --log {log:q}"


# One rule a job: test sets differ in how many they take, and what they need.
for making in experiment.makings():

    rule:
        name:
            f"generate_{making.id}"
        input:
            settled(f"{making.testset.data}/dataset.json"),
        output:
            str(making.marker),
        log:
            f"{DATA}/logs/generate-{making.id}.log",
        priority: FIRST  # trainings evaluate on what is there
        group:
            None if making.local else "testsets"  # on a cluster, small jobs share a submission
        localrule: making.local
        conda:
            ENVIRONMENT
        resources:
            in_turn=1,
        params:
            settings=lambda wildcards, making=making: as_json(
                {**making.settings(), "shifts": stages.to_make(experiment, making)}
            ),
        shell:
            "augmix generate --settings {params.settings:q} --log {log:q}"
