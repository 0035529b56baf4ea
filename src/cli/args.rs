//! The commands and their arguments.

use std::{net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};
use secrecy::SecretString;
use url::Url;
use uuid::Uuid;

use super::people::PeopleArgs;

/// Keeps the people of a Tribe CRM and the Outlook address books of its users in step.
#[derive(Parser)]
#[command(name = "tribelink", version, arg_required_else_help = true, after_help = AFTER)]
pub(super) struct Cli {
    /// Configuration file [default: TRIBELINK_CONFIG, else tribelink.toml where there is one].
    #[arg(long, global = true, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Print JSON instead of words.
    #[arg(long, global = true)]
    pub(super) json: bool,
    #[command(subcommand)]
    pub(super) command: Command,
}

const AFTER: &str = "\
Begin with `tribelink demo`; for a service of your own, `tribelink doctor` says what is still to do.
Commands about users and what they hold ask a running service over its API.

Exit codes:
  0  it came out
  1  it did not
  2  usage or configuration
  3  the service cannot be reached
  4  the token is missing, wrong or may not
  5  there is no such thing";

#[derive(Subcommand)]
pub(super) enum Command {
    /// Play the whole story on loopback, against simulated remotes.
    Demo(DemoArgs),
    /// Run the service.
    Serve,
    /// Check configuration, database, sign-ins, webhooks and clocks, and say what to do.
    Doctor,
    /// The service at a glance: users, what waits, and what needs an administrator.
    Status(Access),
    /// List users; activate, preview, start, pause, resume, disconnect one.
    Users(UsersArgs),
    /// Look for people by name, for `explain`.
    People(PeopleArgs),
    /// Say why a person is or is not in a user's contacts.
    Explain(OfPerson),
    /// List every write and every change of a link, or undo one.
    Audit(AuditArgs),
    /// Take back what a person, a pass or a stretch of time saw.
    Undo(UndoArgs),
    /// List changes that wait for a decision, or decide one.
    Held(HeldArgs),
    /// List what could not be synchronised, or try one again.
    Parked(ParkedArgs),
    /// List Tribe organisations, or connect one by a sign-in.
    Environments(EnvironmentsArgs),
    /// Find a user's links again by the stamps in Outlook, after a lost database.
    Rebuild(OfUser),
    /// Make a key that seals what is kept, or seal everything anew under the current one.
    Keys(KeysArgs),
    /// Print the commented default configuration: every key, its default and its reason.
    Config(ConfigArgs),
    /// Bring the database to the schema of this version.
    Migrate,
    /// Copy the SQLite database, beside a running service.
    Backup(BackupArgs),
    /// Put a copy in the place of the SQLite database; the service must not run.
    Restore(RestoreArgs),
    /// Ask whether the service is alive; for containers without a shell.
    Health(HealthArgs),
    /// Print the description of the API.
    Openapi(OpenApiArgs),
    /// Print the completions of a shell.
    Completions {
        /// Which shell.
        shell: clap_complete::Shell,
    },
    /// Run the simulated Tribe CRM and Microsoft 365 alone.
    Sandbox(SandboxArgs),
}

/// Where the service is and who asks.
#[derive(Args, Clone)]
pub(super) struct Access {
    /// The service's address [default: what the configuration listens on].
    #[arg(long, global = true, env = "TRIBELINK_URL", help_heading = "Access")]
    pub(super) url: Option<Url>,
    /// A token of the admin API [default: security.admin_token of the configuration].
    #[arg(
        long,
        global = true,
        env = "TRIBELINK_TOKEN",
        hide_env_values = true,
        value_parser = secret,
        help_heading = "Access"
    )]
    pub(super) token: Option<SecretString>,
}

fn secret(text: &str) -> Result<SecretString, std::convert::Infallible> {
    Ok(SecretString::from(text))
}

/// Arguments of `demo`.
#[derive(Args, Clone, Debug)]
pub struct DemoArgs {
    /// End after the last step: 0 when every step came out, else 1 and the step.
    #[arg(long)]
    pub once: bool,
    /// People in the simulated CRM.
    #[arg(long, value_name = "N")]
    pub people: Option<usize>,
    /// Where the service of the demonstration listens.
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
}

/// Arguments of `sandbox`.
#[derive(Args, Clone, Debug)]
pub struct SandboxArgs {
    /// Where it listens.
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
    /// Under which origin it is reached.
    #[arg(long, value_name = "URL")]
    pub public_url: Option<Url>,
    /// People in the CRM.
    #[arg(long, value_name = "N")]
    pub people: Option<usize>,
    /// Employees with a mailbox.
    #[arg(long, value_name = "N")]
    pub users: Option<usize>,
    /// Seed of everything that chance decides.
    #[arg(long, value_name = "S")]
    pub seed: Option<u64>,
    /// Certificate chain, PEM.
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,
    /// Private key, PEM.
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,
}

