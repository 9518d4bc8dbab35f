# The workflow lies in workflow/Snakefile; from here `snakemake --cores 2` finds it.
include: "workflow/Snakefile"


# An included file's default target does not count.
rule default:
    default_target: True
    input:
        rules.all.input,
