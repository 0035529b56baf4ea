//! The commands over the admin API.

use std::path::Path;

use serde_json::{Value, json};
use url::Url;
use uuid::Uuid;

use super::{
    Report,
    args::{
        Access, ActivateArgs, AuditArgs, AuditCommand, EnvironmentsCommand, HealthArgs,
        HeldCommand, ParkedCommand, UndoArgs, UsersCommand,
    },
    client::Api,
    error::Error,
    glance, show, watch,
};
use crate::config::{AdminAccess, Sources};

/// After this many walks that each found something, somebody still seals under an old key.
const MOST_WALKS: u32 = 5;

/// The API that the arguments, the environment or the configuration name. The configuration is only
/// read for what the arguments leave open.
pub(super) fn api(access: Access, config: Option<&Path>) -> Result<Api, Error> {
    if let (Some(url), Some(token)) = (&access.url, &access.token) {
        return Api::new(url.clone(), Some(token.clone()));
    }
    let configured = AdminAccess::read(&Sources::of_process(config)?)?;
    let url = match access.url {
        Some(url) => url,
        None => own_url(&configured)?,
    };
    Api::new(url, access.token.or(configured.token))
}

/// Where the service of this configuration is reached from its own machine.
fn own_url(configured: &AdminAccess) -> Result<Url, Error> {
    let mut listen = configured.listen;
    if listen.ip().is_unspecified() {
        let loopback = if listen.is_ipv4() { "127.0.0.1" } else { "::1" };
        listen.set_ip(loopback.parse().map_err(Error::failed)?);
    }
    if !listen.ip().is_loopback() {
        let message = "the service listens on no loopback address: name its address with --url";
        return Err(Error::Usage(message.to_owned()));
    }
    Url::parse(&format!("http://{listen}")).map_err(Error::failed)
}

pub(super) async fn health(args: HealthArgs, configured: &AdminAccess) -> Result<Report, Error> {
    let url = match args.access.url {
        Some(url) => url,
        None => own_url(configured)?,
    };
    let route = if args.ready { "readyz" } else { "healthz" };
    let asked = Api::new(url, None)?.status(route).await;
    // Orchestrators know 0 and 1 alone: that nobody answers is as unhealthy as a refusal.
    let (good, detail) = match asked {
        Ok((status, body)) if status.is_success() => (true, body),
        Ok((status, body)) => (false, format!("{status}: {body}")),
        Err(error) => (false, error.to_string()),
    };
    let value = json!({ "ok": good, "detail": detail.trim() });
    let words = |value: &Value| {
        let word = if value["ok"] == true { "ok" } else { "not ok" };
        format!("{word}: {}", value["detail"].as_str().unwrap_or_default())
    };
    Ok(Report { value, words, good })
}

pub(super) async fn users(
    command: UsersCommand,
    api: &Api,
    visible: bool,
) -> Result<Report, Error> {
    match command {
        UsersCommand::List { state } => {
            let mut users = api.all(&["users"], &[], usize::MAX).await?;
            users.retain(|user| state.is_none() || user["state"].as_str() == state.as_deref());
            Ok(list(users, show::users))
        }
        UsersCommand::Activate(args) => {
            let user = api.post(&["users"], &activation(&args)).await?;
            Ok(Report::new(user, show::invitation))
        }
        UsersCommand::Show { id } => {
            let user = api.get(&["users", &id.to_string()], &[]).await?;
            Ok(Report::new(user, show::user))
        }
        UsersCommand::Start { id, watch } => {
            let started = act(api, id, "start", json!({})).await?;
            if !watch {
                return Ok(started);
            }
            let user = watch::first_sync(api, &id.to_string(), visible).await?;
            Ok(Report::new(user, show::user))
        }
        UsersCommand::Pause { id } => act(api, id, "pause", json!({})).await,
        UsersCommand::Resume { id } => act(api, id, "resume", json!({})).await,
        UsersCommand::Resync { id } => act(api, id, "resync", json!({})).await,
        UsersCommand::Release { id } => act(api, id, "release", json!({})).await,
        UsersCommand::Disconnect { id, forget } => {
            act(api, id, "disconnect", json!({ "forget": forget })).await
        }
        UsersCommand::Consent { id, allow_mailbox } => {
            let body =
                allow_mailbox.map_or(json!({}), |address| json!({ "allow_mailbox": address }));
            let link = api
                .post(&["users", &id.to_string(), "consent"], &body)
                .await?;
            Ok(Report::new(link, show::invitation))
        }
        UsersCommand::Preview { id, watch, stored } => {
            preview(api, &id.to_string(), watch, stored, visible).await
        }
        UsersCommand::Links { id } => {
            let links = api
                .all(&["users", &id.to_string(), "links"], &[], usize::MAX)
                .await?;
            Ok(list(links, show::links))
        }
    }
}

