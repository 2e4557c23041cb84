//! An aggregate function that counts events by group, hour and place as they come. `GROUP BY` would sort a record of each event, and keep them all in memory.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard};

use rusqlite::functions::{Aggregate, Context, FunctionFlags};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Error};

use super::functions;
use crate::source::table::{Cell, Counts, FIELD_END};

/// `koan_tally(group, age, release, environment, level, muted, resolved, n, at, id, pointer, user)`; its value is how many rows there were.
pub const TALLY: &str = "koan_tally";
const N_ARGUMENTS: usize = 12;

/// The group of events that have no time that can be read, or come from the future.
pub const UNDATED: i64 = -1;

/// As many cells, and as many places, are kept before they are added up.
const MAX_CELLS: usize = 1 << 16;

/// As many pairs of a group and a user are told apart: nine bytes each. Further users of any group are not counted.
const MAX_USERS: usize = 7 << 18;

/// What was counted.
pub struct Tallied {
    pub counts: Counts<i64>,
    pub n_undated: u64,
}

/// Everything that was seen so far.
struct Tally {
    counts: Counts<i64>,
    n_undated: u64,
    /// By group, age and place.
    cells: HashMap<(i64, Option<i64>, usize), Counted>,
    places: HashMap<Vec<u8>, usize>,
    hasher: RandomState,
    users: HashSet<u64>,
    n_users: HashMap<i64, u64>,
}

/// Of one cell.
struct Counted {
    place: [Option<String>; 5],
    n: u64,
    first: Option<i64>,
    last: Option<i64>,
    newest: String,
}

/// The one tally of a connection, that the database and we have in hand by turns.
#[derive(Clone)]
pub struct Tallying(Arc<Mutex<Tally>>);

impl Tallying {
    /// # Errors
    /// The database takes no functions.
    pub fn add(connection: &Connection) -> rusqlite::Result<Tallying> {
        let tallying = Tallying(Arc::new(Mutex::new(Tally::new())));
        let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DIRECTONLY;
        let n_arguments = i32::try_from(N_ARGUMENTS).unwrap_or(-1);
        connection.create_aggregate_function(TALLY, n_arguments, flags, tallying.clone())?;
        Ok(tallying)
    }

    /// What came of all rows. Begins anew. Where nothing `names_users`, nobody knows how many there were: not even none.
    pub fn take(&self, names_users: bool) -> anyhow::Result<Tallied> {
        let mut tally = mem::replace(&mut *self.tally()?, Tally::new());
        tally.add_up()?;
        if names_users {
            for (group, n_users) in mem::take(&mut tally.n_users) {
                tally.counts.add_users(group, n_users);
            }
        }
        tally.counts.leave_out(functions::OTHERS);
        Ok(Tallied {
            counts: tally.counts,
            n_undated: tally.n_undated,
        })
    }

    fn tally(&self) -> rusqlite::Result<MutexGuard<'_, Tally>> {
        let tally = self.0.lock();
        tally.map_err(|_| Error::UserFunctionError("the tally is lost".into()))
    }
}

impl Aggregate<i64, i64> for Tallying {
    fn init(&self, _: &mut Context<'_>) -> rusqlite::Result<i64> {
        Ok(0)
    }

    fn step(&self, context: &mut Context<'_>, n_rows: &mut i64) -> rusqlite::Result<()> {
        *n_rows += 1;
        let taken = self.tally()?.take_in(context);
        taken.map_err(|err| Error::UserFunctionError(err.into()))
    }

    fn finalize(&self, _: &mut Context<'_>, n_rows: Option<i64>) -> rusqlite::Result<i64> {
        Ok(n_rows.unwrap_or(0))
    }
}

impl Tally {
    fn new() -> Tally {
        Tally {
            counts: Counts::new(),
            n_undated: 0,
            cells: HashMap::new(),
            places: HashMap::new(),
            hasher: RandomState::new(),
            users: HashSet::new(),
            n_users: HashMap::new(),
        }
    }

    fn take_in(&mut self, row: &Context<'_>) -> anyhow::Result<()> {
        let group: i64 = row.get(0)?;
        if group == UNDATED {
            self.n_undated += 1;
            return Ok(());
        }
        let age: Option<i64> = row.get(1)?;
        let place = self.place(row);
        let n = row.get::<i64>(7)?.unsigned_abs();
        let at: Option<i64> = row.get(8)?;
        let counted = self.cells.entry((group, age, place));
        let counted = counted.or_insert_with(|| Counted::at(row));
        counted.n += n;
        counted.first = counted.first.into_iter().chain(at).min();
        if at >= counted.last {
            counted.last = at;
            let newest = newest(row, at);
            if newest > counted.newest {
                counted.newest = newest;
            }
        }
        self.take_in_user(group, row.get_raw(11));
        if self.cells.len() >= MAX_CELLS || self.places.len() >= MAX_CELLS {
            self.add_up()?;
        }
        Ok(())
    }

    /// The number of the texts that tell places apart.
    fn place(&mut self, row: &Context<'_>) -> usize {
        let mut key = Vec::with_capacity(64);
        for i in 2..7 {
            // A text has no byte of these.
            match row.get_raw(i) {
                ValueRef::Text(bytes) | ValueRef::Blob(bytes) => key.extend_from_slice(bytes),
                _ => key.push(0xfe),
            }
            key.push(0xff);
        }
        if let Some(&number) = self.places.get(&key) {
            return number;
        }
        let number = self.places.len();
        self.places.insert(key, number);
        number
    }

    fn take_in_user(&mut self, group: i64, user: ValueRef<'_>) {
        let n_users = self.n_users.entry(group).or_default();
        let (ValueRef::Text(user) | ValueRef::Blob(user)) = user else {
            return;
        };
        let known = self.hasher.hash_one((group, user));
        if self.users.len() < MAX_USERS && self.users.insert(known) {
            *n_users += 1;
        }
    }

    fn add_up(&mut self) -> anyhow::Result<()> {
        for ((key, age, _), counted) in self.cells.drain() {
            let [release, environment, level, muted, resolved] = counted.place;
            self.counts.add(Cell {
                key,
                n: counted.n,
                age,
                first: counted.first,
                last: counted.last,
                newest: counted.newest,
                release,
                environment,
                level,
                muted,
                resolved,
            })?;
        }
        self.places.clear();
        Ok(())
    }
}

impl Counted {
    fn at(row: &Context<'_>) -> Counted {
        Counted {
            place: [2, 3, 4, 5, 6].map(|i| text(row.get_raw(i))),
            n: 0,
            first: None,
            last: None,
            newest: String::new(),
        }
    }
}

/// See [`Cell::newest`].
fn newest(row: &Context<'_>, at: Option<i64>) -> String {
    let id = text(row.get_raw(9)).unwrap_or_default();
    let pointer = text(row.get_raw(10)).unwrap_or_default();
    format!("{:015}{FIELD_END}{id}{FIELD_END}{pointer}", at.unwrap_or(0))
}

fn text(value: ValueRef<'_>) -> Option<String> {
    match value {
        ValueRef::Text(bytes) | ValueRef::Blob(bytes) => {
            Some(String::from_utf8_lossy(bytes).into_owned())
        }
        ValueRef::Integer(number) => Some(number.to_string()),
        ValueRef::Null | ValueRef::Real(_) => None,
    }
}
