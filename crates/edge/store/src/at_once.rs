//! An append to SQLite in one go. Each statement of a transaction goes to the thread of the connection and
//! back, which takes longer than what it does there: a step of a run would wait for seven of them.

use std::fmt::Write as _;

use cutover_model::event::SCHEMA;
use sqlx::{AssertSqlSafe, Row as _, SqliteConnection, SqlitePool};

use crate::{
    Error,
    db::{Doubt, signed, unsigned},
    event_log::{Draft, VERSION},
};

/// How many statements with their texts are worth being kept by the connection.
const MOST: usize = 8;

/// What comes before the events and behind them. `$1` is the stream, `$2` how many events, `$3` the version
/// that is expected, `$4` the schema.
const BEGIN: &str = "BEGIN IMMEDIATE;
    INSERT INTO counter (name, value) VALUES ('position', $2)
    ON CONFLICT (name) DO UPDATE SET value = counter.value + excluded.value;";
const END: &str = "SELECT value FROM counter WHERE name = 'position';
    COMMIT";

/// Whether so many are taken.
pub(crate) const fn takes(count: usize) -> bool {
    1 <= count && count <= MOST
}

/// Adds events to a stream, and gives the newest position. At another version than the expected one, the
/// answer is a conflict, and nothing is stored.
pub(crate) async fn append(
    (write, doubt): (&SqlitePool, &Doubt),
    stream: &str,
    expected: u64,
    drafts: &[Draft],
) -> Result<i64, Error> {
    let mut connection = write.acquire().await?;
    // Also when nobody waits for the answer any more: then it may have stopped before its end.
    doubt.arises();
    match send(&mut connection, stream, expected, drafts).await {
        Ok(newest) => {
            doubt.is_settled();
            Ok(newest)
        }
        Err(error) => {
            sqlx::query("ROLLBACK").execute(&mut *connection).await.ok();
            let found: (i64,) = sqlx::query_as(VERSION)
                .bind(stream)
                .fetch_one(&mut *connection)
                .await?;
            let found = unsigned(found.0)?;
            if found == expected {
                return Err(error);
            }
            Err(Error::Conflict {
                stream: stream.to_owned(),
                expected,
                found,
            })
        }
    }
}

async fn send(
    connection: &mut SqliteConnection,
    stream: &str,
    expected: u64,
    drafts: &[Draft],
) -> Result<i64, Error> {
    let mut query = sqlx::query(AssertSqlSafe(text(drafts.len())))
        .bind(stream)
        .bind(signed(drafts.len() as u64)?)
        .bind(signed(expected)?)
        .bind(i64::from(SCHEMA));
    for draft in drafts {
        query = query.bind(draft.at).bind(&*draft.kind).bind(&*draft.body);
    }
    let rows = query.fetch_all(connection).await?;
    let last = rows.last().ok_or(sqlx::Error::RowNotFound)?;
    Ok(last.try_get(0)?)
}

/// The statements for so many events. A version that is not the expected one becomes none at all, which the
/// table refuses.
fn text(count: usize) -> String {
    let mut text = BEGIN.to_owned();
    for place in 0..count {
        let (at, kind, body) = (5 + 3 * place, 6 + 3 * place, 7 + 3 * place);
        let next = place + 1;
        // Writing to a string does not fail.
        write!(
            text,
            "INSERT INTO event (position, stream, version, at, schema, kind, body)
             SELECT value - $2 + {next}, $1,
                    CASE (SELECT COALESCE(MAX(version), 0) FROM event WHERE stream = $1)
                    WHEN $3 + {place} THEN $3 + {next} END,
                    ${at}, $4, ${kind}, ${body}
             FROM counter WHERE name = 'position';"
        )
        .ok();
    }
    text + END
}
