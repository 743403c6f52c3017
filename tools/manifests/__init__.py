"""The manifests of Kubernetes that repeat for each service, from one declaration: the topology."""
