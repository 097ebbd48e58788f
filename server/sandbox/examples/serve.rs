//! Scratch.
use tandem_sandbox::{Options, Sandbox};
#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let s = Sandbox::start(Options { ca_dir: Some("/tmp/sbxca".into()), ..Options::default() }).await?;
    std::fs::write("/tmp/sbx.json", serde_json::to_string(s.info())?)?;
    println!("up");
    std::future::pending::<()>().await;
    Ok(())
}
