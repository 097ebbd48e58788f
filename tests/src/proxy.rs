//! A network that breaks: a TCP proxy whose connections can be cut.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;
use url::Url;

/// Leads to a PostgreSQL that listens on a socket in a folder. Ends when dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    whole: watch::Sender<bool>,
    listening: JoinHandle<()>,
}

impl Proxy {
    /// In front of the database of that URL (`postgres://USER@localhost:PORT/NAME?host=FOLDER`).
    pub async fn before(database: &str) -> Result<Self> {
        let url = Url::parse(database)?;
        let folder = url
            .query_pairs()
            .find_map(|(name, value)| (name == "host").then(|| value.into_owned()))
            .context("the database has no socket")?;
        let socket = PathBuf::from(folder).join(format!(".s.PGSQL.{}", url.port().unwrap_or(5432)));
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let (whole, state) = watch::channel(true);
        let listening = tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(carry(client, socket.clone(), state.clone()));
            }
        });
        Ok(Self {
            address,
            whole,
            listening,
        })
    }

    /// The same database, by this way.
    pub fn url(&self, database: &str) -> Result<String> {
        let mut url = Url::parse(database)?;
        url.set_query(Some("sslmode=disable"));
        url.set_host(Some(&self.address.ip().to_string()))?;
        url.set_port(Some(self.address.port())).ok();
        Ok(url.into())
    }

    /// Resets every connection, and each new one at once.
    pub fn cut(&self) {
        self.whole.send_replace(false);
    }

    /// New connections get through again.
    pub fn restore(&self) {
        self.whole.send_replace(true);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.listening.abort();
        self.cut();
    }
}

async fn carry(mut client: TcpStream, socket: PathBuf, mut state: watch::Receiver<bool>) {
    let work = async {
        if *state.borrow() {
            let mut database = UnixStream::connect(socket).await?;
            tokio::select! {
                carried = copy_bidirectional(&mut client, &mut database) => return carried.map(drop),
                _ = state.wait_for(|whole| !whole) => {}
            }
        }
        // What a router does that has forgotten the connection: a reset, no orderly end.
        client.set_zero_linger()
    };
    // Either end may be gone already.
    work.await.ok();
}
