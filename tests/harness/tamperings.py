"""Changes behind the services' back, as SQL: those that verify notices, and those it may not."""

from __future__ import annotations

LINK_AGAIN = """
WITH genesis AS (
  SELECT intake.next_hash(NULL, '', intake.generation_link(
    g.shard, g.start, g.number, g.before, d.number, d.tracking_key)) AS head
  FROM intake.generation g JOIN intake.district d USING (shard)
), linked AS (
  SELECT l.shard, l.pos, intake.chain(genesis.head, intake.row_link(
    l.shard, l.pos, l.ts, l.subject, l.seq, l.type, l.data, i.content, l.source, l.credential
  )) OVER (ORDER BY l.pos ROWS UNBOUNDED PRECEDING) AS hash
  FROM genesis, intake.log l LEFT JOIN intake.identity i USING (shard, pos)
), hashed AS (
  UPDATE intake.log l SET hash = linked.hash FROM linked WHERE l.pos = linked.pos
)
UPDATE intake.shard SET head = (SELECT hash FROM linked ORDER BY pos DESC LIMIT 1)
"""
SWAP_INPUTS = """
UPDATE intake.log SET pos = CASE pos WHEN 6 THEN -7 ELSE -6 END WHERE pos IN (6, 7);
UPDATE intake.log SET pos = -pos WHERE pos < 0
"""
COPY = "ts, input, n, subject, seq, cause, type, data, source, credential, hash"
LAST = "(SELECT max(pos) FROM intake.log)"
REMOVED_TAIL = f"""
DELETE FROM intake.identity WHERE pos = {LAST};
DELETE FROM intake.log WHERE pos = {LAST};
UPDATE intake.shard SET pos = l.pos, ts = l.ts, head = l.hash
FROM intake.log l WHERE l.pos = {LAST};
DELETE FROM escalation.log; DELETE FROM routing.log;
DELETE FROM escalation.shard; DELETE FROM routing.shard;
DELETE FROM assessment.fact; DELETE FROM assessment.merged; DELETE FROM assessment.log;
DELETE FROM assessment.shard; DELETE FROM screen.progress; DELETE FROM screen.model
"""
NEW_TRACKING_KEY = """
UPDATE intake.tracking_key SET key = sha256(key);
UPDATE intake.district SET tracking_key = sha256(key) FROM intake.tracking_key;
"""

NO_REFERENCE = "ALTER TABLE intake.key DROP CONSTRAINT key_district_fkey; "

