//! What administrators do at the service.

use http::Method;
use serde_json::json;

use super::Actor;

impl Actor<'_> {
    /// A command about a user, drawn; one that its state does not allow is refused, which is fine.
    pub(super) async fn command(&mut self, command: &str) -> Option<()> {
        let users = self.world.users.clone();
        let user = self.pick(&users)?;
        let path = format!("/api/v1/users/{}/{command}", user.id);
        let (status, _) = self.world.ask(Method::POST, &path, json!({})).await;
        self.world
            .tell(&format!("{command} {}: {status}", user.address));
        status.is_success().then_some(())
    }

    /// R20. Somebody signs the user up again later.
    pub(super) async fn disconnect(&mut self, forget: bool) -> Option<()> {
        let number = self.rng.usize(0..self.world.users.len());
        let user = self.world.users[number].clone();
        let path = format!("/api/v1/users/{}/disconnect", user.id);
        let body = json!({ "forget": forget });
        let (status, _) = self.world.ask(Method::POST, &path, body).await;
        self.world
            .tell(&format!("disconnect {} ({forget}): {status}", user.address));
        // Links sleep meanwhile, and with forget the bases are gone, whether or not an answer came: what
        // was edited in between is merged as two cards that meet.
        self.model.unbased |= forget;
        if !status.is_success() {
            return None;
        }
        self.world.watch.disconnected(&user.address);
        Some(())
    }

    /// Held items, each one way or the other. Where none is held yet, somebody first edits the same
    /// field on both sides.
    pub(super) async fn decide(&mut self) -> Option<()> {
        let mut held = self.world.held().await;
        if held.is_empty() && self.model.holds_conflicts {
            self.collide(true).await?;
            tokio::time::sleep(std::time::Duration::from_secs(20)).await;
            held = self.world.held().await;
        }
        let mut any = None;
        for id in held {
            let way = if self.rng.bool() { "accept" } else { "reject" };
            let path = format!("/api/v1/held/{id}/{way}");
            let (status, _) = self.world.ask(Method::POST, &path, json!({})).await;
            self.world.tell(&format!("held {id}: {way} {status}"));
            any = any.or(status.is_success().then_some(()));
        }
        any
    }
}
