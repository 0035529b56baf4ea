//! Which contacts a filter need look at: a client looks up a stamp before each contact it makes, and
//! must not pay for the whole mailbox each time.

use std::collections::{BTreeSet, HashMap};

use serde_json::Value;

use crate::graph::{contact::Contact, extended::Test, odata::Filter};

/// Every contact that ever had a value: a superset, so that it holds for reads that lag behind too.
/// The filter itself judges.
#[derive(Default)]
pub(super) struct Index {
    /// By the id of an extended property and its value in lower case.
    extended: HashMap<(String, String), BTreeSet<u64>>,
    /// By address, in lower case.
    addresses: HashMap<String, BTreeSet<u64>>,
}

impl Index {
    /// Notes the values of a contact as it is from now on.
    pub(super) fn note(&mut self, contact: &Contact) {
        for (id, property) in &contact.extended {
            self.extended
                .entry((id.clone(), property.value.to_lowercase()))
                .or_default()
                .insert(contact.key);
        }
        let entries = contact
            .props
            .get("emailAddresses")
            .and_then(Value::as_array);
        let addresses = entries
            .into_iter()
            .flatten()
            .filter_map(|entry| entry["address"].as_str());
        for address in addresses {
            self.addresses
                .entry(address.to_ascii_lowercase())
                .or_default()
                .insert(contact.key);
        }
    }

    /// Those that a filter may find; none where any may.
    pub(super) fn candidates(&self, filter: &Filter) -> Option<BTreeSet<u64>> {
        match filter {
            Filter::And(left, right) => self.candidates(left).or_else(|| self.candidates(right)),
            Filter::Or(left, right) => {
                let mut keys = self.candidates(left)?;
                keys.append(&mut self.candidates(right)?);
                Some(keys)
            }
            Filter::Not(_) => None,
            Filter::Address(address) => {
                let found = self.addresses.get(&address.to_ascii_lowercase());
                Some(found.cloned().unwrap_or_default())
            }
            Filter::Extended(id, tests) => tests.iter().find_map(|test| match test {
                Test::Equal(value) => {
                    let found = self.extended.get(&(id.clone(), value.to_lowercase()));
                    Some(found.cloned().unwrap_or_default())
                }
                _ => None,
            }),
        }
    }
}
