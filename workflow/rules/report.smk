# From predictions to metrics.csv, the report and MLflow's mirror.

# Settings are handed over by functions: Snakemake would take {a} in a title for a wildcard.
SETTINGS = as_json(experiment.config)


rule collect:
    input:
        needed_by_collect,
    output:
        [f"{RESULTS}/{name}" for name in ("metrics.csv", "runs.csv", "experiment.yaml")],
    log:
        f"{RESULTS}/logs/collect.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        settings=lambda wildcards: SETTINGS,
    shell:
        "augmix collect --settings {params.settings:q} --log {log:q}"


rule report:
    input:
        rules.collect.output,
    output:
        report(
            f"{RESULTS}/report.pdf",
            caption="../report/report.rst",
            category="Report",
            labels={"experiment": experiment.name, "form": "PDF"},
        ),
        report(
            f"{RESULTS}/report.html",
            caption="../report/page.rst",
            category="Report",
            labels={"experiment": experiment.name, "form": "page"},
        ),
        report(
            directory(f"{RESULTS}/figures"),
            patterns=["{name}.png"],
            caption="../report/figures.rst",
            category="Figures",
            labels={"figure": "{name}"},
        ),
        report(
            directory(f"{RESULTS}/tables"),
            patterns=["{name}.csv"],
            caption="../report/tables.rst",
            category="Tables",
            labels={"table": "{name}"},
        ),
    log:
        f"{RESULTS}/logs/report.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        settings=lambda wildcards: SETTINGS,
    shell:
        "augmix report --settings {params.settings:q} --log {log:q}"


rule track:
    input:
        rules.report.output,
    output:
        touch(f"{RESULTS}/mlflow.synced"),
    log:
        f"{RESULTS}/logs/track.log",
    localrule: True
    conda:
        ENVIRONMENT
    params:
        settings=lambda wildcards: SETTINGS,
    shell:
        "augmix track sync --settings {params.settings:q} --log {log:q}"
