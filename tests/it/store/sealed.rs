//! Sealed cells by their places.

use tribelink::store::{Change, Place, Purpose, Sealed, SealedCell, SealedColumn, Tokens};
use tribelink_plan::{link::LinkState, rule::Rule};

use super::{
    fixture::Fixture,
    sample::{self, answered, environment_id, person_id, sealed, sign_in, user_id},
};

/// One row at least in every table that has a sealed column.
async fn fill(store: &Fixture) {
    store.people().await;
    let tokens = |refresh: &str| Tokens {
        refresh: sealed(refresh),
        ..sample::tokens(1)
    };
    store
        .put(vec![
            Change::PutWebhook(sample::webhook("b", "w1")),
            Change::PutWebhook(sample::webhook("a", "w2")),
            Change::PutTokens {
                user: user_id(3),
                tokens: tokens("of three"),
                expected: 0,
            },
            Change::PutTokens {
                user: user_id(1),
                tokens: tokens("of one"),
                expected: 0,
            },
            Change::PutEnvironmentTokens {
                environment: environment_id("b"),
                tokens: tokens("of b"),
                expected: 0,
            },
            Change::PutSignIn {
                state_hash: [7; 32],
                sign_in: sign_in(Purpose::Invite(user_id(1)), 9),
            },
            Change::AddAudit(Box::new(sample::audit("a", 1, Some(5), 1))),
            Change::AddAudit(Box::new(sample::audit("b", 3, None, 2))),
            Change::PutHeld(Box::new(sample::held("a", 2, 6, Rule::R16))),
            Change::PutLink(Box::new(sample::link("a", 2, 6, LinkState::Linked))),
            Change::PutLink(Box::new(sample::link("a", 2, 7, LinkState::Linked))),
            Change::PutCertificate(sample::certificate(1, "z")),
            Change::PutCertificate(sample::certificate(2, "a")),
            Change::PutAnswered {
                key_hash: [8; 32],
                answered: answered(200),
                at_ms: 1,
            },
        ])
        .await;
}

async fn all(store: &Fixture, column: SealedColumn) -> Vec<SealedCell> {
    let (mut cells, mut after) = (Vec::new(), None);
    loop {
        // One at a time: a page's end may lie anywhere.
        let page = store.sealed(column, after.as_ref(), 1).await.unwrap();
        assert!(page.len() <= 1);
        let Some(cell) = page.into_iter().next() else {
            return cells;
        };
        assert_eq!(cell.place.column(), column);
        after = Some(cell.place.clone());
        cells.push(cell);
    }
}

