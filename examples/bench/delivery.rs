//! Bodies as Tribe and Graph send them, no two alike.

use std::path::Path;

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use uuid::Uuid;

/// What is sent.
pub(crate) enum Kind {
    /// A signed webhook of 1 KB about one person.
    Tribe(Box<hmac::Key>),
    /// So many contacts, told in turn by the subscriptions of a file of
    /// `[{"id", "client_state", "owner"}]`.
    Graph(Vec<Value>, usize),
}

impl Kind {
    pub(crate) fn tribe(secret: &str) -> Kind {
        Kind::Tribe(Box::new(hmac::Key::new(
            hmac::HMAC_SHA512,
            secret.as_bytes(),
        )))
    }

    pub(crate) fn graph(file: &Path, items: usize) -> Kind {
        let text = std::fs::read(file).unwrap();
        Kind::Graph(serde_json::from_slice(&text).unwrap(), items)
    }

    /// How many hints one request carries.
    pub(crate) fn items(&self) -> usize {
        match self {
            Kind::Tribe(_) => 1,
            Kind::Graph(_, items) => *items,
        }
    }

    /// One whole request of HTTP/1.1.
    pub(crate) fn request(&self, address: &str, path: &str, number: u128) -> Vec<u8> {
        let (signature, body) = match self {
            Kind::Tribe(key) => {
                let body = webhook(number);
                let signature = STANDARD.encode(hmac::sign(key, &body));
                (format!("x-tribe-signature: {signature}\r\n"), body)
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

/// Of somebody whom nobody knows, so that nothing but the intake is at work.
fn webhook(number: u128) -> Vec<u8> {
    let mut body = json!({
        "webhookId": Uuid::from_u128(number),
        "payload": {
            "type": "EntityUpdateMutation", "entityType": "Relation.Person",
            "entityId": Uuid::from_u128((9 << 96) | number),
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
