//! Between a store and its server: ends or holds a connection where it hurts.

use std::sync::{Arc, Mutex};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    sync::Notify,
};

/// What happens to the next transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// Its COMMIT never reaches the server.
    BeforeCommit,
    /// The server answers its COMMIT, and the store never hears.
    AfterCommit,
    /// The server answers the first claim of a lane, which is a transaction of its own, and the store
    /// never hears.
    AfterClaim,
    /// Its COMMIT is held and nothing is closed, as if the process were frozen.
    Silence,
}

#[derive(Default)]
struct Plan {
    next: Mutex<Option<Cut>>,
    silent: Notify,
}

/// A door to the server on an address of its own.
pub(crate) struct Proxy {
    pub(crate) url: String,
    plan: Arc<Plan>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Proxy {
    pub(crate) async fn to(server: &str) -> Proxy {
        let mut url = url::Url::parse(server).unwrap();
        let host = url.host_str().unwrap().to_owned();
        let target = (host, url.port().unwrap_or(5432));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        url.set_host(Some("127.0.0.1")).unwrap();
        url.set_port(Some(listener.local_addr().unwrap().port()))
            .unwrap();
        let plan = Arc::new(Plan::default());
        let task = tokio::spawn({
            let plan = Arc::clone(&plan);
            async move {
                while let Ok((client, _)) = listener.accept().await {
                    let (plan, target) = (Arc::clone(&plan), target.clone());
                    // A connection that ends is what the tests are about.
                    tokio::spawn(async move { carry(client, target, plan).await.ok() });
                }
            }
        });
        Proxy {
            url: url.to_string(),
            plan,
            task,
        }
    }

    pub(crate) fn cut_next(&self, cut: Cut) {
        *self.plan.next.lock().unwrap() = Some(cut);
    }

    /// Waits until a connection fell silent.
    pub(crate) async fn silent(&self) {
        self.plan.silent.notified().await;
    }
}

async fn carry(
    mut client: TcpStream,
    target: (String, u16),
    plan: Arc<Plan>,
) -> std::io::Result<()> {
    let mut server = TcpStream::connect(target).await?;
    let (mut asked, mut answered) = (vec![0; 65_536], vec![0; 65_536]);
    // The claim was prepared; the message after it makes it.
    let mut claims = false;
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                let message = &asked[..read?];
                if message.is_empty() {
                    return Ok(());
                }
                let says = |text: &[u8]| message.windows(text.len()).any(|part| part == text);
                let makes_the_claim = std::mem::replace(&mut claims, says(b"INSERT INTO leases"));
                let cut = plan.next.lock().unwrap().take_if(|cut| match cut {
                    Cut::AfterClaim => makes_the_claim,
                    _ => says(b"COMMIT"),
                });
                match cut {
                    Some(Cut::BeforeCommit) => return Ok(()),
                    Some(Cut::AfterCommit | Cut::AfterClaim) => {
                        server.write_all(message).await?;
                        // The answer is there: it has committed.
                        let _length = server.read(&mut answered).await?;
                        return Ok(());
                    }
                    Some(Cut::Silence) => {
                        plan.silent.notify_one();
                        // Until the server has had enough.
                        while server.read(&mut answered).await? > 0 {}
                        return Ok(());
                    }
                    None => server.write_all(message).await?,
                }
            }
            read = server.read(&mut answered) => {
                let message = &answered[..read?];
                if message.is_empty() {
                    return Ok(());
                }
                client.write_all(message).await?;
            }
        }
    }
}
