#!/bin/sh
# submit.sh THREADS MEMORY_MB MINUTES GPUS SCRIPT: start the script in a pod; print the name of its Kubernetes job.
set -eu
image=${AUGMIX_IMAGE:-python:3.11}  # site: its Python is the one that made .venv; it needs git and bash
claim=${AUGMIX_CLAIM:-augmix}       # site: a PersistentVolumeClaim that many pods may write (ReadWriteMany)
volume=${AUGMIX_VOLUME:-/mnt/augmix} # site: where it is mounted, here and there

gpu=""
[ "$4" = 0 ] || gpu="nvidia.com/gpu: $4"
kubectl create -o 'jsonpath={.metadata.name}' -f - <<MANIFEST
apiVersion: batch/v1
kind: Job
metadata: {generateName: augmix-}
spec:
  backoffLimit: 0 # Snakemake tries again, with more time and memory
  activeDeadlineSeconds: $(($3 * 60))
  template:
    spec:
      restartPolicy: Never
      terminationGracePeriodSeconds: 60 # SIGTERM comes first: a training leaves a checkpoint
      containers:
        - name: job
          image: "$image"
          command: [/bin/sh, "$5"]
          workingDir: "$(pwd)"
          resources:
            requests: {cpu: "$1", memory: ${2}M}
            limits:
              memory: ${2}M
              $gpu
          volumeMounts: [{name: work, mountPath: "$volume"}]
      volumes: [{name: work, persistentVolumeClaim: {claimName: "$claim"}}]
MANIFEST
