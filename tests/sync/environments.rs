//! Two environments in one deployment.

use http::Method;
use serde_json::{Value, json};

use crate::{
    hands::text,
    world::{Setup, World},
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_environment_has_its_own_rules_and_the_others_go_by_the_configuration() {
    let world = World::start(Setup {
        users: 2,
        // The sandbox stands on this machine, for the added environment too.
        config: vec![("server.private_networks", "127.0.0.0/8")],
        ..Setup::default()
    })
    .await;
    let known = world.control(Method::GET, "/config", None).await;
    let (origin, tribe) = (world.remote(), &known["tribe"]);
    let added = world.post("/environments", json!({
        "id": "acme",
        "tribe": {
            "api_url": origin, "auth_url": origin, "client_id": tribe["client_id"],
            "client_secret": tribe["client_secret"], "webhook_secrets": [tribe["webhook_secret"]],
        },
        "rules": {"fields": {"business_phone": "off"}},
    }));
    assert_eq!(
        added.await["rules"],
        json!({"fields": {"business_phone": "off"}})
    );

    let (here, there) = (world.mailbox(0), world.mailbox(1));
    world.somebody(&here, 1).await;
    world.somebody(&there, 2).await;
    world.live(&here).await;
    let wanted = json!({"employee_email": there.address, "environment": "acme", "start": true});
    let user = world.post("/users", wanted).await;
    world.consent(&text(&user, "consent_url")).await;
    world.state(&text(&user, "id"), "live").await;

    let phones = async |mailbox, surname| -> Value {
        let contact = world.eventually("the contact is there", async || {
            world.contact(mailbox, surname).await
        });
        contact.await["businessPhones"].clone()
    };
    assert_eq!(phones(&here, "Jansen 1").await, json!(["+31 20 555 0001"]));
    assert_eq!(phones(&there, "Jansen 2").await, json!([]));
}
