"""simulate over Kafka: the services' own programs, each with a database of its own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from eventlog.kafka.administration import apply, remove
from eventlog.kafka.topics import Cluster, log_topics
from eventlog.notifier import Notifier
from eventlog.postgres.log import PostgresLog
from eventlog.postgres.migrate import database_comment
from eventlog.postgres.outbox import count_unpublished
from eventlog.postgres.pool import listen, open_database
from events.topology import LOGS, STAGES, WRITER
from gridcall.host.migrations import prepare
from gridcall.simulation.driver import BATCH
from gridcall.simulation.local_cluster import LocalCluster, cluster_folder
from gridcall.simulation.pipelines.postgres import StoredPipeline, remark_run
from gridcall.simulation.report_worker import ReportWorker

BATCHES_AHEAD = 30  # A batch is on its way for longer than it takes to decide.
LOOK_SECONDS = 0.05


class KafkaPipeline(StoredPipeline):
    """The stages are other processes, whose relays publish what they commit."""

    async def wait_until_published(self) -> None:
        """Wait until all that is committed is on the topics too. No commit waits for its relay."""
        for log in self._logs.values():
            while await count_unpublished(log, self.district):
                self.stages.check()
                await asyncio.sleep(LOOK_SECONDS)  # A relay tells nobody how far it is.


@asynccontextmanager
async def open_kafka_pipeline(
    urls: Mapping[str, str],
    cluster: Cluster,
    replicas: int,
    run: str,
    district: str,
    reader: ReportWorker,
    batch: int = BATCH,
) -> AsyncIterator[KafkaPipeline]:
    """Open the pipeline over Kafka, with `replicas` processes of each service.

    `urls` has a database for each service. A stopped run of the same name is continued.
    """
    forget = await database_comment(urls["intake"]) != run
    await prepare_services(urls, cluster, forget)
    notifier = Notifier()
    async with remark_run(urls["intake"], run), AsyncExitStack() as stack:
        logs: dict[str, PostgresLog] = {}
        for log in LOGS:
            database = await stack.enter_async_context(open_database(urls[WRITER[log]]))
            logs[log] = PostgresLog(log, WRITER[log], database, notifier, "simulate")
        folder = cluster_folder(cluster.prefix, forget)
        services = LocalCluster(folder, cluster, urls, replicas)
        await stack.enter_async_context(services)
        for stage in STAGES:
            services.start(listen(urls[stage.name], notifier))
        log_urls = {log: urls[WRITER[log]] for log in logs}
        rows_ahead = BATCHES_AHEAD * batch
        pipeline = KafkaPipeline(log_urls, logs, district, reader, services, rows_ahead)
        yield pipeline
        await pipeline.wait_until_published()


async def prepare_services(urls: Mapping[str, str], cluster: Cluster, forget: bool) -> None:
    """Prepare a database for each service, and the topics. With `forget`, empty ones."""
    for service in WRITER.values():
        await prepare(urls[service], services=(service,), forget=forget)
    topics = log_topics(cluster, LOGS, 1)
    if forget:
        await remove(cluster, topics)
    await apply(cluster, topics)
