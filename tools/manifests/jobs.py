"""The jobs that look after a system: the doctor each hour, and the verification each night."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from events.topology import DIRECTORY, SERVICES
from tools.manifests.names import (
    DOCTOR,
    PROCESS,
    VERIFY,
    Manifest,
    database_url,
    labels_of,
    metadata,
    service_urls,
)
from tools.manifests.network import TO_DATABASE, doctor_policy, flow, policy
from tools.manifests.pods import (
    KEY_FILE,
    account,
    container,
    database_password,
    pod_spec,
    resources,
)

VERIFIER = "verifier"  # A role that may read all and write nothing.
NEEDS = {DOCTOR: resources("50m", "128Mi", "512Mi"), VERIFY: resources("500m", "1Gi", "4Gi")}
ENVIRONMENTS = {
    DOCTOR: {**PROCESS, **service_urls()},
    VERIFY: {**PROCESS, "GRIDCALL_DATABASE_URL": database_url(DIRECTORY, VERIFIER)},
}


def jobs() -> Iterator[Manifest]:
    """Yield both jobs, with their accounts and policies."""
    others = [each.name for each in SERVICES if each.name != DIRECTORY]
    databases = [f"--service-database={name}={database_url(name, VERIFIER)}" for name in others]
    yield account(DOCTOR, DOCTOR)
    yield cron_job(DOCTOR, "17 * * * *", 600, ["doctor", "--services"], [KEY_FILE])
    yield doctor_policy()
    yield account(VERIFY, VERIFY)
    yield cron_job(
        VERIFY, "23 2 * * *", 6 * 3600, ["verify", *databases], [database_password(VERIFIER)]
    )
    yield policy(VERIFY, VERIFY, ingress=[], egress=[flow("to", *TO_DATABASE)])


def cron_job(
    name: str, schedule: str, seconds: int, arguments: Sequence[str], secrets: Sequence[Manifest]
) -> Manifest:
    """Return a job that runs a command. Its failure is the message, so that nothing repeats it."""
    labels = labels_of(name, name)
    running = container(name, arguments, NEEDS[name], envFrom=[{"configMapRef": {"name": name}}])
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": metadata(name, labels),
        "spec": {
            "schedule": schedule,
            "timeZone": "Etc/UTC",
            "concurrencyPolicy": "Forbid",
            "startingDeadlineSeconds": 600,
            "successfulJobsHistoryLimit": 1,
            "failedJobsHistoryLimit": 3,
            "jobTemplate": {
                "spec": {
                    "backoffLimit": 0,
                    "activeDeadlineSeconds": seconds,
                    "template": {
                        "metadata": {"labels": labels},
                        "spec": {
                            **pod_spec(name, [running], secrets),
                            "restartPolicy": "Never",
                        },
                    },
                }
            },
        },
    }
