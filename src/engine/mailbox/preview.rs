//! What the first sync would do: the same reads and the same planner, without a single write.

use std::collections::BTreeSet;

use tribelink_plan::{
    eligibility::standing,
    ids::PersonId,
    planner::{Next, Plan, choose_stamped},
    policy::Match,
    rule::Rule,
};

use super::{
    Error, Job,
    case::{Asked, Case},
    pass::GROUP,
};
use crate::store::{Change, Hint, Preview, PreviewItem, Source};

impl Job<'_> {
    /// Plans the first sync and stores what it would do, ids and reasons without values.
    pub(super) async fn preview(&mut self, hint: &Hint) -> Result<(), Error> {
        let mut head = Preview {
            made_ms: self.engine.now(),
            ..Preview::default()
        };
        let start = Change::PutPreview {
            user: self.user.id,
            preview: head.clone(),
        };
        self.held.commit(vec![start]).await?;
        self.listing = None;
        self.list().await?;
        let employee = self.user.employee;
        let roll = self.engine.roll(&self.land).await?;
        // Also those whom the employee looks after only through former relationships: the preview
        // says why they are left out.
        let people: Vec<PersonId> = roll
            .values()
            .filter(|person| {
                let named = |relationship| {
                    let standing = standing(relationship, employee);
                    standing.manager || standing.owner
                };
                person.relationships.iter().any(named)
            })
            .map(|person| person.id)
            .collect();
        drop(roll);
        for chunk in people.chunks(GROUP) {
            self.step_allowed()?;
            let mut cases: Vec<Case> = chunk
                .iter()
                .map(|id| Case::new(*id, Source::Person))
                .collect();
            for case in &mut cases {
                case.look_at_outlook = true;
            }
            self.load(&mut cases).await?;
            self.read_tribe(&mut cases).await?;
            let items: Vec<PreviewItem> = cases
                .iter_mut()
                .map(|case| self.preview_item(case))
                .collect();
            for item in &items {
                match item.action.as_str() {
                    "create" => head.create += 1,
                    "adopt" => head.adopt += 1,
                    _ => head.skip += 1,
                }
            }
            self.held
                .commit(vec![Change::AddPreviewItems {
                    user: self.user.id,
                    items,
                }])
                .await?;
        }
        head.ready = true;
        self.held
            .commit(vec![
                Change::PutPreview {
                    user: self.user.id,
                    preview: head,
                },
                Change::DropHints(vec![hint.id]),
            ])
            .await
    }

    fn preview_item(&self, case: &mut Case) -> PreviewItem {
        let stamped = self
            .listing
            .as_ref()
            .map(|listing| listing.stamped(case.person))
            .unwrap_or_default();
        if self.land.policy.matching == Match::EmailName {
            case.matches = self.matches(case);
        }
        let doubled: BTreeSet<_> = stamped.iter().map(|contact| contact.id.clone()).collect();
        let adopts = choose_stamped(&stamped, case.contact_id()).is_some();
        case.stamped = Some(stamped);
        let (action, rule, reason) = match case.ask(self, false) {
            Some(Asked::Plan(plan)) => describe(&plan, adopts, doubled.len()),
            Some(Asked::Quiet) | None => ("skip", Rule::R18, "Tribe could not be read".to_owned()),
        };
        PreviewItem {
            person: case.person,
            action: action.to_owned(),
            rule,
            reason,
        }
    }
}

fn describe(plan: &Plan, adopts: bool, stamped: usize) -> (&'static str, Rule, String) {
    let reason = |text: &str| text.to_owned();
    match &plan.next {
        Next::Create(_) => (
            "create",
            plan.rule,
            reason("no contact yet: one is created"),
        ),
        Next::Relink { stamp: true, .. } => (
            "adopt",
            plan.rule,
            reason("a contact with the same e-mail address and name is adopted"),
        ),
        Next::Relink { .. } if stamped > 1 => (
            "adopt",
            plan.rule,
            reason(
                "several contacts carry this person's stamp: the oldest is adopted, the others are left alone",
            ),
        ),
        Next::Relink { .. } => (
            "adopt",
            plan.rule,
            reason("a contact that this service made earlier is adopted"),
        ),
        Next::Read(_) | Next::Update(_) => (
            "skip",
            plan.rule,
            reason("linked already: only differences are written"),
        ),
        Next::Wait if !adopts => (
            "create",
            plan.rule,
            reason("an intended contact is looked for once more"),
        ),
        _ => ("skip", plan.rule, plan.rule.sentence().to_owned()),
    }
}
