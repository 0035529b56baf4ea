//! What people are shown: audit, held and parked items, previews, alerts; and their tidying.

use tribelink::store::{
    ANSWERS_KEPT_MS, Alert, AuditDirection, AuditFilter, AuditLine, BRAKE_COUNTS_KEPT_MS, Change,
    Error, Held, Parked, Preview, PreviewItem, Purpose, Source,
};
use tribelink_plan::rule::Rule;

use super::{
    fixture::Fixture,
    sample::{
        alert, answered, audit, environment_id, held, parked, person_id, preview_item, sign_in,
        user_id,
    },
};

pub(super) async fn audit_is_filtered_newest_first(store: &Fixture) {
    store.people().await;
    let bare = AuditLine {
        contact: None,
        rule: Rule::R7,
        direction: AuditDirection::None,
        cause: Source::Person,
        fields: Vec::new(),
        values: None,
        note: None,
        pass: 8,
        ..audit("a", 1, None, 30)
    };
    let lines = [
        audit("a", 1, Some(1), 10),
        audit("b", 3, Some(1), 20),
        bare,
        audit("a", 1, Some(2), 5),
    ];
    let add = |line: &AuditLine| Change::AddAudit(Box::new(line.clone()));
    store.put(lines.iter().map(add).collect()).await;

    let everything = store.audit(&AuditFilter::default(), None, 9).await.unwrap();
    assert!(everything.is_sorted_by(|a, b| a.id > b.id));
    let unnumbered = everything.iter().map(|line| AuditLine {
        id: 0,
        ..line.clone()
    });
    let newest_first: Vec<_> = lines.iter().rev().cloned().collect();
    assert_eq!(unnumbered.collect::<Vec<_>>(), newest_first);
    let one = store.audit_line(everything[2].id).await.unwrap();
    assert_eq!(one.as_ref(), Some(&everything[2]));
    assert_eq!(store.audit_line(i64::MAX).await.unwrap(), None);

    let (user, person, rule) = (Some(user_id(1)), Some(person_id(1)), Some(Rule::R12a));
    let all = &everything;
    for (user, person, rule, expected) in [
        (user, None, None, vec![&all[0], &all[1], &all[3]]),
        (None, person, None, vec![&all[2], &all[3]]),
        (None, None, rule, vec![&all[0], &all[2], &all[3]]),
        (user, person, None, vec![&all[3]]),
        (user, None, rule, vec![&all[0], &all[3]]),
        (user, person, rule, vec![&all[3]]),
        (Some(user_id(9)), None, None, vec![]),
        (Some(user_id(9)), person, None, vec![]),
    ] {
        let filter = AuditFilter {
            user,
            person,
            rule,
            ..AuditFilter::default()
        };
        let found = store.audit(&filter, None, 9).await.unwrap();
        assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{filter:?}");
    }
    let by = |pass, since_ms, until_ms| AuditFilter {
        pass,
        since_ms,
        until_ms,
        ..AuditFilter::default()
    };
    for (filter, expected) in [
        (by(None, Some(10), Some(30)), vec![&all[2], &all[3]]),
        (by(None, Some(30), None), vec![&all[1]]),
        (by(None, None, Some(10)), vec![&all[0]]),
        (by(None, Some(31), None), vec![]),
        (by(None, Some(30), Some(30)), vec![]),
        (by(None, Some(5), Some(20)), vec![&all[0], &all[3]]),
        (by(Some(7), None, None), vec![&all[0], &all[2], &all[3]]),
        (by(Some(8), None, None), vec![&all[1]]),
    ] {
        let found = store.audit(&filter, None, 9).await.unwrap();
        assert_eq!(found.iter().collect::<Vec<_>>(), expected, "{filter:?}");
    }
    let ruled = AuditFilter {
        rule: Some(Rule::R12a),
        ..by(None, Some(10), Some(30))
    };
    let found = store.audit(&ruled, None, 9).await.unwrap();
    assert_eq!(found, all[2..4]);
    let before = Some(all[2].id);
    assert_eq!(store.audit(&ruled, before, 9).await.unwrap(), all[3..4]);
    let page = store
        .audit(&AuditFilter::default(), Some(all[0].id), 2)
        .await;
    assert_eq!(page.unwrap(), all[1..3]);
}

pub(super) async fn audit_values_are_forgotten_by_age(store: &Fixture) {
    store.people().await;
    let add = |at_ms| Change::AddAudit(Box::new(audit("a", 1, Some(1), at_ms)));
    store.put(vec![add(10), add(20), add(30)]).await;
    store
        .put(vec![Change::ForgetAuditValues { before_ms: 20 }])
        .await;
    let lines = store.audit(&AuditFilter::default(), None, 9).await.unwrap();
    let valued: Vec<_> = lines.iter().map(|line| line.values.is_some()).collect();
    assert_eq!(valued, [true, true, false]);
}

