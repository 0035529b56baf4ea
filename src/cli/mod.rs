//! The command line.
//!
//! Every command ends in a [`Report`]: a JSON value for `--json`, and words for people made from it.
//! What a person reads goes to standard output, progress and errors to standard error.
//!
//! # Map
//! - [`args`]: the commands and their arguments.
//! - [`error`]: what can go wrong, what to do next, and the exit codes.
//! - [`client`]: the admin API over HTTP. [`admin`]: the commands that use it. [`watch`]: progress.
//! - [`show`]: answers in words (pure), over [`table`].
//! - [`backup`]: copies of the SQLite database.
//! - [`run`]: where the long-running commands meet the rest of the program.

mod admin;
mod args;
mod backup;
mod client;
mod error;
mod glance;
mod people;
mod run;
mod show;
mod table;
mod watch;

use std::{
    io::{self, Write},
    process::ExitCode,
};

use clap::{CommandFactory as _, Parser};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

pub use self::args::{DemoArgs, SandboxArgs};
use self::{
    args::{Cli, Command, KeysCommand, OpenApiFormat},
    error::Error,
};
use crate::{
    config::{AdminAccess, Config, DEFAULTS, Database, Sources, reference},
    doctor,
    random::{SystemRandom, uuid},
    telemetry,
    vault::generate_key,
};

/// What a command has to say.
struct Report {
    /// For `--json`.
    value: Value,
    /// For people, made from the value.
    words: fn(&Value) -> String,
    /// Whether what was asked came out.
    good: bool,
}

impl Report {
    fn new(value: Value, words: fn(&Value) -> String) -> Report {
        Report {
            value,
            words,
            good: true,
        }
    }
}

/// Runs the command line of this process.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    let json = cli.json;
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => return fail(&Error::Failed(format!("no runtime: {error}")), json),
    };
    match runtime.block_on(dispatch(cli)) {
        Ok(None) => ExitCode::SUCCESS,
        Ok(Some(report)) => print(&report, json),
        Err(error) => fail(&error, json),
    }
}

