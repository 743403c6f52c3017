"""Ordered logs and the loop that folds them: the mechanism, without a word of the domain.

core/          the decider protocol, rows, the stage loop, the log in memory. Pure.
codec.py       a row as a store has it, and as a CloudEvents envelope.
postgres/      the log in Postgres: commits, leases, generations, migrations.
kafka/         the log on Kafka: the relay publishes, the reader needs one integer.
http_log.py    the log over HTTP.
runner.py      drives a stage between two logs.
supervisor.py  keeps the shards of a service running, one owner each.
program.py     a service as a program: settings, host, peers, health, lag.
retry.py       growing pauses with jitter. log_once.py logs a condition once.
testing/       sentences for the tests of deciders.
"""