pub(super) async fn audit_lines_are_dropped_by_age(store: &Fixture) {
    store.people().await;
    let add = |at_ms| Change::AddAudit(Box::new(audit("a", 1, Some(1), at_ms)));
    store.put(vec![add(10), add(20), add(30)]).await;
    store.put(vec![Change::DropAudit { before_ms: 20 }]).await;
    let lines = store.audit(&AuditFilter::default(), None, 9).await.unwrap();
    let kept: Vec<i64> = lines.iter().map(|line| line.at_ms).collect();
    assert_eq!(kept, [30, 20]);
    store.put(vec![add(40)]).await;
    let newest = store.audit(&AuditFilter::default(), None, 1).await.unwrap();
    assert!(newest[0].id > lines[0].id, "a number is never given twice");
    store
        .put(vec![Change::DropAudit {
            before_ms: i64::MAX,
        }])
        .await;
    let none = store.audit(&AuditFilter::default(), None, 9).await.unwrap();
    assert!(none.is_empty());
}

pub(super) async fn held_items_keep_their_number(store: &Fixture) {
    store.people().await;
    let put = |held: &Held| Change::PutHeld(Box::new(held.clone()));
    store
        .put(vec![
            put(&held("a", 1, 1, Rule::R6)),
            put(&held("a", 1, 1, Rule::R16)),
            put(&held("a", 1, 2, Rule::R6)),
            put(&held("b", 3, 1, Rule::R6)),
        ])
        .await;
    let all = store.held(None, None, 9).await.unwrap();
    assert_eq!(all.len(), 4);
    assert!(all.is_sorted_by(|a, b| a.id < b.id));
    assert_eq!(
        all[1],
        Held {
            id: all[1].id,
            ..held("a", 1, 1, Rule::R16)
        }
    );
    assert_eq!(
        store.held(Some(user_id(1)), None, 2).await.unwrap(),
        all[..2]
    );
    let after = Some(all[0].id);
    assert_eq!(
        store.held(Some(user_id(1)), after, 9).await.unwrap(),
        all[1..3]
    );
    assert_eq!(store.held(None, after, 9).await.unwrap(), all[1..]);
    assert_eq!(
        store.held_of(user_id(1), &[person_id(1)]).await.unwrap(),
        all[..2]
    );
    let several = [person_id(2), person_id(9), person_id(1)];
    assert_eq!(store.held_of(user_id(1), &several).await.unwrap(), all[..3]);
    assert!(store.held_of(user_id(1), &[]).await.unwrap().is_empty());

    let decide = |id, accepted| Change::DecideHeld { id, accepted };
    store
        .put(vec![decide(all[0].id, true), decide(all[1].id, false)])
        .await;
    let decided = store.held_item(all[0].id).await.unwrap().unwrap();
    assert_eq!(decided.accepted, Some(true));
    let decided = store.held_item(all[1].id).await.unwrap().unwrap();
    assert_eq!(decided.accepted, Some(false));
    let gone = store.apply(vec![decide(i64::MAX, true)]).await;
    assert!(matches!(gone, Err(Error::Conflict("held item"))));

    let newer = Held {
        created_ms: 99,
        fields: Vec::new(),
        ..held("a", 1, 1, Rule::R6)
    };
    store.put(vec![put(&newer)]).await;
    let kept = Held {
        id: all[0].id,
        ..newer
    };
    assert_eq!(store.held_item(all[0].id).await.unwrap(), Some(kept));

    store
        .put(vec![Change::DropHeld(vec![all[0].id, all[2].id, i64::MAX])])
        .await;
    assert_eq!(store.held_item(all[0].id).await.unwrap(), None);
    assert_eq!(store.held(None, None, 9).await.unwrap().len(), 2);
    store.put(vec![put(&held("a", 1, 1, Rule::R6))]).await;
    let last = store.held(None, None, 9).await.unwrap().pop().unwrap();
    assert!(last.id > all[3].id, "a number is never given twice");
}

pub(super) async fn parked_items_keep_their_number(store: &Fixture) {
    store.people().await;
    let put = |parked: &Parked| Change::PutParked(Box::new(parked.clone()));
    store
        .put(vec![
            put(&parked("a", 1, Some(1), "surname")),
            put(&parked("a", 1, Some(1), "")),
            put(&parked("a", 1, None, "")),
            put(&parked("b", 3, Some(1), "")),
        ])
        .await;
    let all = store.parked(None, None, 9).await.unwrap();
    assert_eq!(all.len(), 4);
    assert_eq!(
        all[2],
        Parked {
            id: all[2].id,
            ..parked("a", 1, None, "")
        }
    );
    assert_eq!(
        store.parked(Some(user_id(1)), None, 2).await.unwrap(),
        all[..2]
    );
    let after = Some(all[1].id);
    assert_eq!(
        store.parked(Some(user_id(1)), after, 9).await.unwrap(),
        all[2..3]
    );
    assert_eq!(store.parked(None, after, 9).await.unwrap(), all[2..]);
    assert_eq!(
        store.parked_of(user_id(1), &[person_id(1)]).await.unwrap(),
        all[..2]
    );
    let several = [person_id(9), person_id(1)];
    assert_eq!(
        store.parked_of(user_id(1), &several).await.unwrap(),
        all[..2]
    );
    assert!(store.parked_of(user_id(1), &[]).await.unwrap().is_empty());

    for standing in [&all[0], &all[2]] {
        let newer = Parked {
            id: 0,
            reason: "again".to_owned(),
            attempts: 2,
            created_ms: 99,
            ..standing.clone()
        };
        store.put(vec![put(&newer)]).await;
        let kept = Parked {
            id: standing.id,
            ..newer
        };
        assert_eq!(store.parked_item(standing.id).await.unwrap(), Some(kept));
    }
    store
        .put(vec![Change::DropParked(vec![all[0].id, all[2].id])])
        .await;
    assert_eq!(store.parked_item(all[0].id).await.unwrap(), None);
    let left = [all[1].clone(), all[3].clone()];
    assert_eq!(store.parked(None, None, 9).await.unwrap(), left);
}

