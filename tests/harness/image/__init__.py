"""The image, built and run with podman on this machine: `deploy/image/try`."""
