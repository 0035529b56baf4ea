//! Token requests: the `oauth2` crate speaks the protocol, our transport carries it.

use std::{future::Future, pin::Pin, sync::Arc, time::Duration};

use oauth2::{
    AsyncHttpClient, AuthType, AuthUrl, ClientId, ClientSecret, EndpointNotSet, EndpointSet,
    ExtraTokenFields, HttpRequest, HttpResponse, RequestTokenError, StandardErrorResponse,
    StandardRevocableToken, StandardTokenIntrospectionResponse, StandardTokenResponse, TokenUrl,
    basic::{
        BasicErrorResponse, BasicErrorResponseType, BasicRevocationErrorResponse, BasicTokenType,
    },
};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use url::Url;

use super::{
    Error, Observer, Remote, Request, Transport,
    answer::{self, Act},
};
use crate::clock::Clock;

/// How long a token request may take.
const TIMEOUT: Duration = Duration::from_secs(20);

/// What a token answer holds besides the standard members.
#[derive(Debug, Default, Deserialize, Serialize)]
pub struct Extra {
    /// Where `openid` was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id_token: Option<String>,
}

impl ExtraTokenFields for Extra {}

/// A token answer.
pub type Answer = StandardTokenResponse<Extra, BasicTokenType>;

/// The protocol's client with both endpoints known.
pub type Protocol = oauth2::Client<
    BasicErrorResponse,
    Answer,
    StandardTokenIntrospectionResponse<Extra, BasicTokenType>,
    StandardRevocableToken,
    BasicRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointSet,
>;

/// The protocol's client; id and secret go in the body (Tribe reference 2.2, Graph reference 1.2).
pub fn protocol(id: &str, secret: Option<&SecretString>, authorize: &Url, token: &Url) -> Protocol {
    let client = oauth2::Client::new(ClientId::new(id.to_owned()))
        .set_auth_type(AuthType::RequestBody)
        .set_auth_uri(AuthUrl::from_url(authorize.clone()))
        .set_token_uri(TokenUrl::from_url(token.clone()));
    match secret {
        Some(secret) => {
            client.set_client_secret(ClientSecret::new(secret.expose_secret().to_owned()))
        }
        None => client,
    }
}

/// Carries a token request over the transport.
///
/// Throttling and server errors end here, with their waiting time; what the protocol can explain
/// goes back to it.
pub struct Carrier {
    /// The transport.
    pub transport: Arc<dyn Transport>,
    /// For HTTP dates.
    pub clock: Arc<dyn Clock>,
    /// Who hears of it.
    pub observer: Arc<dyn Observer>,
    /// Which sign-in.
    pub remote: Remote,
}

impl<'c> AsyncHttpClient<'c> for Carrier {
    type Error = Error;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, Error>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.carry(request))
    }
}

impl Carrier {
    async fn carry(&self, request: HttpRequest) -> Result<HttpResponse, Error> {
        let (parts, body) = request.into_parts();
        let url = Url::parse(&parts.uri.to_string()).map_err(|_| Error::ForeignOrigin)?;
        // A lost answer is told as passing: what a repetition may do is the grant's matter.
        let sent = self
            .transport
            .send(Request {
                method: parts.method,
                url,
                headers: parts.headers,
                body: body.into(),
                timeout: TIMEOUT,
            })
            .await;
        let status = sent.as_ref().ok().map(|answer| answer.status.as_u16());
        self.observer.called(self.remote, "token", status);
        let answer = sent.map_err(|error| answer::from_transport(Act::Read, "token", error))?;
        if !matches!(status, Some(200..=299 | 400 | 401 | 403)) {
            return Err(answer::from_status(
                Act::Read,
                "token",
                answer.status,
                &answer.headers,
                "",
                self.clock.now_ms(),
            ));
        }
        let mut carried = HttpResponse::new(answer.body.to_vec());
        *carried.status_mut() = answer.status;
        *carried.headers_mut() = answer.headers;
        Ok(carried)
    }
}

/// A refusal as the server words it.
pub struct Refusal {
    /// `error`, such as `invalid_grant`.
    pub error: String,
    /// The number of an `AADSTS` text, where the description starts with one.
    pub number: Option<String>,
}

impl Refusal {
    /// For messages: code and number, no text.
    pub fn words(&self) -> String {
        match &self.number {
            Some(number) => format!("{} ({number})", self.error),
            None => self.error.clone(),
        }
    }
}

/// Tells a refusal, which depends on the grant, from failures that mean the same everywhere.
///
/// # Errors
/// Never where the server refused; that is the `Ok` here.
pub fn refusal(
    error: RequestTokenError<Error, StandardErrorResponse<BasicErrorResponseType>>,
) -> Result<Refusal, Error> {
    match error {
        RequestTokenError::ServerResponse(response) => Ok(Refusal {
            error: answer::clean_code(response.error().as_ref()),
            number: response
                .error_description()
                .filter(|text| text.starts_with("AADSTS"))
                .map(|text| answer::clean_code(text).trim_end_matches(':').to_owned()),
        }),
        RequestTokenError::Request(error) => Err(error),
        RequestTokenError::Parse(..) | RequestTokenError::Other(_) => {
            Err(Error::Unusable("token".to_owned()))
        }
    }
}
