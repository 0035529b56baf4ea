//! Start, pause, resume, resync, rebuild, release and preview.

use tribelink_plan::ids::UserId;

use super::{Activation, Command, Error, brake_alert, transition};
use crate::store::{Change, Preview, Source, User, UserState};

impl Activation {
    /// Carries out a command of a person; answers the user as it is then. A command that changes
    /// nothing in this state succeeds and does nothing, so that all are safe to repeat.
    ///
    /// # Errors
    /// [`Error::NotFound`]; [`Error::Refused`] when the state does not allow it; [`Error::Changed`]
    /// when another command won. [`Error::Store`] is safe to repeat.
    pub async fn command(&self, id: UserId, command: Command) -> Result<User, Error> {
        let user = self.user(id).await?;
        let step = transition::step(user.state, user.resume_state, command)?;
        let mut changes = Vec::new();
        if step.to != user.state {
            changes.push(Change::MoveUser {
                id,
                from: user.state,
                to: step.to,
                resume_state: step.resume,
                reason: None,
            });
        }
        changes.extend(self.with(&user, command, step.to));
        changes.extend(
            step.look
                .map(|look| self.hint(&user, look.target(), Source::Person)),
        );
        if !changes.is_empty() {
            self.commit(changes).await?;
            self.wake(id);
        }
        self.user(id).await
    }

    /// What goes with a command besides the state.
    fn with(&self, user: &User, command: Command, to: UserState) -> Vec<Change> {
        let now = self.clock.now_ms();
        match command {
            Command::Start if !user.started => vec![Change::PutUser(Box::new(User {
                state: to,
                started: true,
                chores_due_ms: now,
                ..user.clone()
            }))],
            // The line is lifted for one pass, which is planned afresh, and the count begins anew.
            Command::Release => vec![
                Change::SetBrake {
                    id: user.id,
                    released: true,
                    brake_since_ms: now,
                    braked: None,
                },
                Change::ClearAlert(brake_alert(user.id)),
            ],
            Command::Preview => vec![Change::PutPreview {
                user: user.id,
                preview: Preview {
                    made_ms: now,
                    ..Preview::default()
                },
            }],
            _ => Vec::new(),
        }
    }
}
