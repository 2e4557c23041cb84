//! A SQLite file opened so that nothing can be written: not to it, not beside it, not anywhere through it.
//!
//! Opening a database in WAL mode, even read only, leaves files beside it. Such a database is copied into a private folder first.

use std::collections::BTreeSet;
use std::fs::{self, File, Metadata};
use std::io::{self, Read as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rusqlite::config::DbConfig;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};
use rusqlite::limits::Limit;
use rusqlite::{Connection, ErrorCode, OpenFlags};
use tempfile::TempDir;

use super::{functions, tally};
use crate::policy::TableConfig;
use crate::source::Rung;
use crate::source::table::columns::{Columns, quote};
use crate::usage::UsageError;

/// For a whole reading, where the policy says no other. A longer one would keep a writer waiting.
const DEADLINE: Duration = Duration::from_secs(10);
const BUSY: Duration = Duration::from_secs(2);
/// A larger database in WAL mode is not copied.
const MAX_SNAPSHOT: u64 = 4 << 30;
const N_SNAPSHOTS: usize = 3;

/// An open database and what keeps it safe.
pub struct Source {
    pub connection: Connection,
    pub rung: Rung,
    path: PathBuf,
    /// The main file as it was before.
    before: Identity,
    /// Holds the copy; goes with its last user.
    _snapshot: Option<TempDir>,
}

/// Changes whenever the main file is written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Identity {
    device: u64,
    inode: u64,
    n_bytes: u64,
    modified: (i64, i64),
}

/// # Errors
/// [`UsageError`] if there is no such file, or it is a link or no database.
pub fn open(path: &Path, deadline: Duration) -> anyhow::Result<Source> {
    let path = resolve(path)?;
    let before = Identity::of(&path)?;
    let (snapshot, readable) = if is_wal(&path)? {
        let folder = snapshot(&path)?;
        let copy = folder.path().join("snapshot.sqlite3");
        (Some(folder), copy)
    } else {
        (None, path.clone())
    };
    let connection =
        connect(&readable, deadline).with_context(|| format!("open `{}`", path.display()))?;
    if snapshot.is_some() {
        check_copy(&connection)?;
    }
    Ok(Source {
        connection,
        rung: match snapshot {
            Some(_) => Rung::Snapshot,
            None => Rung::ReadOnly,
        },
        path,
        before,
        _snapshot: snapshot,
    })
}

/// How long a reading may take.
pub fn deadline(table: &TableConfig) -> Duration {
    table.timeout.unwrap_or(DEADLINE)
}

/// From here on the connection can read these columns, for as long as the deadline allows, and do nothing else.
pub fn restrict(
    connection: &mut Connection,
    reads: BTreeSet<(String, String)>,
) -> anyhow::Result<()> {
    functions::add(connection)?;
    connection.authorizer(Some(move |context: AuthContext<'_>| {
        if is_allowed(&context.action, &reads) {
            Authorization::Allow
        } else {
            Authorization::Deny
        }
    }))?;
    Ok(())
}

/// Tries everything that would write, and says what was answered. Nothing is run: statements are refused when they are prepared.
///
/// # Errors
/// One of them was not refused.
pub fn try_to_write(
    connection: &Connection,
    columns: &Columns,
) -> anyhow::Result<Vec<(String, String)>> {
    let table = quote(&columns.table);
    let statements = [
        format!("DELETE FROM {table}"),
        format!("DROP TABLE {table}"),
        format!("INSERT INTO {table} DEFAULT VALUES"),
        "CREATE TABLE koan_guard_probe(x)".to_owned(),
        "CREATE TEMP TABLE koan_guard_probe(x)".to_owned(),
        "ATTACH ':memory:' AS koan_guard_probe".to_owned(),
        "PRAGMA query_only = 0".to_owned(),
        "PRAGMA journal_mode = delete".to_owned(),
    ];
    let mut refused = Vec::new();
    for sql in statements {
        match connection.prepare(&sql) {
            Ok(_) => anyhow::bail!("`{sql}` was not refused"),
            Err(err) => refused.push((sql, err.to_string())),
        }
    }
    Ok(refused)
}

/// Says what an error of a query means.
pub fn explain(err: rusqlite::Error) -> anyhow::Error {
    let is_late = err.sqlite_error_code() == Some(ErrorCode::OperationInterrupted);
    let err = anyhow::Error::from(err);
    if is_late {
        err.context("reading the errors took longer than the source's `timeout`")
    } else {
        err.context("read the errors")
    }
}

impl Source {
    /// Makes sure that the file is still the one that was opened.
    pub fn verify(&self) -> anyhow::Result<()> {
        let after = Identity::of(&self.path)?;
        let is_same = (after.device, after.inode) == (self.before.device, self.before.inode);
        anyhow::ensure!(
            is_same,
            "`{}` was replaced while it was read",
            self.path.display()
        );
        Ok(())
    }
}

impl Identity {
    fn of(path: &Path) -> anyhow::Result<Identity> {
        let metadata =
            fs::symlink_metadata(path).with_context(|| format!("look at `{}`", path.display()))?;
        Ok(Identity::from(&metadata))
    }
}

impl From<&Metadata> for Identity {
    fn from(metadata: &Metadata) -> Identity {
        Identity {
            device: metadata.dev(),
            inode: metadata.ino(),
            n_bytes: metadata.len(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        }
    }
}

/// The path with its folder's links followed. The file itself must not be a link.
fn resolve(path: &Path) -> anyhow::Result<PathBuf> {
    let shown = path.display();
    let metadata = match fs::symlink_metadata(path) {
        Ok(metadata) => metadata,
        Err(err) if err.kind() == io::ErrorKind::NotFound => {
            return Err(UsageError::new(format!("no database at `{shown}`")).into());
        }
        Err(err) => return Err(err).with_context(|| format!("look at `{shown}`")),
    };
    if !metadata.is_file() {
        return Err(UsageError::new(format!("`{shown}` is no regular file")).into());
    }
    let name = path.file_name().context("a database without a name")?;
    let folder = match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    };
    let folder =
        fs::canonicalize(folder).with_context(|| format!("find the folder of `{shown}`"))?;
    Ok(folder.join(name))
}

