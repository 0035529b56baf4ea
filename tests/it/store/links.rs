//! Links.

use tribelink::store::{AuditFilter, Change, LinkCounts, LinkRow, Preview};
use tribelink_plan::{
    link::{Link, LinkState, MobileSlot, Origin, PrivateEmailSlot, Slots},
    person::Kind,
    rule::Rule,
};

use super::{
    fixture::Fixture,
    sample::{self, contact_id, environment_id, link, person_id, user_id},
};

fn put(row: &LinkRow) -> Change {
    Change::PutLink(Box::new(row.clone()))
}

const STATES: [LinkState; 6] = [
    LinkState::Intent,
    LinkState::Linked,
    LinkState::Sleeping,
    LinkState::Tombstone { eligible: true },
    LinkState::Tombstone { eligible: false },
    LinkState::Closed,
];

pub(super) async fn come_back_whole(store: &Fixture) {
    store.people().await;
    for state in STATES {
        for (origin, kind, private_email) in [
            (Origin::Created, Kind::Contact, PrivateEmailSlot::Unplaced),
            (Origin::Stamp, Kind::Individual, PrivateEmailSlot::Touched),
        ] {
            let mut row = link("a", 1, 5, state);
            row.link.origin = origin;
            row.link.kind = kind;
            row.link.slots = Slots {
                mobile: MobileSlot::Business,
                private_email,
            };
            store.put(vec![put(&row)]).await;
            let stored = store.link(user_id(1), person_id(5)).await.unwrap();
            assert_eq!(stored, Some(row));
        }
        let full = link("a", 1, 5, state);
        let bare = LinkRow {
            link: Link::intent(Kind::Individual),
            ..full.clone()
        };
        for row in [full, bare] {
            store.put(vec![put(&row)]).await;
            let stored = store.link(user_id(1), person_id(5)).await.unwrap();
            assert_eq!(stored, Some(row));
        }
    }
    let drop = Change::DropLink {
        user: user_id(1),
        person: person_id(5),
    };
    store.put(vec![drop]).await;
    assert_eq!(store.link(user_id(1), person_id(5)).await.unwrap(), None);
}

pub(super) async fn are_found_by_person_contact_and_page(store: &Fixture) {
    store.people().await;
    let rows: Vec<LinkRow> = (1..=4)
        .map(|person| link("a", 1, person, LinkState::Linked))
        .collect();
    let of_two = link("a", 2, 2, LinkState::Linked);
    let elsewhere = link("b", 3, 2, LinkState::Linked);
    let all = rows.iter().rev().chain([&of_two, &elsewhere]);
    store.put(all.map(put).collect()).await;
    let user = user_id(1);

    let people = [person_id(4), person_id(2), person_id(9), person_id(2)];
    let found = store.links_of(user, &people).await.unwrap();
    assert_eq!(found, [rows[1].clone(), rows[3].clone()]);
    assert_eq!(store.links_of(user, &[]).await.unwrap(), []);

    let contacts = [contact_id(3), contact_id(1), contact_id(9), contact_id(3)];
    let found = store.links_of_contacts(user, &contacts).await.unwrap();
    assert_eq!(found, [rows[0].clone(), rows[2].clone()]);
    let other_case = ["CONTACT-3".into()];
    assert_eq!(
        store.links_of_contacts(user, &other_case).await.unwrap(),
        []
    );

    assert_eq!(store.links(user, None, 9).await.unwrap(), rows);
    assert_eq!(
        store.links(user, Some(person_id(1)), 2).await.unwrap(),
        rows[1..3]
    );
    assert_eq!(store.links(user, Some(person_id(4)), 2).await.unwrap(), []);
    assert_eq!(store.links(user_id(9), None, 2).await.unwrap(), []);

    let found = store
        .links_of_people(&environment_id("a"), &people)
        .await
        .unwrap();
    assert_eq!(found, [rows[1].clone(), of_two, rows[3].clone()]);
    let found = store
        .links_of_people(&environment_id("b"), &people)
        .await
        .unwrap();
    assert_eq!(found, [elsewhere]);

    let mut moved = rows[0].clone();
    moved.link.contact = Some(contact_id(50));
    store.put(vec![put(&moved)]).await;
    assert_eq!(
        store
            .links_of_contacts(user, &[contact_id(1)])
            .await
            .unwrap(),
        []
    );
    let found = store
        .links_of_contacts(user, &[contact_id(50)])
        .await
        .unwrap();
    assert_eq!(found, [moved]);
}