INPUTS = {
    "an input has another content": "UPDATE intake.log SET data = data || ' ' WHERE pos = 6",
    "the contents of two inputs are swapped": "UPDATE intake.log a SET data = b.data, "
    "subject = b.subject FROM intake.log b WHERE a.pos + b.pos = 13 AND a.pos IN (6, 7)",
    "an input is later": "UPDATE intake.log SET ts = ts + 1 WHERE pos = 6",
    "an input is earlier": "UPDATE intake.log SET ts = ts - 1 WHERE pos = 6",
    "the times of two inputs are swapped": "UPDATE intake.log a SET ts = b.ts "
    "FROM intake.log b WHERE a.pos + b.pos = 13 AND a.pos IN (6, 7)",
    "an input has another source": "UPDATE intake.log SET source = 'other' WHERE pos = 6",
    "an input has another credential": "UPDATE intake.log SET credential = 'operator:0@x' "
    "WHERE pos = 6",
    "an input has a key that was never made": "UPDATE intake.log SET credential = 'key:00' "
    "WHERE pos = 6",
    "an operator's adoption has another operator": "UPDATE intake.log "
    "SET credential = 'operator:0@x' WHERE pos = 1",
    "an input has another subject": "UPDATE intake.log SET subject = repeat('0', 32) WHERE pos = 6",
    "an input has another type": "UPDATE intake.log SET type = 'gridcall.visit-made.v1' "
    "WHERE pos = 6",
    "an input has another sequence": "UPDATE intake.log SET seq = 2 WHERE pos = 6",
    "an input names an input": "UPDATE intake.log SET input = 1 WHERE pos = 6",
    "an input has another step": "UPDATE intake.log SET n = 2 WHERE pos = 6",
    "an input names a cause": "UPDATE intake.log SET cause = 'intake/x/1' WHERE pos = 6",
    "an input has another hash": "UPDATE intake.log SET hash = sha256('') WHERE pos = 6",
    "an input is removed": "DELETE FROM intake.log WHERE pos = 6",
    "an input and its identity are removed": "DELETE FROM intake.identity WHERE pos = 6; "
    "DELETE FROM intake.log WHERE pos = 6",
    "the last input is removed": f"DELETE FROM intake.log WHERE pos = {LAST}",
    "the last input is removed, and the shard's row says so": "DELETE FROM intake.log "
    f"WHERE pos = {LAST}; UPDATE intake.shard SET pos = pos - 1",
    "an input is there twice": f"INSERT INTO intake.log (shard, pos, {COPY}) "
    f"SELECT shard, {LAST} + 1, {COPY} FROM intake.log WHERE pos = 6",
    "an input is inserted, and the later ones make room": "UPDATE intake.log SET pos = -pos - 1 "
    "WHERE pos > 5; UPDATE intake.log SET pos = -pos WHERE pos < 0; "
    f"INSERT INTO intake.log (shard, pos, {COPY}) "
    f"SELECT shard, 6, {COPY} FROM intake.log WHERE pos = 7",
    "two inputs are swapped": SWAP_INPUTS,
    "an input is in another district": "UPDATE intake.log SET shard = 'other' WHERE pos = 6",
    "all inputs are gone": "DELETE FROM intake.log",
    "all hashes are computed again, and the content of an input is another one": "UPDATE "
    "intake.log SET data = convert_to(replace(convert_from(data, 'UTF8'), 'Noise', 'Waste'), "
    f"'UTF8') WHERE pos = 6; {LINK_AGAIN}",
    "all hashes are computed again, and an input is of a type that no event has": "UPDATE "
    f"intake.log SET type = 'gridcall.x.v1' WHERE pos = 6; {LINK_AGAIN}",
    "all hashes are computed again, and an adoption is of a type that no event has": "UPDATE "
    f"intake.log SET type = 'gridcall.x.v1' WHERE pos = 1; {LINK_AGAIN}",
    "all hashes are computed again, and an adoption is no JSON": "UPDATE "
    f"intake.log SET data = 'x' WHERE pos = 1; {LINK_AGAIN}",
    "all hashes are computed again, and an input of an operator is no JSON": "UPDATE "
    "intake.log SET data = 'x', subject = 'x' WHERE pos = 6; "
    f"DELETE FROM intake.identity WHERE pos = 6; {LINK_AGAIN}",
}
IDENTITIES = {
    "an identity is removed": "DELETE FROM intake.identity WHERE pos = 6",
    "an identity has no input": "INSERT INTO intake.identity SELECT gen_random_uuid(), shard, pos, "
    "ts, content FROM intake.identity WHERE pos = 6",
    "an identity names another position": "UPDATE intake.identity SET pos = 7 WHERE pos = 6",
    "an identity names another time": "UPDATE intake.identity SET ts = ts + 1 WHERE pos = 6",
    "an identity has another content": "UPDATE intake.identity SET content = gen_random_uuid() "
    "WHERE pos = 6",
    "an identity has another id": "UPDATE intake.identity SET id = gen_random_uuid() WHERE pos = 6",
    "two ids are swapped": "ALTER TABLE intake.identity DROP CONSTRAINT identity_pkey; "
    "UPDATE intake.identity a SET id = b.id FROM intake.identity b "
    "WHERE a.pos + b.pos = 13 AND a.pos IN (6, 7)",
    "an identity is of another district": "UPDATE intake.identity SET shard = 'other' "
    "WHERE pos = 6",
    "an adoption has an identity": "INSERT INTO intake.identity SELECT gen_random_uuid(), shard, "
    "1, ts, content FROM intake.identity WHERE pos = 6",
    "all identities are gone": "DELETE FROM intake.identity",
}
TABLES_OF_INTAKE = {
    "the shard ends later": "UPDATE intake.shard SET pos = pos + 1",
    "the shard ends earlier": "UPDATE intake.shard SET pos = pos - 1",
    "the shard is at an earlier time": "UPDATE intake.shard SET ts = ts - 3600000000",
    "the shard has other adoptions": "UPDATE intake.shard SET adopted = adopted + 1",
    "the shard has another head": "UPDATE intake.shard SET head = sha256('')",
    "the shard is of another generation": "UPDATE intake.shard SET generation = generation + 1",
    "the shard names another generation before": "UPDATE intake.shard SET before = 1",
    "the shard's generation begins later": "UPDATE intake.shard SET start = 3",
    "the shard's row is gone": "DELETE FROM intake.shard",
    "a generation has another number": "UPDATE intake.generation SET number = number + 1",
    "the shard and its generation have another number": "UPDATE intake.generation "
    "SET number = number + 1; UPDATE intake.shard SET generation = generation + 1",
    "a generation is gone": "DELETE FROM intake.generation",
    "a generation is made up": "INSERT INTO intake.generation SELECT shard, number + 1, number, 3 "
    "FROM intake.generation",
    "the district has another number": "UPDATE intake.district SET number = number + 1",
    "the key of tracking codes is another one": "UPDATE intake.tracking_key SET key = sha256(key)",
    "the key of tracking codes is gone": "DELETE FROM intake.tracking_key",
    "the district has another tracking key": "UPDATE intake.district SET tracking_key = sha256('')",
    "all have another tracking key": NEW_TRACKING_KEY,
    "the district is not listed": f"{NO_REFERENCE}DELETE FROM intake.district",
    "a content is another one": "UPDATE intake.content SET body = body || ' '",
    "a content is gone": "DELETE FROM intake.content",
    "the key of an input is gone": "DELETE FROM intake.key",
    "the key of an input is of another source": "UPDATE intake.key SET source = 'other'",
    "the key of an input is of another district": f"{NO_REFERENCE}UPDATE intake.key "
    "SET district = 'other'",
    "more is published than there is": "INSERT INTO intake.sent VALUES "
    "('exampleville', 1000, 'x', clock_timestamp())",
}
STAGE = {
    "a row has another content": "UPDATE {s}.log SET data = data || ' ' WHERE pos = 3",
    "a row is later": "UPDATE {s}.log SET ts = ts + 1 WHERE pos = 3",
    "a row has another input": "UPDATE {s}.log SET input = input + 1 WHERE pos = 3",
    "a row has another step": "UPDATE {s}.log SET n = n + 1 WHERE pos = 3",
    "a row has another subject": "UPDATE {s}.log SET subject = 'x' WHERE pos = 3",
    "a row has another sequence": "UPDATE {s}.log SET seq = seq + 1 WHERE pos = 3",
    "a row has another cause": "UPDATE {s}.log SET cause = 'intake/x/y' WHERE pos = 3",
    "a row has a type that nobody knows": "UPDATE {s}.log SET type = 'x' WHERE pos = 3",
    "a row is removed": "DELETE FROM {s}.log WHERE pos = 3",
    "a row is there twice": "INSERT INTO {s}.log SELECT shard, 1000, ts, input, n, subject, seq, "
    "cause, type, data, recorded FROM {s}.log WHERE pos = 3",
    "two rows are swapped": "UPDATE {s}.log SET pos = CASE pos WHEN 3 THEN -4 ELSE -3 END "
    "WHERE pos IN (3, 4); UPDATE {s}.log SET pos = -pos WHERE pos < 0",
    "the last row is removed": "DELETE FROM {s}.log WHERE pos = (SELECT max(pos) FROM {s}.log)",
    "a row is of another district": "UPDATE {s}.log SET shard = 'other' WHERE pos = 3",
    "all rows are gone": "DELETE FROM {s}.log",
    "the shard ends later": "UPDATE {s}.shard SET pos = pos + 1",
    "the shard ends earlier": "UPDATE {s}.shard SET pos = pos - 1",
    "the shard has applied more than there is": "UPDATE {s}.shard SET input = input + 1",
    "the shard has applied less": "UPDATE {s}.shard SET input = input - 1",
    "the shard is ahead of its source": "UPDATE {s}.shard SET ts = ts + 36000000000",
    "the shard is behind its rows": "UPDATE {s}.shard SET ts = ts - 36000000000",
    "the shard is of another generation": "UPDATE {s}.shard SET generation = 7",
    "more is published than there is": "INSERT INTO {s}.sent VALUES "
    "('exampleville', 1000, 'x', clock_timestamp())",
}
STAGES = {
    f"{service}: {name}": sql.format(s=service)
    for service in ("routing", "escalation")
    for name, sql in STAGE.items()
}
ONE_FACT = '("case") = (SELECT min("case") FROM assessment.fact)'
ASSESSMENT = {
    "a fact is another one": f"UPDATE assessment.fact SET fact = fact || ' ' WHERE {ONE_FACT}",
    "a fact is no JSON": f"UPDATE assessment.fact SET fact = 'x' WHERE {ONE_FACT}",
    "a fact is gone": f"DELETE FROM assessment.fact WHERE {ONE_FACT}",
    "a fact is made up": "INSERT INTO assessment.fact SELECT shard, worker, 'x', episode, fact "
    f"FROM assessment.fact WHERE {ONE_FACT}",
    "a fact is of another worker": f"UPDATE assessment.fact SET worker = 'x' WHERE {ONE_FACT}",
    "a fact is of another episode": f"UPDATE assessment.fact SET episode = 9 WHERE {ONE_FACT}",
    "a fact is of another district": f"UPDATE assessment.fact SET shard = 'x' WHERE {ONE_FACT}",
    "more is merged than there is": "UPDATE assessment.merged SET pos = pos + 1",
    "less is merged": "UPDATE assessment.merged SET pos = 4 WHERE log = 'cases'",
    "all facts are gone, and nothing is merged": "DELETE FROM assessment.fact; "
    "UPDATE assessment.merged SET pos = 0",
    "all facts are gone, and so is the progress of their merge": "DELETE FROM assessment.fact; "
    "DELETE FROM assessment.merged",
    "months are counted in another zone": "UPDATE assessment.merged SET zone = 'Asia/Tokyo'",
    "an evaluation is made up": "INSERT INTO assessment.log "
    "SELECT * FROM escalation.log WHERE pos = 4",
}
ONE_CASE = "id = (SELECT min(id) FROM screen.case_file)"
OF_A_CASE = {
    "line": "'petition'", "reference": "'x'", "grid": "'x'", "due": "due + 1",
    "accepted": "accepted + 1", "ended": "1", "open": "NOT open", "running": "NOT running",
    "overdue": "NOT overdue", "calling": "NOT calling", "queued": "NOT queued",
    "parked": "NOT parked", "file": "file || '\\x00'",
}  # fmt: skip
SCREEN = {
    **{
        f"the {column} of a case is another one": "UPDATE screen.case_file "
        f"SET {column} = {value} WHERE {ONE_CASE}"
        for column, value in OF_A_CASE.items()
    },
    "a case is gone": f"DELETE FROM screen.case_file WHERE {ONE_CASE}",
    "a case is made up": "INSERT INTO screen.case_file SELECT model, 'x', line, reference, grid, "
    "due, accepted, ended, open, running, overdue, calling, queued, parked, file "
    f"FROM screen.case_file WHERE {ONE_CASE}",
    "a call is gone": "DELETE FROM screen.call WHERE id = (SELECT min(id) FROM screen.call)",
    "a call is later": "UPDATE screen.call SET due = due + 1",
    "a call is to the district": "UPDATE screen.call SET level = 'district'",
    "a call is made up": "INSERT INTO screen.call SELECT model, 'x', case_id, level, due "
    "FROM screen.call LIMIT 1",
    "a count is another one": "UPDATE screen.tally SET open = open + 1 WHERE of = 'line'",
    "a count of a grid is another one": "UPDATE screen.tally SET overdue = 0 WHERE of = 'grid'",
    "a count is gone": "DELETE FROM screen.tally WHERE of = 'grid'",
    "a count is made up": "INSERT INTO screen.tally (model, of, code, open, step) "
    "SELECT model, 'grid', 'x', 1, 1 FROM screen.tally WHERE of = 'line' LIMIT 1",
    "an event is another one": "UPDATE screen.event SET name = 'case-closed'",
    "an event is gone": "DELETE FROM screen.event WHERE ts = (SELECT min(ts) FROM screen.event)",
    "an event is made up": "INSERT INTO screen.event SELECT model, ts + 1, log, pos, start, name, "
    "case_id FROM screen.event LIMIT 1",
    "more was read than there is": "UPDATE screen.progress SET pos = pos + 1 WHERE log = 'cases'",
    "less was read": "UPDATE screen.progress SET pos = pos - 1 WHERE log = 'calls'",
    "another input was read": "UPDATE screen.progress SET input = input + 1 WHERE log = 'cases'",
    "nothing was read": "DELETE FROM screen.progress WHERE log = 'intake'",
    "the map is another one": "UPDATE screen.model SET settings = '{}'",
}
TAMPERINGS = {
    **{f"intake: {name}": sql for name, sql in INPUTS.items()},
    **{f"identity: {name}": sql for name, sql in IDENTITIES.items()},
    **{f"tables of intake: {name}": sql for name, sql in TABLES_OF_INTAKE.items()},
    **STAGES,
    **{f"assessment: {name}": sql for name, sql in ASSESSMENT.items()},
    **{f"screen: {name}": sql for name, sql in SCREEN.items()},
}

