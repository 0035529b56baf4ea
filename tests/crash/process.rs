//! The two processes: the sandbox, which lives as long as its world, and the service, which dies often.

use std::{
    fs::{File, OpenOptions},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use tokio::time::{Instant, sleep};

use crate::{Outcome, failed};

/// How long a process may take to answer.
const START: Duration = Duration::from_secs(30);

/// A process that ends with its owner.
pub(crate) struct Process {
    child: Child,
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

impl Process {
    /// Starts a command, with its output at the end of a file.
    pub(crate) fn start(command: &mut Command, log: &Path) -> Outcome<Process> {
        let open = || OpenOptions::new().create(true).append(true).open(log);
        let out: File = open().map_err(failed("a log"))?;
        let err = open().map_err(failed("a log"))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(err)
            .spawn()
            .map_err(failed("a process"))?;
        Ok(Process { child })
    }

    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// How it ended; `None` while it runs.
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().ok().flatten()
    }

    /// SIGKILL, and it is gone when this returns.
    pub(crate) fn kill(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// The most memory it ever held, in KiB.
    pub(crate) fn peak_kib(&self) -> Outcome<u64> {
        let path = format!("/proc/{}/status", self.id());
        let status = std::fs::read_to_string(path).map_err(failed("/proc"))?;
        let line = status.lines().find(|line| line.starts_with("VmHWM:"));
        line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok())
            .ok_or_else(|| "no VmHWM".to_owned())
    }
}

/// The sandbox, running.
pub(crate) struct Remotes {
    pub(crate) origin: String,
    _process: Process,
}

impl Remotes {
    pub(crate) async fn start(binary: &Path, folder: &Path, seed: u64) -> Outcome<Remotes> {
        let log = folder.join("sandbox.log");
        let mut command = Command::new(binary);
        command
            .args(["sandbox", "--listen", "127.0.0.1:0", "--people", "0"])
            .args(["--users", "2", "--seed", &seed.to_string()])
            .current_dir(folder)
            .env_clear();
        let process = Process::start(&mut command, &log)?;
        let until = Instant::now() + START;
        loop {
            let said = std::fs::read_to_string(&log).unwrap_or_default();
            let mut words = said.split_whitespace();
            if let Some(origin) = words.find(|word| word.starts_with("http://127.0.0.1:"))
                && said.contains("secrets")
            {
                return Ok(Remotes {
                    origin: origin.to_owned(),
                    _process: process,
                });
            }
            if Instant::now() > until {
                return Err(format!("the sandbox did not start: {said}"));
            }
            sleep(Duration::from_millis(20)).await;
        }
    }
}

/// How the service is started, again and again on the same database.
#[derive(Clone)]
pub(crate) struct Service {
    pub(crate) binary: PathBuf,
    pub(crate) folder: PathBuf,
    pub(crate) origin: String,
    pub(crate) settings: Vec<(String, String)>,
}

impl Service {
    /// Starts it, to die at that place.
    pub(crate) fn start(&self, crash_at: Option<&str>) -> Outcome<Process> {
        let mut command = Command::new(&self.binary);
        self.dress(&mut command, crash_at);
        command.arg("serve");
        Process::start(&mut command, &self.folder.join("service.log"))
    }

    /// Folder and variables of the service.
    pub(crate) fn dress(&self, command: &mut Command, crash_at: Option<&str>) {
        command.current_dir(&self.folder).env_clear();
        if let Ok(path) = std::env::var("PATH") {
            command.env("PATH", path);
        }
        for (key, value) in &self.settings {
            let name = key.to_uppercase().replacen('.', "__", 1);
            command.env(format!("TRIBELINK_{name}"), value);
        }
        if let Some(place) = crash_at {
            command.env("TRIBELINK_CRASH_AT", place);
        }
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.folder.join("link.db")
    }
}

/// A port of loopback that is free now.
pub(crate) fn free_port() -> Outcome<u16> {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").map_err(failed("a port"))?;
    Ok(listener.local_addr().map_err(failed("a port"))?.port())
}
