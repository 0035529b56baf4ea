//! Waiting for long work, with a progress bar.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::Value;

use super::{client::Api, error::Error};

/// Between two looks: a person sees it move, the service hardly notices.
const PAUSE: Duration = Duration::from_millis(500);

/// Waits for the first sync's end. Returns the user as last seen.
///
/// # Errors
/// The user stopped in another state than `live`.
pub(super) async fn first_sync(api: &Api, id: &str, visible: bool) -> Result<Value, Error> {
    let user = until(api, &["users", id], visible, |user| {
        user["state"] != "first_sync"
    })
    .await?;
    match user["state"].as_str() {
        Some("live") => Ok(user),
        Some(state) => Err(Error::Failed(format!(
            "the first sync stopped: the user is {state}"
        ))),
        None => Err(Error::Failed(
            "the service does not say the user's state".to_owned(),
        )),
    }
}

/// Waits until a preview is ready.
pub(super) async fn preview(api: &Api, id: &str, visible: bool) -> Result<(), Error> {
    until(api, &["users", id, "preview"], visible, |preview| {
        preview["state"] == "ready"
    })
    .await?;
    Ok(())
}

async fn until(
    api: &Api,
    path: &[&str],
    visible: bool,
    ended: impl Fn(&Value) -> bool,
) -> Result<Value, Error> {
    let bar = bar(visible);
    loop {
        let seen = api.get(path, &[]).await?;
        if let Some((done, total)) = progress(&seen) {
            bar.set_length(total);
            bar.set_position(done);
        }
        if ended(&seen) {
            bar.finish_and_clear();
            return Ok(seen);
        }
        bar.tick();
        tokio::time::sleep(PAUSE).await;
    }
}

/// Counts work whose end is not known beforehand.
pub(super) fn counter(visible: bool, what: &'static str) -> ProgressBar {
    let bar = bar(visible);
    if let Ok(style) = ProgressStyle::with_template("{spinner} {pos} {msg}") {
        bar.set_style(style);
    }
    bar.set_message(what);
    bar
}

/// Hidden where standard error is no terminal; indicatif sees to that itself.
fn bar(visible: bool) -> ProgressBar {
    let target = if visible {
        ProgressDrawTarget::stderr()
    } else {
        ProgressDrawTarget::hidden()
    };
    let bar = ProgressBar::with_draw_target(None, target);
    if let Ok(style) =
        ProgressStyle::with_template("{spinner} {bar:40} {pos}/{len} people, {eta} left")
    {
        bar.set_style(style);
    }
    bar
}

/// People done and in all, as the API tells them.
fn progress(value: &Value) -> Option<(u64, u64)> {
    let progress = &value["progress"];
    Some((progress["done"].as_u64()?, progress["total"].as_u64()?))
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    };

    use axum::{Json, Router, routing::get};
    use serde_json::json;

    use super::*;
    use crate::cli::client::tests::api;

    async fn ending_in(state: &'static str) -> (Result<Value, Error>, u64) {
        let looks = Arc::new(AtomicU64::new(0));
        let counted = looks.clone();
        let user = move || async move {
            let look = counted.fetch_add(1, Ordering::SeqCst);
            let state = if look < 2 { "first_sync" } else { state };
            Json(json!({ "state": state, "progress": { "done": look, "total": 2 } }))
        };
        let api = api(Router::new().route("/api/v1/users/u", get(user))).await;
        let ended = first_sync(&api, "u", false).await;
        (ended, looks.load(Ordering::SeqCst))
    }

    #[tokio::test]
    async fn it_waits_for_the_end_and_says_how_it_went() {
        let (ended, looks) = ending_in("live").await;
        assert_eq!(
            (ended.expect("live")["state"].as_str(), looks),
            (Some("live"), 3)
        );
        let (ended, _) = ending_in("braked").await;
        assert!(ended.expect_err("braked").to_string().contains("braked"));
    }

    #[test]
    fn progress_is_read_where_there_is_one() {
        let value = json!({ "progress": { "done": 3, "total": 9 } });
        assert_eq!(progress(&value), Some((3, 9)));
        assert_eq!(progress(&json!({ "progress": null })), None);
        assert_eq!(progress(&json!({ "progress": { "done": 3 } })), None);
    }
}
