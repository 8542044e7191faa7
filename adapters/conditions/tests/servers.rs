//! `postgres` and `redis`, asked of real servers that are stopped, started and made to hang.
//!
//! `adapters/conditions/tests/servers.sh` installs the servers and runs these tests; the plain test
//! command ignores them.

#![cfg(all(feature = "postgres", feature = "redis"))]
#![expect(clippy::unwrap_used, reason = "a step that fails is a test that fails")]

mod evaluation;

use std::{
    path::PathBuf,
    process::{Command, Stdio},
    time::Duration,
};

use evaluation::{condition_of, evaluate};
use health_conditions::{postgres, postgres_ping, redis};
use tempfile::TempDir;
use tokio::{
    task::JoinHandle,
    time::{sleep, timeout},
};
use tokio_postgres::{Client, NoTls};

#[tokio::test]
#[ignore = "needs a PostgreSQL: run adapters/conditions/tests/servers.sh"]
async fn postgres_follows_the_server_over_one_session() {
    let server = Server::postgres();
    let mut condition = condition_of(postgres(&server.url()).unwrap());
    assert_eq!(evaluate(&mut condition).await, "");
    let session = server.sessions().await;
    assert_eq!(session.len(), 1, "{session:?}");
    assert_eq!(evaluate(&mut condition).await, "");
    assert_eq!(server.sessions().await, session, "the session is kept");

    server.control("stop");
    let reason = evaluate(&mut condition).await;
    assert_eq!(reason.matches("Connection refused").count(), 1, "{reason}");
    server.control("start");
    assert_eq!(evaluate(&mut condition).await, "");
}

#[tokio::test]
#[ignore = "needs a PostgreSQL: run adapters/conditions/tests/servers.sh"]
async fn postgres_that_was_restarted_in_between_does_not_fail() {
    let server = Server::postgres();
    let mut condition = condition_of(postgres(&server.url()).unwrap());
    assert_eq!(evaluate(&mut condition).await, "");
    server.control("stop");
    server.control("start");
    assert_eq!(evaluate(&mut condition).await, "");

    let session = server.sessions().await.remove(0);
    let (client, _connection) = server.connect().await;
    client.execute("SELECT pg_terminate_backend($1)", &[&session]).await.unwrap();
    assert_eq!(evaluate(&mut condition).await, "");
    let sessions = server.sessions().await;
    assert!(sessions.len() == 1 && sessions[0] != session, "{session} {sessions:?}");
}

#[tokio::test]
#[ignore = "needs a PostgreSQL: run adapters/conditions/tests/servers.sh"]
async fn postgres_that_hangs_has_one_session_afterwards() {
    let server = Server::postgres();
    let mut condition = condition_of(postgres(&server.url()).unwrap());
    assert_eq!(evaluate(&mut condition).await, "");
    server.control("pause");
    for _ in 0..3 {
        let evaluation = timeout(Duration::from_millis(200), evaluate(&mut condition));
        assert!(evaluation.await.is_err());
    }
    server.control("resume");
    assert_eq!(evaluate(&mut condition).await, "");
    // It notices the end of the abandoned ones as it comes to them.
    timeout(PATIENCE, async {
        while server.sessions().await.len() > 1 {
            sleep(Duration::from_millis(50)).await;
        }
    })
    .await
    .expect("the abandoned sessions end");
}

#[tokio::test]
#[ignore = "needs a PostgreSQL: run adapters/conditions/tests/servers.sh"]
async fn postgres_tells_why_it_refuses() {
    let server = Server::postgres();
    let url = format!("postgres://postgres:secret@127.0.0.1:{}/nowhere", server.port);
    let reason = evaluate(&mut condition_of(postgres(&url).unwrap())).await;
    assert_eq!(reason.matches("database \"nowhere\" does not exist").count(), 1, "{reason}");
    assert!(!reason.contains("secret"), "{reason}");
}

#[tokio::test]
#[ignore = "needs a PostgreSQL: run adapters/conditions/tests/servers.sh"]
async fn postgres_can_be_asked_over_the_programs_own_client() {
    let server = Server::postgres();
    let (client, connection) = server.connect().await;
    postgres_ping(&client).await.unwrap();
    server.control("stop");
    connection.await.unwrap();
    assert_eq!(postgres_ping(&client).await.unwrap_err().to_string(), "connection closed");
}

#[tokio::test]
#[ignore = "needs a Redis: run adapters/conditions/tests/servers.sh"]
async fn redis_follows_the_server_over_one_connection() {
    let server = Server::redis();
    let mut condition = condition_of(redis(&server.url()).unwrap());
    assert_eq!(evaluate(&mut condition).await, "");
    let connection = server.clients();
    assert_eq!(connection.len(), 1, "{connection:?}");
    assert_eq!(evaluate(&mut condition).await, "");
    assert_eq!(server.clients(), connection, "the connection is kept");

    server.control("stop");
    let reason = evaluate(&mut condition).await;
    assert_eq!(reason.matches("Connection refused").count(), 1, "{reason}");
    server.control("start");
    assert_eq!(evaluate(&mut condition).await, "");

    server.control("stop");
    server.control("start");
    assert_eq!(evaluate(&mut condition).await, "", "restarted in between");
}