async fn preview(
    api: &Api,
    id: &str,
    watch: bool,
    stored: bool,
    visible: bool,
) -> Result<Report, Error> {
    let path = ["users", id, "preview"];
    if !stored {
        let begun = api.post(&path, &json!({})).await?;
        if !watch {
            return Ok(Report::new(begun, show::preview));
        }
        watch::preview(api, id, visible).await?;
    }
    let mut head = api.get(&path, &[]).await?;
    let items = api.all(&path, &[], usize::MAX).await?;
    if let Some(members) = head.as_object_mut() {
        members.insert("items".to_owned(), Value::Array(items));
        members.insert("next_cursor".to_owned(), Value::Null);
    }
    Ok(Report::new(head, show::preview))
}

pub(super) async fn explain(api: &Api, user: Uuid, person: Uuid) -> Result<Report, Error> {
    let (user, person) = (user.to_string(), person.to_string());
    let mut found = api
        .get(&["people", &person, "explain"], &[("user", &user)])
        .await?;
    if let Some(members) = found.as_object_mut() {
        members.insert("user_id".to_owned(), json!(user));
        members.insert("person_id".to_owned(), json!(person));
    }
    Ok(Report::new(found, show::explanation))
}

pub(super) async fn audit(args: AuditArgs, api: &Api) -> Result<Report, Error> {
    if let Some(AuditCommand::Undo { id }) = args.command {
        let path = ["audit", &id.to_string(), "undo"];
        let done = api.post(&path, &json!({})).await?;
        return Ok(Report::new(done, show::undone));
    }
    let mut query = Vec::new();
    let (user, person) = (
        args.user.map(|id| id.to_string()),
        args.person.map(|id| id.to_string()),
    );
    query.extend(user.as_deref().map(|user| ("user", user)));
    query.extend(person.as_deref().map(|person| ("person", person)));
    query.extend(args.rule.as_deref().map(|rule| ("rule", rule)));
    Ok(list(
        api.all(&["audit"], &query, args.limit).await?,
        show::audit,
    ))
}

pub(super) async fn undo(args: UndoArgs, api: &Api) -> Result<Report, Error> {
    if let Some(id) = args.line {
        let path = ["audit", &id.to_string(), "undo"];
        let done = api.post(&path, &json!({})).await?;
        return Ok(Report::new(done, show::undone));
    }
    let mut body = serde_json::Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        body.extend(value.map(|value| (name.to_owned(), value)));
    };
    put("user_id", args.user.map(|id| json!(id)));
    put("person_id", args.person.map(|id| json!(id)));
    put("pass_of", args.pass_of.map(|line| json!(line)));
    put("from", args.from.map(|time| json!(time)));
    put("to", args.to.map(|time| json!(time)));
    put("dry_run", args.dry_run.then_some(Value::Bool(true)));
    let done = api.post(&["undo"], &Value::Object(body)).await?;
    Ok(Report::new(done, show::undone))
}

