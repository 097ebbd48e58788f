//! A page of another site that shows the pane in a frame, as Outlook on the web does.

use std::net::Ipv4Addr;

use anyhow::Result;
use axum::Router;
use axum::response::Html;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use url::Url;

/// Serves `http://127.0.0.1:PORT/?pane=URL`. A pane on `localhost` is of another site.
#[derive(Debug)]
pub struct FrameHost {
    origin: Url,
    task: JoinHandle<()>,
}

/// The pane as wide as Outlook's narrowest, sized by the query so that one host serves every test.
const PAGE: &str = r#"<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Mail</title>
<style>body { margin: 0; display: flex; justify-content: flex-end; height: 100vh; background: #888 }
iframe { border: 0; height: 100%; background: #fff }</style></head>
<body><script>
  const query = new URLSearchParams(location.search);
  const frame = document.createElement("iframe");
  frame.id = "pane";
  frame.title = "Tandem";
  frame.style.width = (query.get("width") || "320") + "px";
  frame.allow = "storage-access";
  frame.src = query.get("pane");
  document.body.append(frame);
</script></body></html>"#;

impl FrameHost {
    /// Opens it on a free port.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let origin = Url::parse(&format!("http://127.0.0.1:{}/", listener.local_addr()?.port()))?;
        let router = Router::new().route("/", get(|| async { Html(PAGE) }));
        let task = tokio::spawn(async move {
            if let Err(error) = axum::serve(listener, router).await {
                eprintln!("the frame's host ended: {error}");
            }
        });
        Ok(Self { origin, task })
    }

    /// The origin, for the server's `frame_ancestors`.
    pub fn origin(&self) -> String {
        self.origin.origin().ascii_serialization()
    }

    /// The page that shows `pane` in a frame of that width in pixels.
    pub fn page(&self, pane: &Url, width: u16) -> Url {
        let mut page = self.origin.clone();
        page.query_pairs_mut()
            .append_pair("pane", pane.as_str())
            .append_pair("width", &width.to_string());
        page
    }
}

impl Drop for FrameHost {
    fn drop(&mut self) {
        self.task.abort();
    }
}