#[tokio::test]
#[ignore = "needs a Redis: run adapters/conditions/tests/servers.sh"]
async fn redis_that_hangs_has_one_connection_afterwards() {
    let server = Server::redis();
    let mut condition = condition_of(redis(&server.url()).unwrap());
    assert_eq!(evaluate(&mut condition).await, "");
    server.control("pause");
    for _ in 0..3 {
        // Longer than the half second that the client would wait by itself.
        let evaluation = timeout(Duration::from_millis(700), evaluate(&mut condition));
        assert!(evaluation.await.is_err());
    }
    server.control("resume");
    assert_eq!(evaluate(&mut condition).await, "");
    timeout(PATIENCE, async {
        while server.clients().len() > 1 {
            sleep(Duration::from_millis(50)).await;
        }
    })
    .await
    .expect("the abandoned connections end");
}

#[tokio::test]
#[ignore = "needs a Redis: run adapters/conditions/tests/servers.sh"]
async fn redis_tells_why_it_refuses() {
    let server = Server::redis();
    let mut condition = condition_of(redis(&server.url()).unwrap());
    assert_eq!(evaluate(&mut condition).await, "");
    server.cli(&["config", "set", "requirepass", "secret"]);
    server.cli(&["-a", "secret", "--no-auth-warning", "client", "kill", "type", "normal"]);
    let reason = evaluate(&mut condition).await;
    assert!(reason.contains("Authentication required"), "{reason}");

    let url = format!("redis://:secret@127.0.0.1:{}", server.port);
    assert_eq!(evaluate(&mut condition_of(redis(&url).unwrap())).await, "");
    let url = format!("redis://:wrong-secret@127.0.0.1:{}", server.port);
    let reason = evaluate(&mut condition_of(redis(&url).unwrap())).await;
    assert!(reason.contains("authentication failed") && !reason.contains("secret"), "{reason}");
}

/// A server in a folder of its own; it ends with this value.
struct Server {
    script: PathBuf,
    folder: TempDir,
    port: u16,
}

impl Server {
    fn postgres() -> Self {
        Self::create("../../tests/interop/lib/postgres.sh")
    }

    fn redis() -> Self {
        Self::create("tests/redis.sh")
    }

    fn create(script: &str) -> Self {
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(script);
        let mut folder = tempfile::Builder::new();
        // The unprivileged user must be able to reach what is in it.
        #[cfg(unix)]
        folder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o755));
        let mut server = Self { script, folder: folder.tempdir().unwrap(), port: 0 };
        server.port = server.control("create").trim().parse().unwrap();
        server
    }

    fn control(&self, command: &str) -> String {
        let folder = self.folder.path().join("server");
        let mut script = Command::new(&self.script);
        let output = script.arg(command).arg(folder).stderr(Stdio::inherit()).output().unwrap();
        assert!(output.status.success(), "{} {command}", self.script.display());
        String::from_utf8(output.stdout).unwrap()
    }

    fn url(&self) -> String {
        if self.script.ends_with("redis.sh") {
            return format!("redis://127.0.0.1:{}", self.port);
        }
        format!("postgres://postgres@127.0.0.1:{}/postgres?application_name=condition", self.port)
    }

    async fn connect(&self) -> (Client, JoinHandle<()>) {
        let url = format!("postgres://postgres@127.0.0.1:{}", self.port);
        let (client, connection) = tokio_postgres::connect(&url, NoTls).await.unwrap();
        (client, tokio::spawn(async move { drop(connection.await) }))
    }

    /// The process ids of the sessions of the condition.
    async fn sessions(&self) -> Vec<i32> {
        let (client, _connection) = self.connect().await;
        let query = "SELECT pid FROM pg_stat_activity WHERE application_name = 'condition'";
        client.query(query, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
    }

    fn cli(&self, arguments: &[&str]) -> String {
        let mut cli = Command::new("redis-cli");
        let output = cli.args(["-p", &self.port.to_string()]).args(arguments).output().unwrap();
        assert!(output.status.success(), "{arguments:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The ids of the connections, but for the one that asks.
    fn clients(&self) -> Vec<String> {
        let listed = self.cli(&["client", "list"]);
        let others = listed.lines().filter(|line| !line.contains("cmd=client"));
        others.filter_map(|line| line.split(' ').next()).map(str::to_owned).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let folder = self.folder.path().join("server");
        let _ = Command::new(&self.script).arg("destroy").arg(folder).status();
    }
}

const PATIENCE: Duration = Duration::from_secs(20);