async fn dispatch(cli: Cli) -> Result<Option<Report>, Error> {
    let config = cli.config.as_deref();
    match cli.command {
        Command::Serve => {
            let config = Config::read(&Sources::of_process(config)?)?;
            telemetry::log(&config.telemetry).map_err(Error::failed)?;
            let shutdown = crate::server::terminated().map_err(Error::failed)?;
            run::serve(config, shutdown).await?;
            Ok(None)
        }
        Command::Demo(args) => {
            let shutdown = crate::server::terminated().map_err(Error::failed)?;
            run::demo(args, shutdown).await?;
            Ok(None)
        }
        Command::Sandbox(args) => {
            let shutdown = crate::server::terminated().map_err(Error::failed)?;
            run::sandbox(args, shutdown).await?;
            Ok(None)
        }
        Command::Config(args) => {
            match args.markdown {
                true => say(reference::markdown().trim_end()),
                false => say(DEFAULTS.trim_end()),
            }
            Ok(None)
        }
        Command::Migrate => {
            let database = Database::read_alone(&Sources::of_process(config)?)?;
            run::migrate(&database).await.map(Some)
        }
        Command::Backup(args) => {
            let database = Database::read_alone(&Sources::of_process(config)?)?;
            backup::copy(&args, &database).await.map(Some)
        }
        Command::Restore(args) => {
            let database = Database::read_alone(&Sources::of_process(config)?)?;
            backup::restore(&args, &database).await.map(Some)
        }
        Command::Doctor => examine(config).await.map(Some),
        Command::Health(args) => {
            let access = AdminAccess::read(&Sources::of_process(config)?)?;
            admin::health(args, &access).await.map(Some)
        }
        Command::Openapi(args) => {
            let as_json = cli.json || args.format == OpenApiFormat::Json;
            // The description is the output itself, in either form.
            say(run::openapi(as_json)?.trim_end());
            Ok(None)
        }
        Command::Keys(keys) => match keys.command {
            KeysCommand::New { id } => Ok(Some(new_key(id))),
            KeysCommand::Rotate(access) => {
                let api = admin::api(access, config)?;
                admin::rotate(&api, !cli.json).await.map(Some)
            }
        },
        Command::Users(users) => {
            let api = admin::api(users.access, config)?;
            admin::users(users.command, &api, !cli.json).await.map(Some)
        }
        Command::People(args) => {
            let api = admin::api(args.access, config)?;
            people::find(&api, &args.name, args.environment, args.user)
                .await
                .map(Some)
        }
        Command::Explain(args) => {
            let api = admin::api(args.access, config)?;
            admin::explain(&api, args.user, args.person).await.map(Some)
        }
        Command::Rebuild(args) => {
            let api = admin::api(args.access, config)?;
            admin::rebuild(&api, args.user).await.map(Some)
        }
        Command::Audit(args) => {
            let api = admin::api(args.access.clone(), config)?;
            admin::audit(args, &api).await.map(Some)
        }
        Command::Undo(args) => {
            let api = admin::api(args.access.clone(), config)?;
            admin::undo(args, &api).await.map(Some)
        }
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "tribelink", &mut script);
            say(String::from_utf8_lossy(&script).trim_end());
            Ok(None)
        }
        Command::Held(args) => {
            let api = admin::api(args.access, config)?;
            admin::held(args.command, &api).await.map(Some)
        }
        Command::Parked(args) => {
            let api = admin::api(args.access, config)?;
            admin::parked(args.command, &api).await.map(Some)
        }
        Command::Environments(args) => {
            let api = admin::api(args.access, config)?;
            admin::environments(args.command, &api).await.map(Some)
        }
        Command::Status(access) => admin::status(&admin::api(access, config)?).await.map(Some),
    }
}

/// What `doctor` found; problems of the configuration are findings too.
async fn examine(config: Option<&std::path::Path>) -> Result<Report, Error> {
    let read = Sources::of_process(config).and_then(|sources| Config::read(&sources));
    let checks = match read {
        Err(problems) => doctor::of_problems(&problems),
        Ok(config) => doctor::examine(&config, &run::subjects(&config).await).await,
    };
    let good = doctor::is_well(&checks);
    let value = json!({ "ok": good, "checks": checks });
    Ok(Report {
        value,
        words: show::checks,
        good,
    })
}

fn new_key(id: Option<String>) -> Report {
    let id = id.unwrap_or_else(|| {
        // A rotated ring needs a new id for each key; chance spares looking at the ring.
        let chance = uuid(&SystemRandom, 0).simple().to_string();
        format!("k{}", &chance[chance.len() - 6..])
    });
    let key = generate_key(&SystemRandom, &id);
    let words = |value: &Value| value["key"].as_str().unwrap_or_default().to_owned();
    Report::new(json!({ "key": key.expose_secret() }), words)
}

fn print(report: &Report, json: bool) -> ExitCode {
    if json {
        say(&format!("{:#}", report.value));
    } else {
        say(&(report.words)(&report.value));
    }
    if report.good {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(error::FAILED)
    }
}

/// Writes a text to standard output. A reader that went away (`| head`) is no error.
fn say(text: &str) {
    let _ = writeln!(io::stdout(), "{text}");
}

fn fail(error: &Error, json: bool) -> ExitCode {
    let text = if json {
        let rule = error.rule();
        let body = json!({ "message": error.to_string(), "hint": error.hint(), "rule": rule });
        json!({ "error": body }).to_string()
    } else {
        let next = error
            .hint()
            .map(|hint| format!("\nWhat to do next: {hint}"));
        format!("tribelink: {error}{}", next.unwrap_or_default())
    };
    let _ = writeln!(io::stderr(), "{text}");
    ExitCode::from(error.exit_code())
}
