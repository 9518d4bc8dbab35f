# The front door. `augmix reproduce` (which `make reproduce` calls) runs this workflow with a pre-flight, a lock and
# readable failures; `snakemake --cores 2` and its other options work as well, from an activated environment.
import sys

from augmix.errors import UserError
from augmix.suite.config.experiment import load

if not workflow.configfiles:

    configfile: "config/digits.yaml"


try:
    # Read strictly, with line numbers, rather than as Snakemake merged them; `--config` still goes on top.
    experiment = load(*workflow.configfiles, overrides=workflow.config_settings.config)
except UserError as error:
    print(f"augmix: error: {error}", file=sys.stderr)
    sys.exit(2)


include: "workflow/rules/common.smk"
include: "workflow/rules/data.smk"
include: "workflow/rules/train.smk"
include: "workflow/rules/evaluate.smk"
include: "workflow/rules/report.smk"


rule all:
    default_target: True
    input:
        rules.collect.output,
        rules.report.output,
        rules.track.output,
