//! The rules of one environment, where they differ from the configuration's section `sync`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use tribelink_plan::{
    field::{Direction, Field},
    policy::{Conflict, Match, MergeGuard, Policy},
};
use utoipa::ToSchema;

use super::Refused;
use crate::config::{MOST_BRAKE_MIN, MOST_BRAKE_PERCENT, is_region};

/// The keys of the configuration's section `sync` that an environment has its own values of. What is unset is
/// as configured.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(example = json!({"conflict": "hold", "phone_region": "BE", "fields": {"birth_date": "off"}}))]
pub struct Rules {
    /// Who wins when both sides changed the same field: `tribe`, `outlook` or `hold` (R6).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, pattern = "^(tribe|outlook|hold)$")]
    pub conflict: Option<Conflict>,
    /// What becomes of a card that Outlook completed: `flag`, `hold` or `accept` (R16).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, pattern = "^(flag|hold|accept)$")]
    pub merge_guard: Option<MergeGuard>,
    /// Never make again what a user deleted (R8).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub respect_deletes: Option<bool>,
    /// What the first sync does with a contact of the same address and name: `none` or `email_name` (R13).
    #[serde(rename = "match", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, pattern = "^(none|email_name)$")]
    pub matching: Option<Match>,
    /// Per cent of a user's links whose change stops the user (R17).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 100)]
    pub brake_percent: Option<u32>,
    /// And this many at least (R17).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(maximum = 1_000_000)]
    pub brake_min: Option<u32>,
    /// The region of numbers written without a country.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(pattern = "^[A-Z]{2}$")]
    pub phone_region: Option<String>,
    /// Narrowed directions: `both`, `to_outlook`, `to_tribe` or `off`, by field.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = BTreeMap<String, String>)]
    pub fields: BTreeMap<Field, Direction>,
}

impl Rules {
    /// Whether everything is as configured.
    pub fn is_empty(&self) -> bool {
        *self == Rules::default()
    }

    /// Checks every value, as the configuration's are checked at start.
    ///
    /// # Errors
    /// The first key whose value cannot be used.
    pub fn check(&self) -> Result<(), Refused> {
        let refuse = |key, takes| Err(Refused { key, takes });
        let over = |value: Option<u32>, most| value.is_some_and(|value| value > most);
        if over(self.brake_percent, MOST_BRAKE_PERCENT) {
            return refuse("rules.brake_percent", "must be 100 at most");
        }
        if over(self.brake_min, MOST_BRAKE_MIN) {
            return refuse("rules.brake_min", "must be 1000000 at most");
        }
        if !self.phone_region.as_deref().is_none_or(is_region) {
            return refuse("rules.phone_region", "must be a region such as NL or BE");
        }
        let widens = |(field, way): (&Field, &Direction)| !way.within(field.widest());
        if self.fields.iter().any(widens) {
            return refuse(
                "rules.fields",
                "must not widen a field's direction (see the configuration's sync.fields)",
            );
        }
        Ok(())
    }

    /// What the planner is told: these rules, and the configured ones where these say nothing.
    #[must_use]
    pub fn over(&self, configured: &Policy) -> Policy {
        let mut policy = configured.clone();
        fn put<T: Clone>(to: &mut T, from: Option<&T>) {
            if let Some(from) = from {
                to.clone_from(from);
            }
        }
        put(&mut policy.conflict, self.conflict.as_ref());
        put(&mut policy.merge_guard, self.merge_guard.as_ref());
        put(&mut policy.respect_deletes, self.respect_deletes.as_ref());
        put(&mut policy.matching, self.matching.as_ref());
        put(&mut policy.brake_percent, self.brake_percent.as_ref());
        put(&mut policy.brake_min, self.brake_min.as_ref());
        put(&mut policy.phone_region, self.phone_region.as_ref());
        for (field, way) in &self.fields {
            policy.directions.insert(*field, *way);
        }
        policy
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_unset_is_as_configured_and_the_rest_is_the_environments_own() {
        let configured = Policy {
            conflict: Conflict::Outlook,
            brake_min: 7,
            directions: BTreeMap::from([(Field::Function, Direction::Off)]),
            ..Policy::default()
        };
        let text = r#"{"merge_guard": "hold", "match": "email_name", "phone_region": "BE",
                       "fields": {"birth_date": "off", "function": "both"}}"#;
        let rules: Rules = serde_json::from_str(text).unwrap();
        assert_eq!(rules.check(), Ok(()));
        let policy = rules.over(&configured);
        assert_eq!((policy.conflict, policy.brake_min), (Conflict::Outlook, 7));
        assert_eq!(policy.merge_guard, MergeGuard::Hold);
        assert_eq!(policy.matching, Match::EmailName);
        assert_eq!(policy.phone_region, "BE");
        assert_eq!(policy.direction(Field::BirthDate), Direction::Off);
        assert_eq!(policy.direction(Field::Function), Direction::Both);
        let same = Rules::default().over(&configured);
        assert_eq!(format!("{same:?}"), format!("{configured:?}"));
    }

    #[test]
    fn values_that_the_configuration_would_refuse_are_refused() {
        for (text, key) in [
            (r#"{"brake_percent": 101}"#, "rules.brake_percent"),
            (r#"{"brake_min": 1000001}"#, "rules.brake_min"),
            (r#"{"phone_region": "nl"}"#, "rules.phone_region"),
            (r#"{"fields": {"company": "to_tribe"}}"#, "rules.fields"),
        ] {
            let rules: Rules = serde_json::from_str(text).unwrap();
            assert_eq!(
                rules.check().map_err(|refused| refused.key),
                Err(key),
                "{text}"
            );
        }
        for text in [
            r#"{"conflict": "me"}"#,
            r#"{"shadow": true}"#,
            r#"{"fields": {"x": "off"}}"#,
        ] {
            assert!(serde_json::from_str::<Rules>(text).is_err(), "{text}");
        }
    }
}
