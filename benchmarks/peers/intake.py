"""Intake as FastAPI's users write it: a model comes in, INSERT … ON CONFLICT, a receipt goes out.

uvicorn --app-dir benchmarks/peers intake:app

DATABASE_URL names its database. An issue that was posted before gets its first receipt.
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Annotated, Any, Literal

import asyncpg
from fastapi import FastAPI, Request
from pydantic import BaseModel, Field

TABLE = """
CREATE TABLE IF NOT EXISTS issues (
  position bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  tracking uuid NOT NULL DEFAULT gen_random_uuid() UNIQUE,
  line text NOT NULL, reference text NOT NULL,
  category text NOT NULL, urgency text NOT NULL, due timestamptz, place jsonb, district text,
  time timestamptz NOT NULL DEFAULT clock_timestamp(),
  UNIQUE (line, reference))
"""
INSERT = """
INSERT INTO issues (line, reference, category, urgency, due, place, district)
VALUES ($1, $2, $3, $4, $5, $6, $7)
ON CONFLICT (line, reference) DO NOTHING RETURNING position, tracking, reference, time
"""
KNOWN = """
SELECT position, tracking, reference, time FROM issues
WHERE line = $1 AND reference = ANY ($2)
"""
Short = Annotated[str, Field(max_length=64)]
Text = Annotated[str, Field(min_length=1, max_length=200)]


class Point(BaseModel):
    """A point in degrees."""

    lat: Annotated[float, Field(ge=-90, le=90)]
    lon: Annotated[float, Field(ge=-180, le=180)]
    crs: Literal["WGS84"] = "WGS84"


class Place(BaseModel):
    """A place as a line knows it."""

    point: Point | None = None
    grid: Short | None = None
    street: Short | None = None


class Issue(BaseModel):
    """An issue of the shape that gridcall takes."""

    reference: Text
    category: Text
    urgency: Literal["normal", "urgent", "life"] = "normal"
    due: datetime | None = None
    place: Place | None = None
    district: Short | None = None

    def to_row(self, line: str) -> tuple[Any, ...]:
        """Return the values of its row."""
        place = self.place.model_dump_json() if self.place else None
        columns = (self.reference, self.category, self.urgency, self.due, place, self.district)
        return (line, *columns)


class Receipt(BaseModel):
    """The answer to an issue."""

    reference: str
    position: int
    tracking: str
    time: datetime


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    """Hold a pool of connections while the application runs."""
    async with asyncpg.create_pool(os.environ["DATABASE_URL"]) as pool:
        await pool.execute(TABLE)
        app.state.pool = pool
        yield


app = FastAPI(lifespan=lifespan)


def receipt_of(row: Any) -> Receipt:
    """Return the receipt of a stored issue."""
    return Receipt(**{**row, "tracking": row["tracking"].hex})


@app.post("/issues/{line}", status_code=202)
async def post_issue(line: str, issue: Issue, request: Request) -> Receipt:
    """Store an issue."""
    pool = request.app.state.pool
    row = await pool.fetchrow(INSERT, *issue.to_row(line))
    return receipt_of(row or await pool.fetchrow(KNOWN, line, [issue.reference]))


@app.post("/issues/{line}/batch", status_code=202)
async def post_issues(line: str, issues: Sequence[Issue], request: Request) -> list[Receipt]:
    """Store the issues of an array in one transaction."""
    async with request.app.state.pool.acquire() as connection, connection.transaction():
        rows = await connection.fetchmany(INSERT, [issue.to_row(line) for issue in issues])
        if len(rows) < len(issues):
            references = [issue.reference for issue in issues]
            rows = await connection.fetch(KNOWN, line, references)
    receipts = {row["reference"]: receipt_of(row) for row in rows}
    return [receipts[issue.reference] for issue in issues]