pub(super) async fn held(command: Option<HeldCommand>, api: &Api) -> Result<Report, Error> {
    match command {
        None => Ok(list(api.all(&["held"], &[], usize::MAX).await?, show::held)),
        Some(HeldCommand::Accept { id }) => answer(api, &["held", &id.to_string(), "accept"]).await,
        Some(HeldCommand::Reject { id }) => answer(api, &["held", &id.to_string(), "reject"]).await,
    }
}

pub(super) async fn parked(command: Option<ParkedCommand>, api: &Api) -> Result<Report, Error> {
    match command {
        None => Ok(list(
            api.all(&["parked"], &[], usize::MAX).await?,
            show::parked,
        )),
        Some(ParkedCommand::Retry { id }) => {
            answer(api, &["parked", &id.to_string(), "retry"]).await
        }
    }
}

pub(super) async fn status(api: &Api) -> Result<Report, Error> {
    Ok(Report::new(
        api.get(&["status"], &[]).await?,
        glance::status,
    ))
}

pub(super) async fn rebuild(api: &Api, user: Uuid) -> Result<Report, Error> {
    act(api, user, "rebuild", json!({})).await
}

/// Walks everything that is sealed until a whole walk finds nothing left to do. Ends with 1 when
/// something does not open, or when others write under an old key faster than it walks.
pub(super) async fn rotate(api: &Api, visible: bool) -> Result<Report, Error> {
    let bar = watch::counter(visible, "values looked at");
    let (mut resealed, mut walks) = (0, 0);
    loop {
        walks += 1;
        let (mut checked, mut anew, mut refused) = (0, 0, Vec::new());
        let mut cursor = Value::Null;
        let current = loop {
            let body = match &cursor {
                Value::Null => json!({}),
                cursor => json!({ "cursor": cursor }),
            };
            let mut walk = api.post(&["keys", "rotate"], &body).await?;
            let number = |name: &str| walk[name].as_u64().unwrap_or_default();
            checked += number("checked");
            anew += number("resealed");
            bar.inc(number("checked"));
            refused.extend(walk["refused"].as_array().cloned().unwrap_or_default());
            cursor = walk["next_cursor"].take();
            if cursor.is_null() {
                break walk["current"].take();
            }
        };
        resealed += anew;
        let done = anew == 0;
        if done || walks == MOST_WALKS {
            bar.finish_and_clear();
            let value = json!({
                "current": current, "sealed": checked, "resealed": resealed,
                "refused": refused, "complete": done && refused.is_empty(),
            });
            return Ok(Report {
                good: value["complete"] == true,
                value,
                words: show::rotation,
            });
        }
    }
}

pub(super) async fn environments(
    command: Option<EnvironmentsCommand>,
    api: &Api,
) -> Result<Report, Error> {
    match command {
        None => Ok(list(
            api.all(&["environments"], &[], usize::MAX).await?,
            show::environments,
        )),
        Some(EnvironmentsCommand::Connect { id }) => {
            let link = api
                .post(&["environments", &id, "connect"], &json!({}))
                .await?;
            Ok(Report::new(link, show::connection))
        }
    }
}

async fn act(api: &Api, id: Uuid, act: &str, body: Value) -> Result<Report, Error> {
    let user = api.post(&["users", &id.to_string(), act], &body).await?;
    Ok(Report::new(user, show::user))
}

async fn answer(api: &Api, path: &[&str]) -> Result<Report, Error> {
    Ok(Report::new(api.post(path, &json!({})).await?, show::record))
}

fn list(items: Vec<Value>, words: fn(&Value) -> String) -> Report {
    Report::new(json!({ "items": items, "next_cursor": null }), words)
}

fn activation(args: &ActivateArgs) -> Value {
    let mut body = serde_json::Map::new();
    let mut put = |name: &str, value: Option<Value>| {
        body.extend(value.map(|value| (name.to_owned(), value)));
    };
    put("employee_id", args.employee_id.map(|id| json!(id)));
    put(
        "employee_email",
        args.employee_email.as_ref().map(|email| json!(email)),
    );
    put("environment", args.environment.as_ref().map(|id| json!(id)));
    put("return_to", args.return_to.as_ref().map(|path| json!(path)));
    put("start", args.start.then_some(Value::Bool(true)));
    Value::Object(body)
}