#[derive(Args)]
pub(super) struct ConfigArgs {
    /// Print it as a page for readers instead.
    #[arg(long)]
    pub(super) markdown: bool,
}

#[derive(Args)]
pub(super) struct BackupArgs {
    /// The folder for the copy; made when missing. The copy's name bears the time.
    pub(super) folder: PathBuf,
    /// Remove all but so many copies of this folder, the newest.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub(super) keep: Option<u32>,
}

#[derive(Args)]
pub(super) struct RestoreArgs {
    /// A copy that `backup` made.
    pub(super) file: PathBuf,
    /// Replace a database that stands there; it is kept beside it, as `….replaced`.
    #[arg(long)]
    pub(super) replace: bool,
}

#[derive(Args)]
pub(super) struct HealthArgs {
    /// Ask whether hints can be accepted and kept, not just whether the process lives.
    #[arg(long)]
    pub(super) ready: bool,
    #[command(flatten)]
    pub(super) access: Access,
}

#[derive(Args)]
pub(super) struct OpenApiArgs {
    /// The form.
    #[arg(long, value_enum, default_value = "yaml")]
    pub(super) format: OpenApiFormat,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum OpenApiFormat {
    Yaml,
    Json,
}

#[derive(Args)]
pub(super) struct KeysArgs {
    #[command(subcommand)]
    pub(super) command: KeysCommand,
}

#[derive(Subcommand)]
pub(super) enum KeysCommand {
    /// Make a key for security.encryption_keys and print it.
    New {
        /// Its id [default: one by chance].
        #[arg(long)]
        id: Option<String>,
    },
    /// Seal everything anew under the current key of the running service.
    Rotate(Access),
}

#[derive(Args)]
pub(super) struct OfUser {
    /// The user's id.
    #[arg(long)]
    pub(super) user: Uuid,
    #[command(flatten)]
    pub(super) access: Access,
}

#[derive(Args)]
pub(super) struct OfPerson {
    /// The user's id.
    #[arg(long)]
    pub(super) user: Uuid,
    /// The person's id in Tribe.
    #[arg(long)]
    pub(super) person: Uuid,
    #[command(flatten)]
    pub(super) access: Access,
}

#[derive(Args)]
pub(super) struct UsersArgs {
    #[command(flatten)]
    pub(super) access: Access,
    #[command(subcommand)]
    pub(super) command: UsersCommand,
}

#[derive(Subcommand)]
pub(super) enum UsersCommand {
    /// Every user.
    List {
        /// Only those in this state.
        #[arg(long)]
        state: Option<String>,
    },
    /// Activate an employee and print the consent link.
    Activate(ActivateArgs),
    /// State, counts and progress of one user.
    Show { id: Uuid },
    /// Begin the first sync.
    Start {
        id: Uuid,
        /// Wait for its end, with a progress bar.
        #[arg(long)]
        watch: bool,
    },
    /// Keep hints, write nothing.
    Pause { id: Uuid },
    /// Go on after a pause.
    Resume { id: Uuid },
    /// Compare everything now.
    Resync { id: Uuid },
    /// Let go of the brake, for one pass.
    Release { id: Uuid },
    /// Erase the tokens and let the links sleep.
    Disconnect {
        id: Uuid,
        /// Erase the links too, with everything that is remembered of them.
        #[arg(long)]
        forget: bool,
    },
    /// Make a fresh consent link.
    Consent {
        id: Uuid,
        /// Another mailbox than the employee's own addresses name.
        #[arg(long, value_name = "ADDRESS")]
        allow_mailbox: Option<String>,
    },
    /// Plan the first sync and show what it would do.
    Preview {
        id: Uuid,
        /// Wait until it is ready, with a progress bar.
        #[arg(long, conflicts_with = "stored")]
        watch: bool,
        /// Show the stored one, plan nothing.
        #[arg(long)]
        stored: bool,
    },
    /// A user's links.
    Links { id: Uuid },
}

#[derive(Args)]
pub(super) struct ActivateArgs {
    /// The employee, by the id of its record in Tribe.
    #[arg(
        long,
        required_unless_present = "employee_email",
        conflicts_with = "employee_email"
    )]
    pub(super) employee_id: Option<Uuid>,
    /// The employee, by e-mail address.
    #[arg(long)]
    pub(super) employee_email: Option<String>,
    /// The environment [default: default].
    #[arg(long)]
    pub(super) environment: Option<String>,
    /// Start right after consent.
    #[arg(long)]
    pub(super) start: bool,
    /// Where the browser goes after consent: a path of the service.
    #[arg(long)]
    pub(super) return_to: Option<String>,
}

