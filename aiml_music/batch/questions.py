"""What a ledger asks SQLite, in SQL. A `place` is where the next page begins."""

ADD_JOB = """
INSERT INTO jobs (key, label, name, format, folded, copy, cost, reference_sha256, spec)
VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
ADD_ATTEMPT = """
INSERT INTO attempts (attempt, job, number, client_request_id, reserved) VALUES (?, ?, ?, ?, ?)
"""
ADD_MARK = """
INSERT INTO marks (
    at, job, attempt, mark, charged, facts, state, deaths,
    attempt_reserved, attempt_spent, attempt_in_doubt, reserved, spent, in_doubt
) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
"""
ADD_UPLOAD = """
INSERT INTO uploads (sha256, purpose, at, voice_id, instrumental_id, receipt) VALUES (?, ?, ?, ?, ?, ?)
"""

# The last line about a job or an attempt says where it stands; an index leads to it.
_STANDING_JOBS = """
SELECT jobs.position AS place, jobs.*, last.state, last.deaths,
    attempts.id AS attempt_row, attempts.attempt, attempts.number, attempts.reserved,
    own.attempt_reserved, own.attempt_spent, own.attempt_in_doubt
FROM jobs
JOIN marks AS last ON last.sequence = (
    SELECT sequence FROM marks WHERE job = jobs.position ORDER BY sequence DESC LIMIT 1
)
LEFT JOIN attempts ON attempts.id = (
    SELECT id FROM attempts WHERE job = jobs.position ORDER BY id DESC LIMIT 1
)
LEFT JOIN marks AS own ON own.sequence = (
    SELECT sequence FROM marks WHERE attempt = attempts.id ORDER BY sequence DESC LIMIT 1
)
"""
JOB = _STANDING_JOBS + "WHERE jobs.key = ?"
JOBS = _STANDING_JOBS + "WHERE jobs.position > ? ORDER BY jobs.position LIMIT ?"
JOBS_IN = (
    _STANDING_JOBS + "WHERE jobs.position > ? AND instr(?, ',' || last.state || ',') ORDER BY jobs.position LIMIT ?"
)
POSITION = "SELECT position FROM jobs WHERE key = ?"
HAS_NAME = "SELECT 1 FROM jobs WHERE folded = ?"

_LINES = """
SELECT marks.*, jobs.key, attempts.attempt AS name_of_attempt FROM marks
JOIN jobs ON jobs.position = marks.job LEFT JOIN attempts ON attempts.id = marks.attempt
"""
LINES_OF_JOB = _LINES + "WHERE jobs.key = ? ORDER BY marks.sequence"

_STANDING_ATTEMPTS = """
SELECT attempts.id AS place, attempts.number, attempts.client_request_id, attempts.reserved AS worst_case,
    attempts.attempt AS name_of_attempt, jobs.key, marks.*
FROM attempts JOIN jobs ON jobs.position = attempts.job
JOIN marks ON marks.sequence = (
    SELECT sequence FROM marks WHERE attempt = attempts.id ORDER BY sequence DESC LIMIT 1
)
"""
ATTEMPTS_OF_JOB = _STANDING_ATTEMPTS + "WHERE jobs.key = ? ORDER BY attempts.id"
# What settled a call whose job was sent again says nothing of its job, and all of the call.
_LEFT = """
CASE marks.mark WHEN 'earlier_paid' THEN 'paid_lost' WHEN 'earlier_unpaid' THEN 'planned' ELSE marks.state END
"""
ATTEMPTS_LEFT = _STANDING_ATTEMPTS + f"WHERE attempts.id > ? AND {_LEFT} = ? ORDER BY attempts.id LIMIT ?"
ATTEMPT_IN_DOUBT = _STANDING_ATTEMPTS + f"WHERE attempts.attempt = ? AND {_LEFT} = 'in_doubt'"

# Every line carries the money of the whole batch as it stood then, so the last one tells it at once.
BALANCE = "SELECT reserved, spent, in_doubt FROM marks ORDER BY sequence DESC LIMIT 1"
TOTALS = """
SELECT last.state, count(*) AS jobs FROM jobs
JOIN marks AS last ON last.sequence = (
    SELECT sequence FROM marks WHERE job = jobs.position ORDER BY sequence DESC LIMIT 1
)
GROUP BY last.state
"""
UPLOAD = "SELECT * FROM uploads WHERE sha256 = ? AND purpose = ? ORDER BY rowid DESC LIMIT 1"