#[cfg(test)]
mod tests {
    use axum::{Json, Router, extract::Path, routing::post};

    use super::*;
    use crate::cli::client::tests::api;

    const USER: Uuid = Uuid::from_u128(7);

    /// Answers every POST with what was asked.
    fn echo() -> Router {
        let echo = |Path(path): Path<String>, Json(body): Json<Value>| async move {
            Json(json!({ "path": path, "body": body }))
        };
        Router::new().route("/api/v1/{*path}", post(echo))
    }

    #[tokio::test]
    async fn each_command_asks_for_its_own_route() {
        let api = api(echo()).await;
        let (id, watch) = (USER, false);
        let user = |act: &str| format!("users/{USER}/{act}");
        let cases = [
            (UsersCommand::Start { id, watch }, user("start"), json!({})),
            (UsersCommand::Pause { id }, user("pause"), json!({})),
            (UsersCommand::Resume { id }, user("resume"), json!({})),
            (UsersCommand::Resync { id }, user("resync"), json!({})),
            (UsersCommand::Release { id }, user("release"), json!({})),
            (
                UsersCommand::Preview {
                    id,
                    watch,
                    stored: false,
                },
                user("preview"),
                json!({}),
            ),
            (
                UsersCommand::Disconnect { id, forget: true },
                user("disconnect"),
                json!({ "forget": true }),
            ),
            (
                UsersCommand::Consent {
                    id,
                    allow_mailbox: Some("a@b.nl".to_owned()),
                },
                user("consent"),
                json!({ "allow_mailbox": "a@b.nl" }),
            ),
        ];
        for (command, path, body) in cases {
            let answer = users(command, &api, false).await.expect("answered").value;
            assert_eq!(answer, json!({ "path": path, "body": body }));
        }
        let path = |report: Report| report.value["path"].as_str().expect("a path").to_owned();
        let held = held(Some(HeldCommand::Accept { id: 3 }), &api)
            .await
            .expect("answered");
        assert_eq!(path(held), "held/3/accept");
        let parked = parked(Some(ParkedCommand::Retry { id: 4 }), &api)
            .await
            .expect("answered");
        assert_eq!(path(parked), "parked/4/retry");
        let id = "acme".to_owned();
        let connect = environments(Some(EnvironmentsCommand::Connect { id }), &api)
            .await
            .expect("answered");
        assert_eq!(path(connect), "environments/acme/connect");
        assert_eq!(
            path(rebuild(&api, USER).await.expect("answered")),
            user("rebuild")
        );
    }

    #[test]
    fn an_activation_holds_what_was_said_and_no_more() {
        let mut args = ActivateArgs {
            employee_id: None,
            employee_email: Some("a@b.nl".to_owned()),
            environment: None,
            start: false,
            return_to: None,
        };
        assert_eq!(activation(&args), json!({ "employee_email": "a@b.nl" }));
        args.start = true;
        args.environment = Some("second".to_owned());
        let all = json!({ "employee_email": "a@b.nl", "start": true, "environment": "second" });
        assert_eq!(activation(&args), all);
    }

    #[test]
    fn the_own_service_is_asked_over_loopback() {
        let of = |listen: &str| {
            let listen = listen.parse().expect("an address");
            own_url(&AdminAccess {
                listen,
                token: None,
            })
            .map(|url| url.to_string())
            .ok()
        };
        assert_eq!(of("127.0.0.1:80"), Some("http://127.0.0.1/".to_owned()));
        assert_eq!(
            of("0.0.0.0:8080"),
            Some("http://127.0.0.1:8080/".to_owned())
        );
        assert_eq!(of("[::]:8080"), Some("http://[::1]:8080/".to_owned()));
        assert_eq!(of("10.0.0.1:8080"), None);
    }
}
