//! `tandem sandbox`: Exchange, Office 365 and Salesforce on this machine.

use std::path::PathBuf;
use std::process::ExitCode;

use tandem_sandbox::{Options, Ports, Sandbox};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The same seed makes the same company.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Salesforce contacts of the first user.
    #[arg(long, default_value_t = 60)]
    contacts: usize,
    /// Contacts in each mailbox.
    #[arg(long, default_value_t = 12)]
    mailbox_contacts: usize,
    /// Events in each mailbox.
    #[arg(long, default_value_t = 16)]
    mailbox_events: usize,
    /// Tasks in each mailbox.
    #[arg(long, default_value_t = 8)]
    mailbox_tasks: usize,
    /// Messages in each mailbox.
    #[arg(long, default_value_t = 24)]
    mailbox_messages: usize,
    /// Salesforce events of each user.
    #[arg(long, default_value_t = 20)]
    crm_events: usize,
    /// Salesforce tasks of each user.
    #[arg(long, default_value_t = 20)]
    crm_tasks: usize,
    /// Employees besides the four who have names: for measurements of a whole company.
    #[arg(long, default_value_t = 0)]
    agents: usize,
    /// Salesforce contacts of each of those.
    #[arg(long, default_value_t = 80)]
    agent_contacts: usize,
    /// The organisation has no external id field for Tandem's key.
    #[arg(long)]
    no_tandem_key: bool,
    /// Where the certificate of its own authority is written.
    #[arg(long)]
    ca_dir: Option<PathBuf>,
    /// A folder for every EWS request and reply.
    #[arg(long)]
    record: Option<PathBuf>,
    /// Ports; 0 lets the system pick.
    #[arg(long, default_value_t = 0)]
    exchange_port: u16,
    #[arg(long, default_value_t = 0)]
    exchange_https_port: u16,
    #[arg(long, default_value_t = 0)]
    salesforce_port: u16,
    #[arg(long, default_value_t = 0)]
    salesforce_https_port: u16,
    #[arg(long, default_value_t = 0)]
    microsoft_port: u16,
    #[arg(long, default_value_t = 0)]
    microsoft_https_port: u16,
    #[arg(long, default_value_t = 0)]
    graph_port: u16,
    #[arg(long, default_value_t = 0)]
    graph_https_port: u16,
    #[arg(long, default_value_t = 0)]
    control_port: u16,
    #[arg(long, default_value_t = 0)]
    preview_port: u16,
    #[arg(long, default_value_t = 0)]
    preview_https_port: u16,
    /// Where the browser preview shows Tandem from, for example http://localhost:8080/.
    #[arg(long)]
    pane: Option<String>,
}

pub(super) async fn run(args: Args) -> anyhow::Result<ExitCode> {
    let options = Options {
        seed: args.seed,
        contacts: args.contacts,
        mailbox_contacts: args.mailbox_contacts,
        events: args.mailbox_events,
        tasks: args.mailbox_tasks,
        messages: args.mailbox_messages,
        crm_events: args.crm_events,
        crm_tasks: args.crm_tasks,
        agents: args.agents,
        agent_contacts: args.agent_contacts,
        tandem_key: !args.no_tandem_key,
        ca_dir: args.ca_dir,
        record: args.record,
        ports: Ports {
            exchange_http: args.exchange_port,
            exchange_https: args.exchange_https_port,
            salesforce_http: args.salesforce_port,
            salesforce_https: args.salesforce_https_port,
            microsoft_http: args.microsoft_port,
            microsoft_https: args.microsoft_https_port,
            graph_http: args.graph_port,
            graph_https: args.graph_https_port,
            control: args.control_port,
            preview_http: args.preview_port,
            preview_https: args.preview_https_port,
        },
        pane: args.pane,
        ..Options::default()
    };
    let sandbox = Sandbox::start(options).await?;
    println!("{}", serde_json::to_string(sandbox.info())?);
    super::serve::ended_by_signal().await;
    sandbox.stop().await;
    Ok(ExitCode::SUCCESS)
}
