//! `$batch` bodies and answers (Graph reference 6).

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode};
use serde_json::{Map, Value, json};

use super::wire::Missing;

/// The most requests that one batch may hold.
pub const MAX: usize = 20;

/// One request, of a batch or alone.
#[derive(Clone, Debug)]
pub struct Item {
    /// Method.
    pub method: Method,
    /// Address relative to the version.
    pub path: String,
    /// Its own headers: inside a batch those of the outer request do not count.
    pub headers: BTreeMap<&'static str, String>,
    /// Body.
    pub body: Option<Value>,
}

/// One request's answer.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Status.
    pub status: StatusCode,
    /// Headers.
    pub headers: HeaderMap,
    /// Body; null where there was none.
    pub body: Value,
}

/// The batch's body. Ids are places in the list, so that any order of answers finds its request.
pub fn body<'a>(items: impl IntoIterator<Item = &'a Item>) -> Value {
    let requests: Vec<_> = items
        .into_iter()
        .enumerate()
        .map(|(at, item)| {
            let mut request = Map::new();
            request.insert("id".to_owned(), at.to_string().into());
            request.insert("method".to_owned(), item.method.as_str().into());
            request.insert("url".to_owned(), item.path.clone().into());
            request.insert("headers".to_owned(), json!(item.headers));
            if let Some(body) = &item.body {
                request.insert("body".to_owned(), body.clone());
            }
            Value::from(request)
        })
        .collect();
    json!({"requests": requests})
}

/// The answers in the order asked; `None` for a request that has none of a usable form.
///
/// # Errors
/// When the body is no batch answer at all.
pub fn answers(body: &Value, asked: usize) -> Result<Vec<Option<Answer>>, Missing> {
    let rows = body.get("responses").and_then(Value::as_array);
    let mut answers = vec![None; asked];
    for row in rows.ok_or(Missing("responses"))? {
        let place = id(row).and_then(|at| answers.get_mut(at));
        // The first answer to a request counts, should there ever be two.
        if let Some(place) = place.filter(|place| place.is_none()) {
            *place = answer(row);
        }
    }
    Ok(answers)
}

fn id(row: &Value) -> Option<usize> {
    match row.get("id")? {
        Value::String(text) => text.parse().ok(),
        Value::Number(number) => number.as_u64().and_then(|n| n.try_into().ok()),
        _ => None,
    }
}

fn answer(row: &Value) -> Option<Answer> {
    let status = row.get("status")?.as_u64()?;
    let mut headers = HeaderMap::new();
    if let Some(Value::Object(members)) = row.get("headers") {
        for (name, value) in members {
            let value = value.as_str().and_then(|text| text.parse().ok());
            if let (Ok(name), Some(value)) = (name.parse::<HeaderName>(), value) {
                headers.insert::<HeaderName>(name, HeaderValue::clone(&value));
            }
        }
    }
    Some(Answer {
        status: StatusCode::from_u16(status.try_into().ok()?).ok()?,
        headers,
        body: row.get("body").cloned().unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_carries_its_own_headers() {
        let item = Item {
            method: Method::PATCH,
            path: "/me/contacts/A=".into(),
            headers: BTreeMap::from([("Content-Type", "application/json".into())]),
            body: Some(json!({"surname": "x"})),
        };
        assert_eq!(
            body([&item]),
            json!({"requests": [{
                "id": "0", "method": "PATCH", "url": "/me/contacts/A=",
                "headers": {"Content-Type": "application/json"}, "body": {"surname": "x"}
            }]})
        );
    }

    #[test]
    fn answers_find_their_requests_in_any_order() {
        let body = json!({"responses": [
            {"id": "2", "status": 429, "headers": {"Retry-After": "7"}},
            {"id": "0", "status": 200, "body": {"id": "A"}},
            {"id": "9", "status": 200},
            {"id": "0", "status": 500},
            {"id": "1", "status": "odd"}
        ]});
        let answers = answers(&body, 3).unwrap();
        assert_eq!(answers[0].as_ref().unwrap().body, json!({"id": "A"}));
        assert!(answers[1].is_none());
        let last = answers[2].as_ref().unwrap();
        assert_eq!(last.status, 429);
        assert_eq!(last.headers["retry-after"], "7");
    }

    #[test]
    fn a_body_without_answers_is_none() {
        assert!(answers(&json!({}), 1).is_err());
    }
}
