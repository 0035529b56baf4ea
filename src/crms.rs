//! The CRM client of each environment, made from its settings and kept. `kept`: the tokens of one that was
//! connected by authorization code.

mod kept;

use std::{
    collections::HashMap,
    str::FromStr as _,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use secrecy::SecretString;
use tribelink_plan::ids::EnvironmentId;
use url::Url;

use self::kept::Kept;
use crate::{
    clock::Clock,
    config,
    environment::{Paths, Settings},
    ports::{CannotConnect, Crms},
    remote::{self, Circuit, Fence, Observer, Transport, http::HttpTransport, http::Origin},
    store::{Environment, Sealed, Store},
    tribe::{
        Crm,
        client::{self, Client, ReadMode},
        names::{Names, Path, PersonSet},
        sign_in::{
            Application, AuthorizationCode, ClientCredentials, EmployeeSignIn, OneToken,
            TokenSource,
        },
    },
    vault::Vault,
};

/// Longest answer of Tribe that is read.
pub const MAX_ANSWER: usize = 64 << 20;

/// What identifies this program to the remotes.
pub const USER_AGENT: &str = concat!("tribelink/", env!("CARGO_PKG_VERSION"));

/// How a client is made.
#[derive(Clone)]
struct Recipe {
    api_url: Url,
    auth_url: Url,
    client_id: String,
    client_secret: SecretString,
    scope: String,
    by_code: bool,
    read: ReadMode,
    names: Names,
}

/// A client with the stored settings that it was made from.
type Made = (Option<Sealed>, Arc<dyn Crm>);

/// The clients.
pub struct Clients {
    store: Arc<dyn Store>,
    vault: Arc<Vault>,
    clock: Arc<dyn Clock>,
    observer: Arc<dyn Observer>,
    write_timeout: Duration,
    default: Recipe,
    /// Around what environments added over the API may lead to.
    fence: Fence,
    /// A transport in place of HTTP, for simulation.
    transport: Option<Arc<dyn Transport>>,
    /// Each with the settings it was made from.
    made: Mutex<HashMap<EnvironmentId, Made>>,
    /// This replica's share of the calls in flight; 0: all of them.
    in_flight: AtomicUsize,
}

/// A configured name cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("tribe.{key}: {why}")]
pub struct BadNames {
    key: &'static str,
    why: crate::tribe::names::BadName,
}

impl Clients {
    /// Clients for the environment that the configuration describes, and for those in the store.
    ///
    /// # Errors
    /// A configured name or path cannot be one of Tribe's.
    pub fn new(
        tribe: &config::Tribe,
        worker: &config::Worker,
        store: Arc<dyn Store>,
        vault: Arc<Vault>,
        clock: Arc<dyn Clock>,
        observer: Arc<dyn Observer>,
        transport: Option<Arc<dyn Transport>>,
    ) -> Result<Clients, BadNames> {
        let names = Names {
            manager: paths("names.manager", &tribe.names.manager)?,
            owners: paths("names.owners", &tribe.names.owners)?,
            former: paths("names.former", &tribe.names.former)?,
            function: tribe.names.function.clone(),
            person_sets: sets(tribe.person_sets.iter().map(|set| set.as_str()))?,
        };
        Ok(Clients {
            default: Recipe {
                api_url: tribe.api_url.clone(),
                auth_url: tribe.auth_url.clone(),
                client_id: tribe.client_id.clone(),
                client_secret: tribe.client_secret.clone(),
                scope: tribe.scope.clone(),
                by_code: tribe.grant == config::Grant::AuthorizationCode,
                read: match tribe.read {
                    config::ReadStyle::Expand => ReadMode::Expand,
                    config::ReadStyle::Sets => ReadMode::Sets,
                },
                names,
            },
            // A write's time limit lies under the lease's life, whatever that is (design, shape 5).
            write_timeout: (worker.lease * 2 / 3).min(Duration::from_secs(20)),
            store,
            vault,
            clock,
            observer,
            fence: Fence::new(Arc::new(|_| false)),
            transport,
            made: Mutex::default(),
            in_flight: AtomicUsize::new(0),
        })
    }

    /// The same with these networks open to environments added over the API, beside public addresses.
    #[must_use]
    pub fn allowing(self, private_networks: Vec<config::Network>) -> Clients {
        let allowed = move |address| {
            let mut networks = private_networks.iter();
            networks.any(|network| network.contains(address))
        };
        Clients {
            fence: Fence::new(Arc::new(allowed)),
            ..self
        }
    }

    fn recipe(&self, environment: &Environment) -> Result<Recipe, remote::Error> {
        let refused = |why: String| remote::Error::Application(why);
        let settings =
            Settings::open(&self.vault, environment).map_err(|error| refused(error.to_string()))?;
        let Some(settings) = settings else {
            return Ok(self.default.clone());
        };
        let origin = |text: Option<String>, default: &Url| match text {
            None => Ok(default.clone()),
            Some(text) => Url::parse(&text)
                .map_err(|_| refused("an address of the environment is not one".to_owned())),
        };
        let by_code = settings.grant.as_deref() == Some("authorization_code");
        let mut names = Names::default();
        for (key, value) in settings.names {
            let list = match value {
                Paths::One(path) => vec![path],
                Paths::Many(paths) => paths,
            };
            let bad = |error: BadNames| refused(error.to_string());
            match key.as_str() {
                "manager" => names.manager = paths("names.manager", &list).map_err(bad)?,
                "owners" => names.owners = paths("names.owners", &list).map_err(bad)?,
                "former" => names.former = paths("names.former", &list).map_err(bad)?,
                "function" => names.function = list.into_iter().next().unwrap_or(names.function),
                _ => {
                    return Err(refused(format!(
                        "the environment's names.{key} is not known"
                    )));
                }
            }
        }
        if let Some(list) = settings.person_sets {
            names.person_sets = sets(list.iter().map(String::as_str))
                .map_err(|error| refused(error.to_string()))?;
        }
        let usual = if by_code {
            "read write offline"
        } else {
            "read write"
        };
        Ok(Recipe {
            api_url: origin(settings.api_url, &self.default.api_url)?,
            auth_url: origin(settings.auth_url, &self.default.auth_url)?,
            client_id: settings.client_id,
            client_secret: SecretString::from(settings.client_secret),
            scope: settings.scope.unwrap_or_else(|| usual.to_owned()),
            by_code,
            read: match settings.read.as_deref() {
                Some("sets") => ReadMode::Sets,
                _ => ReadMode::Expand,
            },
            names,
        })
    }

    fn make(
        &self,
        environment: &EnvironmentId,
        recipe: Recipe,
    ) -> Result<Arc<dyn Crm>, remote::Error> {
        let transport = self.transport_to(&[&recipe.api_url, &recipe.auth_url])?;
        let application = self.application(&recipe, &transport);
        let tokens: Arc<dyn TokenSource> = if recipe.by_code {
            let keep = self.kept(environment);
            Arc::new(AuthorizationCode::new(application, Arc::new(keep)))
        } else {
            Arc::new(ClientCredentials::new(application))
        };
        Ok(Arc::new(self.client(recipe, transport, tokens)))
    }

    fn application(&self, recipe: &Recipe, transport: &Arc<dyn Transport>) -> Application {
        Application::new(
            &recipe.auth_url,
            &recipe.client_id,
            &recipe.client_secret,
            &recipe.scope,
            Arc::clone(transport),
            Arc::clone(&self.clock),
            Arc::clone(&self.observer),
        )
    }

    /// The application that employees of the environment `default` sign in to, where there is one.
    ///
    /// # Errors
    /// [`remote::Error::Application`]: the configuration must be mended.
    pub fn employee_sign_in(
        &self,
        login: Option<&(String, SecretString)>,
    ) -> Result<Option<EmployeeSignIn>, remote::Error> {
        let Some((id, secret)) = login else {
            return Ok(None);
        };
        let recipe = self.default.clone();
        let transport = self.transport_to(&[&recipe.api_url, &recipe.auth_url])?;
        let application = Application::new(
            &recipe.auth_url,
            id,
            secret,
            "read",
            Arc::clone(&transport),
            Arc::clone(&self.clock),
            Arc::clone(&self.observer),
        );
        let own = self.application(&recipe, &transport);
        let client = self.client(recipe, transport, Arc::new(ClientCredentials::new(own)));
        Ok(Some(EmployeeSignIn::new(application, client)))
    }

    fn kept(&self, environment: &EnvironmentId) -> Kept {
        Kept {
            environment: environment.clone(),
            store: Arc::clone(&self.store),
            vault: Arc::clone(&self.vault),
            clock: Arc::clone(&self.clock),
        }
    }

    fn client(
        &self,
        recipe: Recipe,
        transport: Arc<dyn Transport>,
        tokens: Arc<dyn TokenSource>,
    ) -> Client {
        let mut settings = client::Settings {
            read: recipe.read,
            names: recipe.names,
            write_timeout: self.write_timeout,
            ..client::Settings::new(recipe.api_url)
        };
        match self.in_flight.load(Ordering::Relaxed) {
            0 => {}
            share => settings.in_flight = share,
        }
        Client::new(
            settings,
            transport,
            tokens,
            Arc::clone(&self.clock),
            Arc::clone(&self.observer),
        )
    }

    async fn row(&self, environment: &EnvironmentId) -> Result<Option<Environment>, remote::Error> {
        self.store.environment(environment).await.map_err(passing)
    }

    /// The environment and its recipe, where it is connected by authorization code.
    async fn by_code(
        &self,
        environment: &EnvironmentId,
    ) -> Result<(Environment, Recipe), CannotConnect> {
        let row = self.row(environment).await?;
        let row = row.ok_or(CannotConnect::Unknown)?;
        let recipe = self.recipe(&row)?;
        match recipe.by_code {
            true => Ok((row, recipe)),
            false => Err(CannotConnect::NotByCode),
        }
    }

    /// The client that is there already, if it was made from these settings.
    fn made_of(&self, row: &Environment) -> Option<Arc<dyn Crm>> {
        let made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let (settings, crm) = made.get(&row.id)?;
        (*settings == row.settings).then(|| Arc::clone(crm))
    }

    fn transport_to(&self, origins: &[&Url]) -> Result<Arc<dyn Transport>, remote::Error> {
        if let Some(transport) = &self.transport {
            return Ok(Arc::clone(transport));
        }
        let allowed = origins.iter().filter_map(|url| Origin::of(url)).collect();
        let configured = [&self.default.api_url, &self.default.auth_url];
        let configured: Vec<Origin> = configured.into_iter().filter_map(Origin::of).collect();
        let chosen_here = origins.iter().all(|url| {
            let origin = Origin::of(url);
            origin.is_some_and(|origin| configured.contains(&origin))
        });
        let transport = match chosen_here {
            true => HttpTransport::new(allowed, USER_AGENT, MAX_ANSWER),
            false => HttpTransport::fenced(allowed, USER_AGENT, MAX_ANSWER, self.fence.clone()),
        };
        let transport = transport.map_err(|error| remote::Error::Application(error.to_string()))?;
        let clock = Arc::clone(&self.clock);
        Ok(Arc::new(Circuit::new(Arc::new(transport), clock)))
    }
}

#[async_trait]
impl Crms for Clients {
    fn set_in_flight(&self, calls: usize) {
        let made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        self.in_flight.store(calls, Ordering::Relaxed);
        for (_, crm) in made.values() {
            crm.set_in_flight(calls);
        }
    }

    async fn crm(
        &self,
        environment: &EnvironmentId,
    ) -> Result<Option<Arc<dyn Crm>>, remote::Error> {
        match self.row(environment).await? {
            Some(row) => self.crm_of(&row).await,
            None => Ok(None),
        }
    }

    async fn crm_of(&self, row: &Environment) -> Result<Option<Arc<dyn Crm>>, remote::Error> {
        let crm = match self.made_of(row) {
            Some(crm) => crm,
            None => {
                let crm = self.make(&row.id, self.recipe(row)?)?;
                let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
                made.insert(row.id.clone(), (row.settings.clone(), Arc::clone(&crm)));
                crm
            }
        };
        // Another replica may have been told to wait.
        crm.rest_until(row.throttled_until_ms);
        Ok(Some(crm))
    }

    async fn authorize_url(
        &self,
        environment: &EnvironmentId,
        state: &str,
        redirect_uri: &str,
    ) -> Result<Url, CannotConnect> {
        let (_, recipe) = self.by_code(environment).await?;
        let transport = self.transport_to(&[&recipe.auth_url])?;
        let application = self.application(&recipe, &transport);
        Ok(application.authorize_url(state, redirect_uri)?)
    }

    async fn connect(
        &self,
        environment: &EnvironmentId,
        code: &str,
        redirect_uri: &str,
    ) -> Result<(), CannotConnect> {
        let (row, recipe) = self.by_code(environment).await?;
        let transport = self.transport_to(&[&recipe.api_url, &recipe.auth_url])?;
        let application = self.application(&recipe, &transport);
        let tokens = application.exchange(code, redirect_uri).await?;
        if let Some(known) = row.organization {
            // Links and stamps belong to one organisation. The access token alone is asked, which a
            // failure costs nothing; the refresh token is not used before it is kept.
            let theirs = Arc::new(OneToken(tokens.access.clone()));
            let client = self.client(recipe, transport, theirs);
            if client.identity().await?.to_string() != known {
                return Err(CannotConnect::OtherOrganization);
            }
        }
        self.kept(environment).put(&tokens, true).await?;
        // The client at hand still holds the former tokens.
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.remove(environment);
        Ok(())
    }
}

fn paths(key: &'static str, list: &[String]) -> Result<Vec<Path>, BadNames> {
    list.iter()
        .map(|text| Path::from_str(text).map_err(|why| BadNames { key, why }))
        .collect()
}

fn sets<'a>(list: impl Iterator<Item = &'a str>) -> Result<Vec<PersonSet>, BadNames> {
    list.map(|text| {
        PersonSet::from_str(text).map_err(|why| BadNames {
            key: "person_sets",
            why,
        })
    })
    .collect()
}

fn passing(error: impl std::fmt::Display) -> remote::Error {
    remote::Error::Transient(error.to_string())
}