/// Reads the file's header: bytes 18 and 19 say which journal it keeps.
fn is_wal(path: &Path) -> anyhow::Result<bool> {
    let mut header = Vec::new();
    open_file(path)?.take(100).read_to_end(&mut header)?;
    if !header.is_empty() && !header.starts_with(b"SQLite format 3\0") {
        return Err(UsageError::new(format!("`{}` is no SQLite database", path.display())).into());
    }
    let has_log = beside(path, "-wal").try_exists()?;
    Ok(has_log || header.get(18..20).is_some_and(|modes| modes.contains(&2)))
}

pub(super) fn connect(path: &Path, deadline: Duration) -> anyhow::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY
        | OpenFlags::SQLITE_OPEN_NO_MUTEX
        | OpenFlags::SQLITE_OPEN_NOFOLLOW;
    let mut connection = Connection::open_with_flags(path, flags)?;
    connection.set_limit(Limit::SQLITE_LIMIT_ATTACHED, 0)?;
    connection.set_limit(Limit::SQLITE_LIMIT_WORKER_THREADS, 0)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_TRUSTED_SCHEMA, false)?;
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "temp_store", "memory")?;
    connection.pragma_update(None, "query_only", true)?;
    let end = Instant::now() + deadline;
    connection.progress_handler(10_000, Some(move || Instant::now() > end))?;
    anyhow::ensure!(
        connection.is_readonly("main")?,
        "the database is not open read only"
    );
    Ok(connection)
}

fn is_allowed(action: &AuthAction<'_>, reads: &BTreeSet<(String, String)>) -> bool {
    const FUNCTIONS: &[&str] = &[
        functions::AT,
        functions::GROUP,
        tally::TALLY,
        "cast",
        "char",
        "coalesce",
        "count",
        "group_concat",
        "instr",
        "json_each",
        "json_extract",
        "json_valid",
        "length",
        "max",
        "nullif",
        "substr",
        "typeof",
    ];
    match action {
        AuthAction::Select | AuthAction::Transaction { .. } => true,
        // SQLite names no column where only the number of rows counts.
        AuthAction::Read {
            table_name,
            column_name,
        } => {
            let is_table = |(table, _): &(String, String)| table == table_name;
            let is_there =
                |(table, column): &(String, String)| table == table_name && column == column_name;
            *table_name == "json_each"
                || (column_name.is_empty() && reads.iter().any(is_table))
                || reads.iter().any(is_there)
        }
        AuthAction::Function { function_name } => {
            FUNCTIONS.contains(&function_name.to_ascii_lowercase().as_str())
        }
        _ => false,
    }
}

/// A consistent copy of a database in WAL mode and its log.
///
/// Its writer only appends to the log, and a copied end of it that is torn fails its checksum. What must not come between is a checkpoint,
/// which writes the main file or begins the log anew.
fn snapshot(path: &Path) -> anyhow::Result<TempDir> {
    let n_bytes = Identity::of(path)?.n_bytes;
    anyhow::ensure!(
        n_bytes <= MAX_SNAPSHOT,
        "`{}` is in WAL mode and too large to be copied: {n_bytes} bytes",
        path.display()
    );
    for _ in 0..N_SNAPSHOTS {
        let folder = tempfile::Builder::new().prefix("koan-guard-").tempdir()?;
        let copy = folder.path().join("snapshot.sqlite3");
        if copy_both(path, &copy)? {
            return Ok(folder);
        }
    }
    anyhow::bail!(
        "`{}` changed while it was copied, {N_SNAPSHOTS} times",
        path.display()
    )
}

/// Whether nothing came between.
fn copy_both(path: &Path, copy: &Path) -> anyhow::Result<bool> {
    let log = beside(path, "-wal");
    let before = (Identity::of(path)?, log_header(&log)?);
    copy_file(path, copy)?;
    if before.1.is_some() {
        copy_file(&log, &beside(copy, "-wal"))?;
    }
    let after = (Identity::of(path)?, log_header(&log)?);
    Ok(before == after)
}

fn copy_file(from: &Path, to: &Path) -> anyhow::Result<()> {
    let mut from = open_file(from)?;
    let mut to = File::options()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(to)?;
    io::copy(&mut from, &mut to).context("copy the database")?;
    Ok(())
}

/// The salts of the log: new ones with every new beginning. `None` if there is no log.
fn log_header(log: &Path) -> anyhow::Result<Option<Vec<u8>>> {
    if !log.try_exists()? {
        return Ok(None);
    }
    let mut header = Vec::new();
    open_file(log)?.take(32).read_to_end(&mut header)?;
    Ok(Some(header))
}

/// Opens a file for reading, no link, and waits for nobody.
fn open_file(path: &Path) -> anyhow::Result<File> {
    File::options()
        .read(true)
        .custom_flags(libc::O_NOFOLLOW | libc::O_NONBLOCK)
        .open(path)
        .with_context(|| format!("open `{}`", path.display()))
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}

fn check_copy(connection: &Connection) -> anyhow::Result<()> {
    let said: String = connection
        .query_row("PRAGMA quick_check(1)", [], |row| row.get(0))
        .map_err(explain)?;
    anyhow::ensure!(said == "ok", "the copy of the database is damaged: {said}");
    Ok(())
}
