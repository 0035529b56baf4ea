//! The settings in force, for people to look at: never a secret, never an address of a database.

use std::{collections::BTreeMap, time::Duration};

use tribelink_plan::{
    field::{Direction, Field},
    policy::{Conflict, Match, MergeGuard},
};

use super::{Config, Grant, ReadStyle};

impl Config {
    /// Key and value, as they would stand in the file.
    pub fn in_force(&self) -> BTreeMap<&'static str, String> {
        let policy = &self.sync.policy;
        let mut all: BTreeMap<&'static str, String> = BTreeMap::new();
        let mut put = |key: &'static str, value: &dyn ToString| {
            all.insert(key, value.to_string());
        };
        put("server.public_url", &self.server.public_url);
        put("server.max_body", &self.server.max_body);
        put(
            "server.rate_limit",
            &self.server.rate_limit.map_or(0, |limit| limit),
        );
        put("tribe.api_url", &self.tribe.api_url);
        put(
            "tribe.grant",
            &match self.tribe.grant {
                Grant::ClientCredentials => "client_credentials",
                Grant::AuthorizationCode => "authorization_code",
            },
        );
        put(
            "tribe.read",
            &match self.tribe.read {
                ReadStyle::Expand => "expand",
                ReadStyle::Sets => "sets",
            },
        );
        put("tribe.register_webhooks", &self.tribe.register_webhooks);
        put("microsoft.graph_url", &self.microsoft.graph_url);
        put("microsoft.tenant", &self.microsoft.tenant);
        put("microsoft.client_id", &self.microsoft.client_id);
        put(
            "microsoft.rich_notifications",
            &self.microsoft.rich_notifications,
        );
        put(
            "sync.conflict",
            &match policy.conflict {
                Conflict::Tribe => "tribe",
                Conflict::Outlook => "outlook",
                Conflict::Hold => "hold",
            },
        );
        put(
            "sync.merge_guard",
            &match policy.merge_guard {
                MergeGuard::Flag => "flag",
                MergeGuard::Hold => "hold",
                MergeGuard::Accept => "accept",
            },
        );
        put(
            "sync.match",
            &match policy.matching {
                Match::None => "none",
                Match::EmailName => "email_name",
            },
        );
        put("sync.respect_deletes", &policy.respect_deletes);
        put("sync.brake_percent", &policy.brake_percent);
        put("sync.brake_min", &policy.brake_min);
        put("sync.phone_region", &policy.phone_region);
        put("sync.max_length", &policy.max_length);
        put("sync.settle", &span_ms(policy.settle_ms));
        put("sync.shadow", &self.sync.shadow);
        put(
            "sync.category",
            &policy.category.as_deref().unwrap_or_default(),
        );
        put("sync.delta_interval", &span(self.sync.delta_interval));
        put("sync.poll_interval", &span(self.sync.poll_interval));
        put("sync.sweep_interval", &span(self.sync.sweep_interval));
        let canary = self.canary.people.iter();
        let people = canary.map(|(environment, person)| format!("{environment}:{person}"));
        put("canary.people", &people.collect::<Vec<_>>().join(", "));
        put("canary.interval", &span(self.canary.interval));
        put("canary.patience", &span(self.canary.patience));
        put("worker.lease", &span(self.worker.lease));
        put("worker.mailboxes", &self.worker.mailboxes);
        let days = self.audit.undo.map_or(0, |undo| undo.as_secs() / 86_400);
        put("audit.undo_days", &days);
        let days = self.audit.keep.map_or(0, |keep| keep.as_secs() / 86_400);
        put("audit.keep_days", &days);
        put("login.idle", &span(self.login.idle));
        put("login.absolute", &span(self.login.absolute));
        if let Some(openid) = &self.login.openid {
            put("login.issuer", &openid.issuer);
            put("login.claim", &openid.claim);
        }
        for field in Field::ALL {
            let direction = match policy.direction(field) {
                Direction::Both => "both",
                Direction::ToOutlook => "to_outlook",
                Direction::ToTribe => "to_tribe",
                Direction::Off => "off",
            };
            all.insert(key_of(field), direction.to_owned());
        }
        all
    }
}

fn key_of(field: Field) -> &'static str {
    match field {
        Field::Initials => "sync.fields.initials",
        Field::FirstName => "sync.fields.first_name",
        Field::Insertion => "sync.fields.insertion",
        Field::Surname => "sync.fields.surname",
        Field::BirthDate => "sync.fields.birth_date",
        Field::BusinessEmail => "sync.fields.business_email",
        Field::Function => "sync.fields.function",
        Field::BusinessPhone => "sync.fields.business_phone",
        Field::BusinessMobile => "sync.fields.business_mobile",
        Field::PrivateEmail => "sync.fields.private_email",
        Field::PrivatePhone => "sync.fields.private_phone",
        Field::PrivateMobile => "sync.fields.private_mobile",
        Field::Company => "sync.fields.company",
        Field::DisplayName => "sync.fields.display_name",
    }
}

fn span_ms(ms: i64) -> String {
    span(Duration::from_millis(u64::try_from(ms).unwrap_or_default()))
}

/// A duration as the file writes it.
fn span(duration: Duration) -> String {
    let ms = duration.as_millis();
    match (ms % 1_000, ms / 1_000) {
        (0, seconds) if seconds >= 3_600 && seconds % 3_600 == 0 => format!("{}h", seconds / 3_600),
        (0, seconds) if seconds >= 60 && seconds % 60 == 0 => format!("{}m", seconds / 60),
        (0, seconds) => format!("{seconds}s"),
        _ => format!("{ms}ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_written_as_they_are_read() {
        for text in ["24h", "15m", "90s", "500ms"] {
            let raw = super::super::sources::Raw::Text(text.to_owned());
            let read = super::super::value::duration(&raw).unwrap();
            assert_eq!(span(read), text);
        }
    }

    #[test]
    fn every_field_has_its_key() {
        for field in Field::ALL {
            assert_eq!(key_of(field), format!("sync.fields.{}", field.name()));
        }
    }
}
