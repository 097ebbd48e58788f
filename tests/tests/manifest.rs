//! The Outlook add-in's manifest: our own rules, and Microsoft's converter with its schemas.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use tandem_tests::{manifest, places};
use tokio::process::Command;

const OWN: &str = "https://tandem.example.com";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

/// As a server at [`OWN`] answers it; a test of the server holds that this is all it replaces.
fn served() -> Result<String> {
    let text = std::fs::read_to_string(root().join("manifest.xml"))?;
    Ok(text.replace("https://tandem.invalid", OWN))
}

/// The file that a server at [`OWN`] gives for a URL.
fn file(url: &str) -> Option<Vec<u8>> {
    let name = url.strip_prefix(OWN)?.strip_prefix('/')?;
    std::fs::read(root().join("public").join(name)).ok()
}

#[test]
fn the_manifest_keeps_every_rule() -> Result<()> {
    let faults = manifest::faults(&served()?, &file)?;
    assert!(faults.is_empty(), "{faults:#?}");
    Ok(())
}

/// Each thing that can be wrong is found, by the word that tells it.
#[test]
fn a_manifest_with_a_fault_is_not_taken() -> Result<()> {
    let good = served()?;
    let long = "x".repeat(33);
    let long_id = format!("bt:String id=\"{long}\"");
    let long_text = format!("DefaultValue=\"{}\"", "x".repeat(126));
    for (from, to, told) in [
        (OWN, "https://tandem.invalid", "placeholder"),
        ("<Id>7b0f6c1e-", "<Id>7b0f6c1-", "no GUID"),
        ("<Version>0.2.0.0<", "<Version>0.2<", "four numbers"),
        ("<AppDomain>https:", "<AppDomain>http:", "AppDomain is not https"),
        (
            "<bt:Url id=\"Pane.Url\" DefaultValue=\"https:",
            "<bt:Url id=\"Pane.Url\" DefaultValue=\"http:",
            "Url is not https",
        ),
        (
            "DefaultMinVersion=\"1.5\"",
            "DefaultMinVersion=\"1.8\"",
            "Mailbox 1.8",
        ),
        (
            "bt:String id=\"Open.Tip\"",
            "bt:String id=\"Open.Tips\"",
            "Open.Tip is not defined",
        ),
        (
            "bt:String id=\"Open.Tip\"",
            "bt:String id=\"Open.Tips\"",
            "nothing names Open.Tips",
        ),
        (
            "bt:String id=\"Group.Label\"",
            &long_id,
            "more than 32 characters",
        ),
        (
            "bt:Image id=\"Icon.32\"",
            "bt:Image id=\"Icon.16\"",
            "Icon.16 is defined twice",
        ),
        (
            "<Title resid=\"Open.Label\"",
            "<Title resid=\"Open.Tip\"",
            "Open.Tip is of LongStrings",
        ),
        ("DefaultValue=\"Open Tandem\"", &long_text, "longer than 125"),
        (
            "Locale=\"de-DE\" Value=\"Tandem öffnen\"",
            "Locale=\"fr-FR\" Value=\"Ouvrir\"",
            "has no German",
        ),
        ("icon-80.png", "icon-64.png", "(64, 64)) in place of 80"),
        ("icon-75.png", "icon-74.png", "None in place of 75"),
        (
            "size=\"25\" scale=\"2\"",
            "size=\"25\" scale=\"1\"",
            "25×2: no picture",
        ),
        ("icon-128.png", "icon-64.png", "HighResolutionIconUrl"),
        (
            "id=\"msgComposeGroup\"",
            "id=\"msgReadGroup\"",
            "two of msgReadGroup",
        ),
        (
            "MobileMessageReadCommandSurface",
            "MobileLogEventAppointmentAttendee",
            "has no MobileMessageRead",
        ),
        (
            "<SupportsPinning>true",
            "<SupportsPinning>false",
            "cannot be pinned",
        ),
        (
            "<Permissions>ReadWriteItem",
            "<Permissions>ReadItem",
            "wrong right",
        ),
        (
            "xsi:type=\"VersionOverridesV1_1\"",
            "xsi:type=\"VersionOverridesV1_0\"",
            "another type",
        ),
        (
            "<SourceLocation resid=\"Pane.Url\"/>\n                  </Action>",
            "<SourceLocation resid=\"Pane.Url\"/><SupportsPinning>true</SupportsPinning></Action>",
            "V1_0 does not know SupportsPinning",
        ),
        (
            "<ProviderName>Tandem</ProviderName>\n  <DefaultLocale>en-US</DefaultLocale>",
            "<DefaultLocale>en-US</DefaultLocale><ProviderName>Tandem</ProviderName>",
            "ProviderName stands too late",
        ),
        (
            "<Label resid=\"Group.Label\"/>",
            "<Labels/><Label resid=\"Group.Label\"/>",
            "may not hold Labels",
        ),
    ] {
        assert!(good.contains(from), "nothing to spoil: {from}");
        let bad = good.replace(from, to);
        let faults = manifest::faults(&bad, &file)?;
        assert!(
            faults.iter().any(|fault| fault.contains(told)),
            "{from} -> {to}: {told} is not in {faults:#?}"
        );
    }
    let large = good.replace(
        "</OfficeApp>",
        &format!("<!--{}--></OfficeApp>", "x".repeat(256 * 1024)),
    );
    assert!(
        manifest::faults(&large, &file)?
            .iter()
            .any(|fault| fault.contains("too many"))
    );
    assert!(manifest::faults("<OfficeApp><Id></OfficeApp>", &file).is_err());
    Ok(())
}

