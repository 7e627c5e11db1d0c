//! The stories once more, against a PostgreSQL of our own: its binaries as Debian installs them, its
//! data in a temporary directory, its door a socket there.

use std::{
    path::{Path, PathBuf},
    process::{Command, Output},
};

use cutover_store::{Error, Store};
use tempfile::TempDir;

use crate::stories;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_story_holds_on_postgresql() {
    let server = match Server::start() {
        Ok(server) => server,
        Err(reason) => {
            eprintln!("SKIPPED: the stories on PostgreSQL, because {reason}");
            return;
        }
    };
    stories::tell_all(async |name: &str| {
        server.create_database(name);
        Store::open(&server.url(name)).await.unwrap()
    })
    .await;
    a_backup_is_left_to_pg_dump(&server).await;
    two_servers_may_migrate_at_once(&server).await;
    a_newer_schema_is_refused(&server).await;
}

async fn a_backup_is_left_to_pg_dump(server: &Server) {
    server.create_database("backup");
    let store = Store::open(&server.url("backup")).await.unwrap();
    let refused = store.backup_to("/nowhere".into()).await.unwrap_err();
    assert!(refused.to_string().contains("use `pg_dump`"), "{refused}");
    store.close().await;
}

async fn two_servers_may_migrate_at_once(server: &Server) {
    server.create_database("migrate");
    let url = server.url("migrate");
    let (one, two) = tokio::join!(Store::open(&url), Store::open(&url));
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_eq!(one.next_fence("production", "hello").await.unwrap(), 1);
    assert_eq!(two.next_fence("production", "hello").await.unwrap(), 2);
    one.close().await;
    two.close().await;
}

async fn a_newer_schema_is_refused(server: &Server) {
    server.sql(
        "migrate",
        "INSERT INTO _sqlx_migrations (version, description, success, checksum, execution_time)
         VALUES (9999, 'later', true, '', 0)",
    );
    let refused = Store::open(&server.url("migrate")).await.unwrap_err();
    assert!(
        matches!(refused, Error::Newer { found: 9999, .. }),
        "{refused:?}"
    );
}

/// A server that ends with this value.
struct Server {
    binaries: PathBuf,
    directory: TempDir,
}

impl Server {
    fn start() -> Result<Self, String> {
        let binaries = binaries().ok_or("no `initdb` is under /usr/lib/postgresql or in PATH")?;
        let directory = tempfile::Builder::new()
            .prefix("pg-")
            .tempdir_in("/tmp")
            .map_err(|error| error.to_string())?;
        let server = Self {
            binaries,
            directory,
        };
        let base = server.directory.path().to_owned();
        if is_root() {
            check(&run(Command::new("chown").arg("postgres").arg(&base)))?;
        }
        check(&server.tool("initdb", |initdb| {
            initdb.args([
                "--auth=trust",
                "--username=postgres",
                "--encoding=UTF8",
                "--no-sync",
            ]);
            // Not the collation of C: what sorts must say so itself.
            initdb
                .args(["--locale-provider=icu", "--icu-locale=en"])
                .arg("-D")
                .arg(base.join("data"));
        }))?;
        let options = format!(
            "-c listen_addresses='' -c unix_socket_directories='{}' -c fsync=off",
            base.display()
        );
        check(&server.tool("pg_ctl", |ctl| {
            ctl.args(["start", "--wait", "--silent", "--options", &options]);
            ctl.arg("-D")
                .arg(base.join("data"))
                .arg("--log")
                .arg(base.join("log"));
        }))?;
        Ok(server)
    }

    fn url(&self, database: &str) -> String {
        let socket = self
            .directory
            .path()
            .display()
            .to_string()
            .replace('/', "%2F");
        format!("postgres://postgres@{socket}/{}", short(database))
    }

    fn create_database(&self, name: &str) {
        self.sql("postgres", &format!("CREATE DATABASE {}", short(name)));
    }

    fn sql(&self, database: &str, text: &str) {
        let done = self.tool("psql", |psql| {
            psql.args([
                "--username=postgres",
                "--no-psqlrc",
                "--quiet",
                "-v",
                "ON_ERROR_STOP=1",
            ]);
            psql.arg("--host")
                .arg(self.directory.path())
                .args(["-c", text, short(database)]);
        });
        check(&done).unwrap();
    }

    /// Runs one of PostgreSQL's programs as the user that may.
    fn tool(&self, name: &str, arguments: impl FnOnce(&mut Command)) -> Result<Output, String> {
        let program = self.binaries.join(name);
        let mut command = if is_root() {
            let mut command = Command::new("setpriv");
            command.args([
                "--reuid=postgres",
                "--regid=postgres",
                "--clear-groups",
                "--",
            ]);
            command.arg(program);
            command
        } else {
            Command::new(program)
        };
        arguments(&mut command);
        command.current_dir(self.directory.path());
        run(&mut command)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let data = self.directory.path().join("data");
        let stopped = self.tool("pg_ctl", |ctl| {
            ctl.args(["stop", "--mode=immediate", "--silent", "-D"])
                .arg(data);
        });
        if let Err(reason) = check(&stopped) {
            eprintln!("PostgreSQL was not stopped: {reason}");
        }
    }
}

/// Where PostgreSQL's programs are: the newest that Debian has, else whatever is in PATH.
fn binaries() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql")
        .into_iter()
        .flatten()
        .flatten();
    let mut found: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    found.sort();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let others = std::env::split_paths(&path);
    found
        .into_iter()
        .rev()
        .chain(others)
        .find(|folder| folder.join("initdb").is_file())
}

/// PostgreSQL refuses to run as root.
fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt as _;
    Path::new("/proc/self")
        .metadata()
        .is_ok_and(|me| me.uid() == 0)
}

fn run(command: &mut Command) -> Result<Output, String> {
    // `pg_ctl` leaves a server behind that would keep a pipe open, so it speaks to files and nowhere.
    command.stdout(std::process::Stdio::null());
    command
        .output()
        .map_err(|error| format!("{}: {error}", command.get_program().display()))
}

fn check(done: &Result<Output, String>) -> Result<(), String> {
    match done {
        Ok(output) if output.status.success() => Ok(()),
        Ok(output) => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        Err(reason) => Err(reason.clone()),
    }
}

/// PostgreSQL cuts names at 63 characters.
fn short(name: &str) -> &str {
    name.get(..60).unwrap_or(name)
}
