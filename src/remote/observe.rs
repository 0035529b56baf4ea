//! Who wants to know about every call to a remote.

/// Which remote a call went to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Remote {
    /// The Tribe API.
    Tribe,
    /// Tribe's sign-in.
    TribeSignIn,
    /// Microsoft Graph.
    Graph,
    /// Microsoft's sign-in.
    MicrosoftSignIn,
    /// The issuer that administrators sign in at.
    Login,
}

impl Remote {
    /// Each of them.
    pub const ALL: [Remote; 4] = [
        Remote::Tribe,
        Remote::TribeSignIn,
        Remote::Graph,
        Remote::MicrosoftSignIn,
    ];

    /// The name in metrics.
    pub fn name(self) -> &'static str {
        match self {
            Remote::Tribe => "tribe",
            Remote::TribeSignIn => "tribe_sign_in",
            Remote::Graph => "graph",
            Remote::MicrosoftSignIn => "microsoft_sign_in",
            Remote::Login => "login",
        }
    }
}

/// Hears of every call, for metrics. Gets names and numbers, never an address or a value.
pub trait Observer: Send + Sync {
    /// A call ended. `endpoint` is one of a fixed few names; `status` is `None` where no answer
    /// came. Items of a `$batch` are told one by one, besides the batch itself.
    fn called(&self, remote: Remote, endpoint: &'static str, status: Option<u16>);
}

/// Hears nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Observer for Silent {
    fn called(&self, _remote: Remote, _endpoint: &'static str, _status: Option<u16>) {}
}
