#!/bin/sh
# status.sh JOB: print success, failed or running, as Snakemake wants it.
state=$(kubectl get job "$1" --ignore-not-found -o 'jsonpath={.metadata.name}:{.status.succeeded}:{.status.failed}') ||
    state=unknown # the API server is away: ask again
case $state in
"$1:1:") echo success ;;
"" | "$1::"[1-9]*) echo failed ;;
*) echo running ;;
esac
