"""Simulated traffic: 17 platforms that report, and people who visit, resolve, verify and answer.

The program knows the demo district and speaks HTTP. It posts to the intake API and follows the logs
of routing and escalation, as a back office would.

A post is written to `receipts.ndjson` before it is sent, and its answer afterwards. A restart sends
again what has no answer yet. People act on the logs alone. The same row leads to the same
reference, so that a repeated action changes nothing.

All rates, delays and error shares are invented for this demo. Its people work at night, too. Times
are the district's, which may run faster than the wall clock.
"""