/// Microsoft's own converter and schemas; returns what they say.
async fn converted(xml: &str) -> Result<serde_json::Value> {
    let folder = tempfile::tempdir()?;
    let input = folder.path().join("manifest.xml");
    std::fs::write(&input, xml)?;
    let output = folder.path().join("out");
    std::fs::create_dir(&output)?;
    let tools = places::node_tools()?;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("node/manifest.cjs");
    let mut command = Command::new("node");
    command
        .arg(script)
        .args([&tools, &input, &output])
        .kill_on_drop(true);
    let ended = command.output().await.context("node does not start")?;
    anyhow::ensure!(
        ended.status.success(),
        "{}",
        String::from_utf8_lossy(&ended.stderr)
    );
    Ok(serde_json::from_slice(&ended.stdout)?)
}

#[tokio::test]
async fn microsofts_converter_takes_it_and_its_schemas_too() -> Result<()> {
    let said = converted(&served()?).await?;
    assert_eq!(said["errors"], serde_json::json!([]), "{said:#}");
    assert!(
        said["files"]
            .as_array()
            .is_some_and(|files| files.contains(&"de-de.json".into()))
    );
    let manifest = &said["manifest"];
    let ribbons = manifest["extensions"][0]["ribbons"]
        .as_array()
        .context("ribbons")?;
    let mobile = |ribbon: &&serde_json::Value| ribbon["requirements"]["formFactors"][0] == "mobile";
    assert_eq!(ribbons.iter().filter(mobile).count(), 1, "{manifest:#}");
    for context in [
        "mailRead",
        "mailCompose",
        "meetingDetailsOrganizer",
        "meetingDetailsAttendee",
    ] {
        let both = ribbons
            .iter()
            .filter(|ribbon| ribbon["contexts"][0] == context)
            .count();
        assert_eq!(both, 2, "{context}: with and without pinning");
    }
    let actions = &manifest["extensions"][0]["runtimes"][0]["actions"];
    assert_eq!(actions[0]["pinnable"], true, "{actions:#}");
    let description = manifest["description"]["short"].as_str().unwrap_or_default();
    assert!(!description.contains("TRUNCATED"), "{description}");
    Ok(())
}

#[tokio::test]
async fn microsofts_schemas_find_a_fault() -> Result<()> {
    let bad = served()?.replace("    <Override Locale=\"de-DE\" Value=\"Tandem\"/>\n", "");
    let said = converted(&bad).await?;
    let errors = said["errors"].to_string();
    assert!(errors.contains("de-de.json"), "{errors}");
    Ok(())
}