pub(super) async fn every_sealed_cell_is_listed_by_its_place(store: &Fixture) {
    for column in SealedColumn::ALL {
        assert_eq!(all(store, column).await, []);
    }
    fill(store).await;
    let (a, b) = (environment_id("a"), environment_id("b"));
    let audit = store.audit(&Default::default(), None, 9).await.unwrap();
    let held = store.held(None, None, 9).await.unwrap();
    let listed = |column| {
        let both = |cell: SealedCell| (cell.place, cell.sealed);
        async move {
            all(store, column)
                .await
                .into_iter()
                .map(both)
                .collect::<Vec<_>>()
        }
    };
    let keys = [a.clone(), b.clone()].map(|id| (Place::FingerprintKey(id), sealed("wrapped key")));
    assert_eq!(listed(SealedColumn::FingerprintKey).await, keys);
    let settings = [a.clone(), b.clone()];
    let settings = settings.map(|id| (Place::EnvironmentSettings(id), sealed("settings")));
    assert_eq!(listed(SealedColumn::EnvironmentSettings).await, settings);
    let secrets = [(a, "w2"), (b.clone(), "w1")];
    let secrets =
        secrets.map(|(id, hook)| (Place::WebhookSecret(id, hook.to_owned()), sealed("secret")));
    assert_eq!(listed(SealedColumn::WebhookSecret).await, secrets);
    let users = [1, 2, 3].map(user_id);
    let mailboxes = users.map(|id| (Place::Mailbox(id), sealed("mailbox")));
    assert_eq!(listed(SealedColumn::Mailbox).await, mailboxes);
    let allowed = users.map(|id| (Place::AllowMailbox(id), sealed("other mailbox")));
    assert_eq!(listed(SealedColumn::AllowMailbox).await, allowed);
    let of = [(1, "of one"), (3, "of three")];
    let refresh = of.map(|(id, text)| (Place::RefreshToken(user_id(id)), sealed(text)));
    assert_eq!(listed(SealedColumn::RefreshToken).await, refresh);
    let access = of.map(|(id, _)| (Place::AccessToken(user_id(id)), sealed("access 1")));
    assert_eq!(listed(SealedColumn::AccessToken).await, access);
    assert_eq!(
        listed(SealedColumn::EnvironmentRefreshToken).await,
        [(Place::EnvironmentRefreshToken(b.clone()), sealed("of b"))]
    );
    assert_eq!(
        listed(SealedColumn::EnvironmentAccessToken).await,
        [(Place::EnvironmentAccessToken(b), sealed("access 1"))]
    );
    assert_eq!(
        listed(SealedColumn::SignInProof).await,
        [(Place::SignInProof([7; 32]), sealed("verifier and nonce"))]
    );
    let lines = [(audit[1].id, 1, Some(5)), (audit[0].id, 3, None)];
    let lines = lines.map(|(id, user, person)| {
        let (user, person) = (user_id(user), person.map(person_id));
        let place = Place::AuditValues { id, user, person };
        (place, sealed("before and after"))
    });
    assert_eq!(listed(SealedColumn::AuditValues).await, lines);
    let place = Place::HeldValues {
        id: held[0].id,
        user: user_id(2),
        person: person_id(6),
        rule: Rule::R16,
    };
    let values = [(place, sealed("both values"))];
    assert_eq!(listed(SealedColumn::HeldValues).await, values);
    assert_eq!(
        listed(SealedColumn::AnswerBody).await,
        [(Place::AnswerBody([8; 32]), sealed("the body"))]
    );
    assert_eq!(
        listed(SealedColumn::LinkAhead).await,
        [(
            Place::LinkAhead(user_id(2), person_id(6)),
            sealed("what comes")
        )]
    );
    let keys = ["a", "z"].map(|id| (Place::CertificateKey(id.to_owned()), sealed("private key")));
    assert_eq!(listed(SealedColumn::CertificateKey).await, keys);
}

pub(super) async fn a_cell_is_sealed_anew_only_where_it_is_as_read(store: &Fixture) {
    fill(store).await;
    let before = store.tokens(user_id(1)).await.unwrap().unwrap();
    for column in SealedColumn::ALL {
        let cells = all(store, column).await;
        let anew = |cell: &SealedCell| Sealed([b"anew: ", cell.sealed.0.as_slice()].concat());
        let reseal = |cell: &SealedCell, sealed| Change::Reseal {
            cell: cell.clone(),
            sealed,
        };
        // Whoever read something else comes too late and changes nothing.
        let late = cells.iter().map(|cell| {
            let other = SealedCell {
                sealed: sealed("what it held before"),
                ..cell.clone()
            };
            reseal(&other, sealed("lost"))
        });
        store.put(late.collect()).await;
        assert_eq!(all(store, column).await, cells, "{column:?}");

        store.put(vec![reseal(&cells[0], anew(&cells[0]))]).await;
        let mut expected = cells.clone();
        expected[0].sealed = anew(&cells[0]);
        assert_eq!(all(store, column).await, expected, "{column:?}");
        let rest = cells.iter().skip(1);
        store
            .put(rest.map(|cell| reseal(cell, anew(cell))).collect())
            .await;
        let found = all(store, column).await;
        let expected: Vec<Sealed> = cells.iter().map(anew).collect();
        let found: Vec<Sealed> = found.into_iter().map(|cell| cell.sealed).collect();
        assert_eq!(found, expected, "{column:?}");
    }
    // Nothing else of the row moved: a token's generation is what its next save expects.
    let after = store.tokens(user_id(1)).await.unwrap().unwrap();
    assert_eq!(
        after,
        Tokens {
            refresh: sealed("anew: of one"),
            access: sealed("anew: access 1"),
            ..before
        }
    );
    let gone = Change::Reseal {
        cell: SealedCell {
            place: Place::Mailbox(user_id(99)),
            sealed: sealed("mailbox"),
        },
        sealed: sealed("anew"),
    };
    store.put(vec![gone]).await;
}