pub(super) async fn a_preview_starts_afresh(store: &Fixture) {
    store.people().await;
    let put = |ready, create| Change::PutPreview {
        user: user_id(1),
        preview: Preview {
            ready,
            create,
            adopt: 2,
            skip: 3,
            made_ms: 4,
        },
    };
    let add = |people: &[u128]| Change::AddPreviewItems {
        user: user_id(1),
        items: people.iter().map(|person| preview_item(*person)).collect(),
    };
    assert_eq!(store.preview(user_id(1)).await.unwrap(), None);
    store
        .put(vec![put(false, 0), add(&[3, 1]), add(&[2]), put(true, 3)])
        .await;
    let head = store.preview(user_id(1)).await.unwrap().unwrap();
    assert!(head.ready);
    assert_eq!(
        (head.create, head.adopt, head.skip, head.made_ms),
        (3, 2, 3, 4)
    );
    let all = [preview_item(1), preview_item(2), preview_item(3)];
    let items = |after, limit| store.preview_items(user_id(1), after, limit);
    assert_eq!(items(None, 9).await.unwrap(), all);
    assert_eq!(items(Some(person_id(1)), 1).await.unwrap(), all[1..2]);

    let other = PreviewItem {
        action: "skip".to_owned(),
        rule: Rule::R13,
        ..preview_item(2)
    };
    let replace = Change::AddPreviewItems {
        user: user_id(1),
        items: vec![other.clone()],
    };
    store.put(vec![replace]).await;
    assert_eq!(items(Some(person_id(1)), 1).await.unwrap(), [other]);

    store.put(vec![put(false, 0), add(&[9])]).await;
    assert_eq!(items(None, 9).await.unwrap(), [preview_item(9)]);
    assert!(!store.preview(user_id(1)).await.unwrap().unwrap().ready);
}

pub(super) async fn alerts_stand_until_cleared(store: &Fixture) {
    store.people().await;
    let later = Alert {
        user: None,
        ..alert("x", 20)
    };
    store
        .put(vec![
            Change::RaiseAlert(later.clone()),
            Change::RaiseAlert(alert("z", 10)),
            Change::RaiseAlert(alert("y", 10)),
            Change::RaiseAlert(Alert {
                message: "again".to_owned(),
                ..alert("z", 30)
            }),
        ])
        .await;
    let all = [alert("y", 10), alert("z", 10), later];
    assert_eq!(store.alerts().await.unwrap(), all);
    store.put(vec![Change::ClearAlert("y".to_owned())]).await;
    assert_eq!(store.alerts().await.unwrap(), all[1..]);
}

pub(super) async fn tidy_erases_what_is_old(store: &Fixture) {
    store.people().await;
    let now_ms = 10 * ANSWERS_KEPT_MS;
    let pending = |state, expires_ms| Change::PutSignIn {
        state_hash: [state; 32],
        sign_in: sign_in(Purpose::Connect(environment_id("a")), expires_ms),
    };
    let answer = |key, at_ms| Change::PutAnswered {
        key_hash: [key; 32],
        answered: answered(200),
        at_ms,
    };
    let count = |at_ms| Change::CountBrake {
        user: user_id(1),
        at_ms,
        count: 1,
    };
    store
        .put(vec![
            pending(1, now_ms),
            pending(2, now_ms + 1),
            answer(1, now_ms - ANSWERS_KEPT_MS - 1),
            answer(2, now_ms - ANSWERS_KEPT_MS),
            count(now_ms - BRAKE_COUNTS_KEPT_MS - 1),
            count(now_ms - BRAKE_COUNTS_KEPT_MS),
            Change::Tidy { now_ms },
        ])
        .await;
    assert_eq!(store.take_sign_in(&[1; 32], 0).await.unwrap(), None);
    assert!(store.take_sign_in(&[2; 32], 0).await.unwrap().is_some());
    assert_eq!(store.answered(&[1; 32], 0).await.unwrap(), None);
    assert!(store.answered(&[2; 32], 0).await.unwrap().is_some());
    assert_eq!(store.brake_count(user_id(1), 0).await.unwrap(), 1);
}