# These leave a record that contradicts nothing. Only a head from before them shows it.
AGAINST_A_HEAD = {
    "the sender of an input is another one, and all hashes are computed again": "UPDATE intake.log "
    f"SET source = 'other', credential = 'operator:0@x' WHERE pos = 6; {LINK_AGAIN}",
    "all have another tracking key, and all hashes are computed again": NEW_TRACKING_KEY
    + LINK_AGAIN,
    "the last input is removed everywhere": REMOVED_TAIL,
    "everything is removed": f"{NO_REFERENCE}DELETE FROM intake.identity; DELETE FROM intake.log; "
    "DELETE FROM intake.shard; DELETE FROM intake.generation; DELETE FROM intake.district; "
    + REMOVED_TAIL,
}

# No record of what happened in the city. Nothing that verify compares follows from them.
NOT_EVIDENCE = {
    "the instant at which a row was written": "UPDATE intake.log SET recorded = clock_timestamp()",
    "a lease": "UPDATE routing.shard SET owner = 'x', epoch = epoch + 1, leased_until = 'infinity'",
    "a published position that is lower: rows are published again": "INSERT INTO intake.sent "
    "VALUES ('exampleville', 1, 'x', clock_timestamp())",
    "what a key may do from now on": "UPDATE intake.key SET revoked = clock_timestamp(), lines = "
    "'{}'",
    "the lease and the commits of a read model": "UPDATE screen.model SET owner = 'x', step = 9",
    "a read model that is not served": "INSERT INTO screen.model (shard, version, state) "
    "VALUES ('exampleville', 0, 'live')",
    "time that has passed without an input": "UPDATE intake.shard SET ts = ts + 1",
}