async fn one_of_each(store: &Fixture, user: u128) {
    let rows = STATES.into_iter().zip(1..);
    let rows = rows.map(|(state, person)| put(&link("a", user, person, state)));
    store.put(rows.collect()).await;
}

pub(super) async fn are_counted_by_state(store: &Fixture) {
    store.people().await;
    one_of_each(store, 1).await;
    let held = |person, rule| Change::PutHeld(Box::new(sample::held("a", 1, person, rule)));
    let parked = |person, field| Change::PutParked(Box::new(sample::parked("a", 1, person, field)));
    store
        .put(vec![
            held(1, Rule::R6),
            held(1, Rule::R16),
            held(2, Rule::R6),
            parked(Some(3), "surname"),
            parked(Some(3), "initials"),
            parked(None, ""),
        ])
        .await;
    let counts = LinkCounts {
        linked: 1,
        sleeping: 1,
        tombstones: 2,
        closed: 1,
        intents: 1,
        held: 2,
        failing: 1,
    };
    assert_eq!(store.count_links(user_id(1)).await.unwrap(), counts);
    let none = LinkCounts::default();
    assert_eq!(store.count_links(user_id(2)).await.unwrap(), none);
    assert_eq!(store.count_links(user_id(9)).await.unwrap(), none);
}

pub(super) async fn sleep_spares_what_is_not_in_force(store: &Fixture) {
    store.people().await;
    one_of_each(store, 1).await;
    one_of_each(store, 2).await;
    store.put(vec![Change::SleepLinks(user_id(1))]).await;
    let states = |rows: Vec<LinkRow>| rows.into_iter().map(|row| row.link.state);
    let asleep = states(store.links(user_id(1), None, 9).await.unwrap());
    let expected = STATES.map(|state| match state {
        LinkState::Linked => LinkState::Sleeping,
        other => other,
    });
    assert!(asleep.eq(expected));
    let awake = states(store.links(user_id(2), None, 9).await.unwrap());
    assert!(awake.eq(STATES));
}

pub(super) async fn forget_erases_values_everywhere(store: &Fixture) {
    store.people().await;
    for user in [1, 2] {
        let preview = Preview {
            ready: true,
            create: 1,
            ..Preview::default()
        };
        store
            .put(vec![
                put(&link("a", user, 1, LinkState::Linked)),
                put(&link("a", user, 2, LinkState::Tombstone { eligible: true })),
                Change::AddAudit(Box::new(sample::audit("a", user, Some(1), 10))),
                Change::PutHeld(Box::new(sample::held("a", user, 1, Rule::R6))),
                Change::PutParked(Box::new(sample::parked("a", user, Some(1), ""))),
                Change::PutPreview {
                    user: user_id(user),
                    preview,
                },
                Change::AddPreviewItems {
                    user: user_id(user),
                    items: vec![sample::preview_item(1)],
                },
            ])
            .await;
    }
    store.put(vec![Change::ForgetLinks(user_id(1))]).await;

    for (user, kept) in [(1, 0), (2, 1)] {
        let id = user_id(user);
        assert_eq!(store.links(id, None, 9).await.unwrap().len(), 2 * kept);
        assert_eq!(store.held(Some(id), None, 9).await.unwrap().len(), kept);
        assert_eq!(store.parked(Some(id), None, 9).await.unwrap().len(), kept);
        assert_eq!(store.preview(id).await.unwrap().is_some(), kept == 1);
        assert_eq!(store.preview_items(id, None, 9).await.unwrap().len(), kept);
        let filter = AuditFilter {
            user: Some(id),
            ..AuditFilter::default()
        };
        let lines = store.audit(&filter, None, 9).await.unwrap();
        assert_eq!(lines.len(), 1, "that something was done stays on record");
        assert_eq!(lines[0].values.is_some(), kept == 1);
    }
}