#[derive(Args)]
pub(super) struct AuditArgs {
    /// Only this user's.
    #[arg(long)]
    pub(super) user: Option<Uuid>,
    /// Only this person's.
    #[arg(long)]
    pub(super) person: Option<Uuid>,
    /// Only by this rule, such as R7.
    #[arg(long)]
    pub(super) rule: Option<String>,
    /// How many lines, the newest first.
    #[arg(long, default_value = "50")]
    pub(super) limit: usize,
    #[command(flatten)]
    pub(super) access: Access,
    #[command(subcommand)]
    pub(super) command: Option<AuditCommand>,
}

#[derive(Clone, Subcommand)]
pub(super) enum AuditCommand {
    /// Undo one write.
    Undo { id: i64 },
}

#[derive(Args)]
#[command(group = clap::ArgGroup::new("range").required(true).multiple(true))]
pub(super) struct UndoArgs {
    /// One write: the line of the audit.
    #[arg(long, group = "range", conflicts_with_all = ["person", "pass_of", "from"])]
    pub(super) line: Option<i64>,
    /// Everything for this person.
    #[arg(long, group = "range")]
    pub(super) person: Option<Uuid>,
    /// The whole pass over a mailbox that wrote this line of the audit.
    #[arg(long, group = "range", value_name = "LINE")]
    pub(super) pass_of: Option<i64>,
    /// From this time on, such as 2026-11-24T10:00:00Z.
    #[arg(long, group = "range", value_name = "TIME")]
    pub(super) from: Option<String>,
    /// Before this time [default: an hour after --from].
    #[arg(long, value_name = "TIME")]
    pub(super) to: Option<String>,
    /// Only this user's.
    #[arg(long)]
    pub(super) user: Option<Uuid>,
    /// Count only; write nothing.
    #[arg(long)]
    pub(super) dry_run: bool,
    #[command(flatten)]
    pub(super) access: Access,
}

#[derive(Args)]
pub(super) struct HeldArgs {
    #[command(flatten)]
    pub(super) access: Access,
    #[command(subcommand)]
    pub(super) command: Option<HeldCommand>,
}

#[derive(Subcommand)]
pub(super) enum HeldCommand {
    /// Let the Outlook value through.
    Accept { id: i64 },
    /// Restore Tribe's value in Outlook.
    Reject { id: i64 },
}

#[derive(Args)]
pub(super) struct EnvironmentsArgs {
    #[command(flatten)]
    pub(super) access: Access,
    #[command(subcommand)]
    pub(super) command: Option<EnvironmentsCommand>,
}

#[derive(Subcommand)]
pub(super) enum EnvironmentsCommand {
    /// Make a link that connects it by an administrator's sign-in at Tribe.
    Connect { id: String },
}

#[derive(Args)]
pub(super) struct ParkedArgs {
    #[command(flatten)]
    pub(super) access: Access,
    #[command(subcommand)]
    pub(super) command: Option<ParkedCommand>,
}

#[derive(Subcommand)]
pub(super) enum ParkedCommand {
    /// Try one again.
    Retry { id: i64 },
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_commands_are_well_formed() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_of_the_contract_parses() {
        let id = "018f0000-0000-7000-8000-000000000001";
        for line in [
            "serve",
            "demo --once --people 10 --listen 127.0.0.1:9",
            "sandbox --listen 127.0.0.1:9 --public-url https://a.example --people 1 --users 1 \
             --seed 7 --tls-cert c --tls-key k",
            "config",
            "migrate",
            "doctor --json",
            "health --ready",
            "openapi --format json",
            "users list --json --state live",
            "users activate --employee-email a@example.com --start",
            "users show ID",
            "users start ID --watch --url http://127.0.0.1:1",
            "users pause ID",
            "users resume ID",
            "users resync ID",
            "users release ID",
            "users disconnect ID --forget",
            "users consent ID --allow-mailbox a@example.com",
            "users preview ID --watch",
            "users links ID",
            "explain --user ID --person ID",
            "audit --user ID --rule R7",
            "audit undo 3",
            "undo --line 3",
            "undo --person ID --user ID --dry-run",
            "undo --pass-of 3",
            "undo --from 2026-11-24T10:00:00Z --to 2026-11-24T11:00:00Z",
            "completions bash",
            "held",
            "held accept 3",
            "held reject 3",
            "parked retry 3",
            "status",
            "rebuild --user ID",
            "keys new --id k2",
            "keys rotate --json",
            "environments",
            "environments connect default",
        ] {
            let words = line
                .split_whitespace()
                .map(|word| if word == "ID" { id } else { word });
            let parsed = Cli::try_parse_from(std::iter::once("tribelink").chain(words));
            assert!(
                parsed.is_ok(),
                "{line}: {}",
                parsed.err().map_or_else(String::new, |e| e.to_string())
            );
        }
        for line in [
            "sandbox --tls-cert c",
            "users activate",
            "undo",
            "undo --line 3 --person ID",
            "explain --user 1 --person 2",
            "keys turn",
        ] {
            let words = std::iter::once("tribelink").chain(line.split_whitespace());
            assert!(Cli::try_parse_from(words).is_err(), "{line}");
        }
    }
}
