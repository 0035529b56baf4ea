use super::*;

const STAMP_TEXT: &str =
    "inst|org|b724d383-bb70-480a-b03d-512b9aaec15a|11111111-bb70-480a-b03d-512b9aaec15a";

fn jan() -> Value {
    serde_json::from_str(include_str!("fixtures/contact.json")).unwrap()
}

fn value(text: &str) -> Reading {
    Reading::Value(text.to_owned())
}

#[test]
fn a_contact_is_read_as_shown() {
    let jan = contact(&jan(), true).unwrap();
    assert_eq!(jan.id.as_str(), "AAkALgAAAAAAHYQDEapmEc2byACqAC-EWg0A=");
    assert_eq!(jan.etag, Some(Etag::from("W/\"EQAAABYAAAA=\"")));
    assert_eq!(jan.folder, Some(FolderId::from("AQMkfolder=")));
    assert_eq!(jan.given_name, value("Jan"));
    assert_eq!(jan.initials, Reading::Empty);
    assert_eq!(jan.birthday, value("1980-10-15"));
    assert_eq!(jan.file_as, Reading::Unreadable, "not in the answer");
    assert_eq!(
        jan.emails,
        Some(vec![
            EmailEntry {
                address: Some("jan@acme.example".into()),
                name: Some("Jan".into())
            },
            EmailEntry {
                address: None,
                name: Some("bad,".into())
            },
        ])
    );
    assert_eq!(jan.business_phones, Some(vec!["+31201234567".into()]));
    assert_eq!(jan.home_phones, Some(vec![]));
    assert_eq!(jan.stamp, Some(Stamp::parse(STAMP_TEXT)));
}

#[test]
fn a_stamp_is_known_only_where_it_was_asked_for() {
    let mut row = jan();
    assert_eq!(contact(&row, false).unwrap().stamp, None);
    row.as_object_mut()
        .unwrap()
        .remove("singleValueExtendedProperties");
    assert_eq!(contact(&row, true).unwrap().stamp, Some(None));
    row["singleValueExtendedProperties"] =
        json!([{"id": "String {x} Name Other", "value": STAMP_TEXT}]);
    assert_eq!(contact(&row, true).unwrap().stamp, Some(None));
}

#[test]
fn what_is_missing_is_not_empty() {
    let bare = contact(&json!({"id": "A"}), false).unwrap();
    assert_eq!(bare, Contact::unread(ContactId::from("A")));
    let odd = json!({"id": "A", "surname": 7, "emailAddresses": [1], "homePhones": ["1", null], "birthday": "1604-08-14T00:00:00Z"});
    let odd = contact(&odd, false).unwrap();
    assert_eq!(odd, Contact::unread(ContactId::from("A")));
    assert_eq!(contact(&json!({"surname": "x"}), false), Err(Missing("id")));
}

#[test]
fn a_patch_holds_just_what_changes() {
    let change = ContactPatch {
        given_name: Change::Set("Jo".into()),
        job_title: Change::Clear,
        birthday: Change::Set("1980-10-15".into()),
        emails: Change::Set(vec![
            EmailEntry {
                address: Some("a@b.example".into()),
                name: None,
            },
            EmailEntry {
                address: None,
                name: Some("bad,".into()),
            },
        ]),
        business_phones: Change::Clear,
        home_phones: Change::Set(vec!["1".into()]),
        ..ContactPatch::default()
    };
    assert_eq!(
        Value::from(patch(&change).unwrap()),
        json!({
            "givenName": "Jo", "jobTitle": null, "birthday": "1980-10-15T11:59:00Z",
            "emailAddresses": [{"address": "a@b.example"}, {"name": "bad,"}],
            "businessPhones": [], "homePhones": ["1"]
        })
    );
    let bad = ContactPatch {
        birthday: Change::Set("1604-01-01".into()),
        ..ContactPatch::default()
    };
    assert_eq!(patch(&bad), Err(BadDate));
    assert!(patch(&ContactPatch::default()).unwrap().is_empty());
}

#[test]
fn a_new_contact_carries_its_stamp() {
    let new = NewContact {
        properties: ContactPatch {
            surname: Change::Set("Tester".into()),
            initials: Change::Clear,
            ..ContactPatch::default()
        },
        stamp: Stamp::parse(STAMP_TEXT).unwrap(),
        category: Some("CRM".into()),
    };
    assert_eq!(
        create(&new).unwrap(),
        json!({
            "surname": "Tester", "categories": ["CRM"],
            "singleValueExtendedProperties": [{"id": STAMP, "value": STAMP_TEXT}]
        })
    );
}

#[test]
fn a_delta_page_goes_on_or_ends() {
    let page = delta(&json!({
        "value": [{"id": "A", "@odata.etag": "e"}, {"id": "B", "@removed": {"reason": "deleted"}}],
        "@odata.deltaLink": "d"
    }))
    .unwrap();
    assert_eq!(
        page.changed,
        [(ContactId::from("A"), Some(Etag::from("e")))]
    );
    assert_eq!(page.removed, [ContactId::from("B")]);
    assert_eq!(page.link, DeltaLink::Delta("d".into()));
    let empty = delta(&json!({"value": [], "@odata.nextLink": "n"})).unwrap();
    assert_eq!(empty.link, DeltaLink::Next("n".into()));
    assert!(delta(&json!({"value": []})).is_err());
    assert!(delta(&json!({"value": [{}], "@odata.nextLink": "n"})).is_err());
}

#[test]
fn the_deepest_code_counts() {
    let body = json!({"error": {"code": "Outer", "message": "x", "innerError":
        {"code": "Inner", "innerError": {"request-id": "1", "innererror": {"code": "SyncStateNotFound"}}}}});
    assert_eq!(error_code(&body), "SyncStateNotFound");
    let plain = json!({"error": {"code": "ErrorItemNotFound", "innerError": {"date": "x"}}});
    assert_eq!(error_code(&plain), "ErrorItemNotFound");
    assert_eq!(error_code(&json!("x")), "");
}

#[test]
fn a_subscription_is_asked_for_in_whole_seconds() {
    let new = NewSubscription {
        notification_url: "https://h/n".into(),
        lifecycle_url: "https://h/l".into(),
        resource: "/me/contacts".into(),
        client_state: "s".into(),
        expires: "2026-01-07T09:00:00.123Z".parse().unwrap(),
        sealed_for: None,
    };
    assert_eq!(
        subscribe(&new)["expirationDateTime"],
        "2026-01-07T09:00:00Z"
    );
    let shown = json!({"id": "s1", "resource": "/me/contacts", "expirationDateTime": "2026-01-07T09:00:00.0000000Z"});
    assert_eq!(subscription(&shown).unwrap().id, "s1");
    assert!(subscription(&json!({"id": "s1"})).is_err());
}
