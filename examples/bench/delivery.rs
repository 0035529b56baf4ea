//! Bodies as Tribe and Graph send them, no two alike.

use std::path::Path;

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use uuid::Uuid;

/// What is sent.
pub(crate) enum Kind {
    /// A signed webhook of 1 KB about somebody whom nobody knows, so that nothing but the intake is at work.
    Tribe(Box<hmac::Key>),
    /// One about each of these people.
    People(Box<hmac::Key>, Vec<Uuid>),
    /// So many contacts, told in turn by the subscriptions of a file of
    /// `[{"id", "client_state", "owner"}]`.
    Graph(Vec<Value>, usize),
}

impl Kind {
    pub(crate) fn tribe(secret: &str) -> Kind {
        Kind::Tribe(key(secret))
    }

    pub(crate) fn people(secret: &str, file: &Path) -> Kind {
        let text = std::fs::read(file).unwrap();
        Kind::People(key(secret), serde_json::from_slice(&text).unwrap())
    }

    pub(crate) fn graph(file: &Path, items: usize) -> Kind {
        let text = std::fs::read(file).unwrap();
        Kind::Graph(serde_json::from_slice(&text).unwrap(), items)
    }

    /// How many hints one request carries.
    pub(crate) fn items(&self) -> usize {
        match self {
            Kind::Tribe(_) | Kind::People(..) => 1,
            Kind::Graph(_, items) => *items,
        }
    }

    /// How many requests there are of it.
    pub(crate) fn requests(&self) -> u128 {
        match self {
            Kind::People(_, people) => people.len() as u128,
            Kind::Tribe(_) | Kind::Graph(..) => u128::MAX,
        }
    }

    /// One whole request of HTTP/1.1.
    pub(crate) fn request(&self, address: &str, path: &str, number: u128) -> Vec<u8> {
        let (signature, body) = match self {
            Kind::Tribe(key) => signed(key, webhook(number, Uuid::from_u128((9 << 96) | number))),
            Kind::People(key, people) => {
                let person = people[usize::try_from(number).unwrap()];
                signed(key, webhook(number, person))
            }
            Kind::Graph(subscriptions, items) => {
                (String::new(), notices(subscriptions, *items, number))
            }
        };
        let length = body.len();
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {address}\r\ncontent-type: application/json\r\n\
             {signature}content-length: {length}\r\n\r\n"
        );
        let mut request = head.into_bytes();
        request.extend(body);
        request
    }
}

fn key(secret: &str) -> Box<hmac::Key> {
    Box::new(hmac::Key::new(hmac::HMAC_SHA512, secret.as_bytes()))
}

/// A body behind the header that signs it.
fn signed(key: &hmac::Key, body: Vec<u8>) -> (String, Vec<u8>) {
    let signature = STANDARD.encode(hmac::sign(key, &body));
    (format!("x-tribe-signature: {signature}\r\n"), body)
}

fn webhook(number: u128, person: Uuid) -> Vec<u8> {
    let mut body = json!({
        "webhookId": Uuid::from_u128(number),
        "payload": {
            "type": "EntityUpdateMutation", "entityType": "Relation.Person",
            "entityId": person,
            "fields": {"Description": ""},
        },
    });
    let length = body.to_string().len();
    body["payload"]["fields"]["Description"] = "x".repeat(1_024 - length).into();
    body.to_string().into_bytes()
}

fn notices(subscriptions: &[Value], items: usize, number: u128) -> Vec<u8> {
    let turn = usize::try_from(number % subscriptions.len() as u128).unwrap();
    let told = &subscriptions[turn];
    let owner = told["owner"].as_str().unwrap();
    let item = |item: usize| {
        // As long as Graph's immutable ids.
        let contact = format!("AAkALgAAAAAAHYQDEapmEc2byACqAC-EWg0A{number:0>100}{item:0>12}AAA=");
        json!({
            "subscriptionId": told["id"], "clientState": told["client_state"],
            "changeType": "updated", "tenantId": "0e085957-c9f8-4f31-ab0d-7d797d33d157",
            "subscriptionExpirationDateTime": "2026-12-01T09:00:00Z",
            "resource": format!("Users/{owner}/Contacts/{contact}"),
            "resourceData": {
                "@odata.type": "#Microsoft.Graph.Contact", "id": contact,
                "@odata.id": format!("Users/{owner}/Contacts/{contact}"),
                "@odata.etag": format!("W/\"bench-{number}-{item}\""),
            },
        })
    };
    let value: Vec<Value> = (0..items).map(item).collect();
    json!({ "value": value }).to_string().into_bytes()
}
