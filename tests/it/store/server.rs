//! A Postgres server of a test's own, to be stopped and crashed.

use std::{path::Path, process::Stdio};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
};

/// Runs until the value is dropped.
pub(crate) struct Server {
    pub(crate) url: String,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    _process: Child,
}

impl Server {
    /// Starts one as `scripts/postgres` does.
    pub(crate) async fn start(settings: &[(&str, &str)]) -> Server {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/postgres");
        let mut process = Command::new("bash")
            .arg(script)
            .arg("--serve")
            .envs(settings.iter().copied())
            .env_remove("TEST_DATABASE_URL")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let orders = process.stdin.take().unwrap();
        let answers = BufReader::new(process.stdout.take().unwrap()).lines();
        let mut server = Server {
            url: String::new(),
            orders,
            answers,
            _process: process,
        };
        server.url = server.answer().await;
        server
    }

    async fn answer(&mut self) -> String {
        let line = self.answers.next_line().await.unwrap();
        line.expect("there is no server to be had; what it said stands above")
    }

    async fn order(&mut self, order: &str) {
        self.orders.write_all(order.as_bytes()).await.unwrap();
        self.orders.write_all(b"\n").await.unwrap();
        assert_eq!(self.answer().await, "done");
    }

    /// Ends it as a power cut would, and starts it again.
    pub(crate) async fn crash(&mut self) {
        self.stop().await;
        self.again().await;
    }

    /// Ends it as a power cut would.
    pub(crate) async fn stop(&mut self) {
        self.order("stop").await;
    }

    /// Starts it again.
    pub(crate) async fn again(&mut self) {
        self.order("start").await;
    }
}
